"""Runs Nibble and other programs side by side on the same weights and prints ratios.

    python python/bench/compare.py --data DIR --shape llama-3.2-1b --llama-python VENV/bin/python

For each row (rows.py says how one is spelled) and each round every program measures the row in turn, in an order that
turns with the round, and so does the read bandwidth of the machine. A ratio is taken within a round; the table has the
median of the rounds and, in brackets, the least and the most. `others` is the share of all cores that other processes
took meanwhile: a measurement with more than --quiet of it is made again, three times at most, and the quietest counts.

The others are those whose interpreter or folder is given: llama.cpp, ik_llama.cpp, OpenVINO, ONNX Runtime GenAI
(README.md). Whatever is missing below DIR is made: the checkpoint, its GGUF, the artifact, the others' files. Nibble,
llama.cpp and ik_llama.cpp read the same codes: the artifact is compiled from the GGUF.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from rows import Row

HERE = pathlib.Path(__file__).resolve().parent
ROWS = ["prompt512", "decode64", "decode32x4", "decode32x8", "decode32x16"]
FORMATS = {"int4": "Q4_0", "int8": "Q8_0"}


class Peer:
    """A program that answers rows (rows.py)."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.description = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended with exit code {self.process.wait()}")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # its own, and that of programs it ran

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def busy_seconds():
    """CPU time of everything on this machine, what other machines stole included."""
    user, nice, system, _, _, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def measured(peer, row):
    """(tokens/s, share of the cores that others took)."""
    begin, busy, own = time.perf_counter(), busy_seconds(), peer.cpu_seconds()
    answer = peer.ask(row.__dict__)
    elapsed = time.perf_counter() - begin
    others = (busy_seconds() - busy) - (peer.cpu_seconds() - own)
    seconds = answer["prompt_seconds"] + answer["decode_seconds"]
    return row.tokens / seconds, max(0.0, others / elapsed / os.cpu_count())


def quietest(peer, row, quiet):
    best = measured(peer, row)
    for _ in range(2):
        if best[1] <= quiet:
            break
        best = min(best, measured(peer, row), key=lambda pair: pair[1])
    return best


class Spread:
    def __init__(self, values):
        self.median, self.least, self.most = statistics.median(values), min(values), max(values)

    def text(self, digits):
        return f"{self.median:.{digits}f} [{self.least:.{digits}f} {self.most:.{digits}f}]"


def linear_macs(config):
    """(multiplications of a token in all layers, in the head)."""
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim", hidden // heads)
    layer = hidden * head * (2 * heads + 2 * config["num_key_value_heads"]) + 3 * hidden * inner
    return layer * config["num_hidden_layers"], hidden * config["vocab_size"]


def cache_bytes(config):
    """Of a position in all layers, in f16."""
    head = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    return 2 * 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * head


class Comparison:
    def __init__(self, nibble, peers, config, options):
        self.nibble, self.peers, self.options = nibble, peers, options
        self.macs, self.cache = linear_macs(config), cache_bytes(config)
        self.weights = nibble.description["weights"]

    def run(self, row):
        """What all rounds of a row gave."""
        everyone = [self.nibble, *self.peers]
        for peer in everyone:
            peer.ask((row if row.prompt else Row(0, row.batch, row.depth, min(row.decode, 4))).__dict__)
        rounds = []
        for number in range(self.options.rounds):
            entry = {"rates": {}, "others": {}} | self.nibble.ask({"probe": True})
            turn = number % len(everyone)
            for peer in everyone[turn:] + everyone[:turn]:
                entry["rates"][peer.name], entry["others"][peer.name] = quietest(peer, row, self.options.quiet)
            rounds.append(entry)
            print(".", end="", file=sys.stderr, flush=True)
        return {"row": str(row), "rounds": rounds} | self.summary(row, rounds)

    def summary(self, row, rounds):
        ours = [entry["rates"][self.nibble.name] for entry in rounds]
        result = {"rates": {}, "ratios": {}, "others": {}}
        for peer in [self.nibble, *self.peers]:
            result["rates"][peer.name] = Spread([entry["rates"][peer.name] for entry in rounds]).__dict__
            result["others"][peer.name] = statistics.median(entry["others"][peer.name] for entry in rounds)
        for peer in self.peers:
            ratios = [mine / entry["rates"][peer.name] for mine, entry in zip(ours, rounds)]
            result["ratios"][peer.name] = Spread(ratios).__dict__
        if not all("read_bandwidth" in entry for entry in rounds):  # an artifact of an older compiler
            raise SystemExit(f"{self.nibble.name}: the artifact has no probes of the machine; compile it again")
        result["read_bandwidth"] = Spread([entry["read_bandwidth"] for entry in rounds]).__dict__
        # Reading the weights and the cache once a step bounds decoding; the linears' multiplications bound the rest.
        step = self.weights + row.batch * (row.depth + (row.decode + 1) / 2) * self.cache
        reads = [rate / row.batch * step / entry["read_bandwidth"] for rate, entry in zip(ours, rounds)]
        result["fraction_of_read"] = Spread(reads).__dict__
        layers, head = self.macs
        a_token = layers + head / (row.prompt if row.prompt else 1)
        result["macs_per_second"] = Spread([rate * a_token for rate in ours]).__dict__
        parts = [rate * a_token / entry["int8_peak"] for rate, entry in zip(ours, rounds)]
        result["fraction_of_int8_peak"] = Spread(parts).__dict__
        return result


def print_table(results, nibble, peers):
    spread = lambda entry, digits: Spread([entry["least"], entry["median"], entry["most"]]).text(digits)
    header = ["row", *(f"{name} tokens/s" for name in [nibble, *peers]), *(f"{nibble} / {name}" for name in peers),
              "read GB/s", "of read", "int8 GMAC/s", "of peak", "others"]
    lines = [header]
    for result in results:
        line = [result["row"]]
        line += [spread(result["rates"][name], 1) for name in [nibble, *peers]]
        line += [spread(result["ratios"][name], 2) for name in peers]
        line.append(f"{result['read_bandwidth']['median'] / 1e9:.1f}")
        line.append(f"{result['fraction_of_read']['median']:.0%}" if result["row"].startswith("decode") else "")
        line.append(f"{result['macs_per_second']['median'] / 1e9:.0f}")
        line.append(f"{result['fraction_of_int8_peak']['median']:.0%}")
        line.append(" ".join(f"{share:.0%}" for share in result["others"].values()))
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


class Files:
    """The checkpoint and what is made of it, made where it is missing."""

    def __init__(self, options):
        self.options = options
        kind = FORMATS[options.precision]
        suffix = kind + (f"-{options.table}" if options.table else "")
        self.folder = options.data / options.shape
        self.gguf = options.data / f"{options.shape}.{suffix}.gguf"
        self.artifact = options.artifact or options.data / f"{options.shape}.{suffix}.nibble"
        self.kind = kind

    def command(self, *words):
        print("+", *words, file=sys.stderr)
        subprocess.run([str(word) for word in words], check=True, stdout=sys.stderr)

    def make(self):
        if not (self.folder / "model.safetensors").exists():
            self.command(sys.executable, HERE / "make_synthetic.py", self.options.shape, self.folder)
        if not self.gguf.exists():
            table = ["--table", FORMATS[self.options.table]] if self.options.table else []
            self.command(sys.executable, HERE / "make_gguf.py", self.folder, self.gguf, "--type", self.kind, *table)
        if self.options.artifact:
            return
        tools = [self.options.build / "bin" / name for name in ("nibble-compile", "nibble-run")]
        built = max(tool.stat().st_mtime for tool in tools)
        if not self.artifact.exists() or self.artifact.stat().st_mtime < built:
            self.command(tools[0], self.gguf, "-o", self.artifact, "--report=none", *self.options.compile_option)

    def converted(self, kind, python):
        """The folder of a program that rounds the checkpoint itself."""
        if self.options.precision != "int4" or self.options.table:
            raise SystemExit(f"{kind}: only --precision int4, without --table, is converted for it")
        out = self.options.data / f"{self.options.shape}.{kind}"
        if not out.exists():
            self.command(python, HERE / "make_peer_models.py", kind, self.folder, out)
        return out


def start(files, rows, options):
    most = lambda values: str(max(1, max(values)))
    nibble = Peer("Nibble", [files.artifact, "bench", "--requests", f"--threads={options.threads}",
                             "--prompt", most(row.prompt for row in rows), "--batch", most(row.batch for row in rows),
                             "--depth", most(row.depth for row in rows), "--decode", most(row.decode for row in rows),
                             *options.run_option])
    same = ["--threads", options.threads, "--rows", *rows]
    peers = []
    if options.llama_python:
        peers.append(Peer("llama.cpp", [options.llama_python, HERE / "peers" / "llama_cpp_peer.py", files.gguf, *same]))
    if options.ik_tools:
        peers.append(Peer("ik_llama.cpp", [sys.executable, HERE / "peers" / "ik_llama_peer.py", files.gguf,
                                           "--tools", options.ik_tools, *same]))
    if options.openvino_python:
        peers.append(Peer("OpenVINO", [options.openvino_python, HERE / "peers" / "openvino_peer.py",
                                       files.converted("openvino", options.openvino_python), *same]))
    if options.onnx_python:
        peers.append(Peer("ONNX Runtime", [options.onnx_python, HERE / "peers" / "onnx_genai_peer.py",
                                           files.converted("onnx", options.onnx_python), *same]))
    return nibble, peers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of checkpoints, GGUFs and artifacts")
    parser.add_argument("--shape", default="llama-3.2-1b", help="of make_synthetic.py")
    parser.add_argument("--precision", choices=FORMATS, default="int4", help="int4 is Q4_0, int8 Q8_0")
    parser.add_argument("--table", choices=FORMATS, help="of the embedding, which is the head (default: --precision)")
    parser.add_argument("--rows", type=Row.parse, nargs="+", default=[Row.parse(text) for text in ROWS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quiet", type=float, default=0.05, help="share of the cores that others may take")
    parser.add_argument("--nice", type=int, default=0, help="of all programs alike; less than 0 only as root")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build" / "release")
    parser.add_argument("--artifact", type=pathlib.Path, help="use this one instead of compiling the GGUF")
    parser.add_argument("--llama-python", metavar="PYTHON", help="an interpreter that has llama-cpp-python")
    parser.add_argument("--ik-tools", type=pathlib.Path, metavar="FOLDER", help="where llama-batched-bench of ik_llama.cpp is")
    parser.add_argument("--openvino-python", metavar="PYTHON", help="an interpreter that has openvino, and optimum-intel")
    parser.add_argument("--onnx-python", metavar="PYTHON", help="an interpreter that has onnxruntime-genai")
    parser.add_argument("--compile-option", action="append", default=[], help="for nibble-compile, =-separated")
    parser.add_argument("--run-option", action="append", default=[], help="for the artifact, =-separated")
    parser.add_argument("--json", type=pathlib.Path, help="write all rounds here")
    options = parser.parse_args()
    files = Files(options)
    files.make()
    config = json.loads((files.folder / "config.json").read_text())
    os.nice(options.nice)  # which all programs inherit
    nibble, peers = start(files, options.rows, options)
    comparison = Comparison(nibble, peers, config, options)
    results = []
    for row in options.rows:
        print(f"{row} ", end="", file=sys.stderr, flush=True)
        results.append(comparison.run(row))
        print(file=sys.stderr)
    for peer in [nibble, *peers]:
        peer.close()
    names = [peer.name for peer in peers]
    print(f"{options.shape}, {files.kind}, {options.threads} threads, {options.rounds} rounds, {cpu_name()}, "
          f"{datetime.date.today()}: median [least most]\n")
    print_table(results, nibble.name, names)
    if options.json:
        document = {"date": str(datetime.datetime.now()), "cpu": cpu_name(), "shape": options.shape,
                    "format": files.gguf.suffixes[-2][1:], "threads": options.threads,
                    "programs": {peer.name: peer.description for peer in [nibble, *peers]}, "results": results}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
