"""Draws throughput against p99 latency over a sweep of loads, from files that `bench-serve --rate 1,2,4 --json` wrote.

    python python/bench/plot_sweep.py -o sweep.svg "label=sweep.json" ...

Left: milliseconds from token to token; right: seconds to the first token. Each point is one rate of arrivals, which stands
beside it. Needs matplotlib.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot  # noqa: E402


def draw(axes, label, loads, figure, scale):
    tokens = [load["output_tokens_per_second"] for load in loads]
    for share, style in (("p50", "--"), ("p99", "-")):
        values = [load[figure][share] * scale for load in loads]
        line, = axes.plot(tokens, values, style, marker="o", markersize=4, label=f"{label}, {share}")
        if share == "p99":
            for load, x, y in zip(loads, tokens, values):
                axes.annotate(f"{load['rate']:g}/s", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=7,
                              color=line.get_color())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", help="label=FILE")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="its suffix says the kind: .svg, .png")
    options = parser.parse_args()
    figure, (gaps, first) = pyplot.subplots(1, 2, layout="constrained", figsize=(9, 3.4))
    for sweep in options.sweeps:
        label, file = sweep.split("=", 1)
        loads = [load for load in json.loads(pathlib.Path(file).read_text())["loads"] if isinstance(load["rate"], float)]
        draw(gaps, label, loads, "itl_ms", 1)
        draw(first, label, loads, "ttft_ms", 1e-3)
    for axes, text in ((gaps, "ms from token to token"), (first, "s to the first token")):
        axes.set_xlabel("output tokens/s of all requests")
        axes.set_ylabel(text)
        axes.margins(x=0.08, y=0.12)
        axes.legend(fontsize=8)
    gaps.set_ylim(bottom=0)
    figure.savefig(options.output, dpi=150)


if __name__ == "__main__":
    main()
