"""ik_llama.cpp as a peer (rows.py), through its tool llama-batched-bench.

    python ik_llama_peer.py FILE.gguf --tools FOLDER --threads 2 --rows prompt512 decode64x8

The tool loads the model anew for every row; only what it times itself counts. Flash attention is on, weights are repacked
as they are loaded. It gives logits for the last token of all prompts together, not of each, and decodes from a context of
one token where a row says none.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import Row, serve  # noqa: E402


def command(options, row):
    prompt, decode = (row.prompt, 1) if row.prompt else (max(row.depth, 1), row.decode)
    if row.prompt and row.depth:
        raise SystemExit(f"row {row}: llama-batched-bench measures prompts without a context only")
    room = row.batch * -(-(prompt + decode) // 256) * 256
    return [options.tools / "llama-batched-bench", "-m", options.file, "-c", room, "-b", 2048, "-ub", 512,
            "-t", options.threads, "-tb", options.threads, "-fa", "on", "-rtr",
            "-npp", prompt, "-ntg", decode, "-npl", row.batch]


def seconds_of(output, row):
    """(T_PP, T_TG) of the table's one line: | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | ..."""
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 10 and cells[2] == str(row.batch):
            return float(cells[4]), float(cells[6])
    raise SystemExit(f"llama-batched-bench: no line for {row.batch} sequences in its output:\n{output[-2000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rows", type=Row.parse, nargs="+", required=True)
    options = parser.parse_args()
    options.file, options.tools = options.file.resolve(), options.tools.resolve()

    def measure(row):
        with tempfile.TemporaryDirectory() as folder:  # the tool leaves a log where it runs
            done = subprocess.run([str(word) for word in command(options, row)], capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise SystemExit(f"llama-batched-bench: exit code {done.returncode}\n{done.stderr[-2000:]}")
        prompt, decode = seconds_of(done.stdout + done.stderr, row)
        return (prompt, 0.0) if row.prompt else (0.0, decode)

    serve({"peer": "ik_llama.cpp", "tools": str(options.tools.name), "threads": options.threads}, measure)


if __name__ == "__main__":
    main()
