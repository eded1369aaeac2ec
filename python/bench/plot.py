"""Draws the ratios of files that compare.py --json wrote.

    python python/bench/plot.py -o ratios.svg 1b.json 135m.json

One panel a file, one group of bars a row, one bar a peer; the line on a bar goes from the least to the most of the rounds.
Needs matplotlib.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot  # noqa: E402


def draw(axes, document):
    results = document["results"]
    peers = list(results[0]["ratios"])
    width = 0.8 / len(peers)
    for number, peer in enumerate(peers):
        ratios = [result["ratios"][peer] for result in results]
        places = [row + (number - (len(peers) - 1) / 2) * width for row in range(len(results))]
        medians = [ratio["median"] for ratio in ratios]
        spread = [[ratio["median"] - ratio["least"] for ratio in ratios],
                  [ratio["most"] - ratio["median"] for ratio in ratios]]
        bars = axes.bar(places, medians, width * 0.92, yerr=spread, capsize=2, label=peer,
                        error_kw={"elinewidth": 0.8, "ecolor": "#444"})
        axes.bar_label(bars, [f"{median:.1f}" for median in medians], fontsize=7, padding=2)
    axes.margins(y=0.12)  # room for the labels
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(results)), [result["row"] for result in results], fontsize=8)
    axes.set_ylabel("Nibble / peer, tokens/s")
    axes.set_title(f"{document['shape']}, {document['format']}, {document['threads']} threads, {document['cpu']}, "
                   f"{document['date'][:10]}", fontsize=9)
    axes.legend(fontsize=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="its suffix says the kind: .svg, .png")
    options = parser.parse_args()
    figure, panels = pyplot.subplots(len(options.files), 1, squeeze=False, layout="constrained",
                                     figsize=(9, 3.2 * len(options.files)))
    for axes, file in zip(panels[:, 0], options.files):
        draw(axes, json.loads(file.read_text()))
    figure.savefig(options.output, dpi=150)


if __name__ == "__main__":
    main()
