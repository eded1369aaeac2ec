"""Servers under the same closed load, in turn: Nibble's `serve`, llama-server, and OpenVINO GenAI's batching pipeline.

    python python/bench/serving.py ARTIFACT --runtime build/release/bin/nibble-run \
        --llama-server llama.cpp/build/bin/llama-server --gguf FILE.gguf \
        --openvino-python OPENVINO_VENV/bin/python --openvino FOLDER --rounds 3 --json serving.json

ARTIFACT is compiled from FILE.gguf (make_gguf.py), so that both servers have the same codes and scales; FOLDER is the same
checkpoint as OpenVINO rounds it (make_peer_models.py). 16 clients each send a request and, once it is answered whole, the
next: prompts of 128 tokens that share no beginning, 128 tokens of output whatever they are. Servers are asked over HTTP,
streamed, by `bench-serve`; the pipeline is asked within its own process, which spares it that work. What a server's start and
its first requests take does not count. Prints output tokens a second and milliseconds from token to token, medians of the
rounds with the least and the most, and ratios within rounds.
"""

import argparse
import contextlib
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

PEERS = pathlib.Path(__file__).resolve().parent / "peers"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, port):
    """A server, from the moment on that it says it is healthy."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except (urllib.error.URLError, OSError):
                pass
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{command[0]} does not serve: run it by hand to see why")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def ask(options, port):
    """What bench-serve says of one load."""
    command = [options.runtime, options.artifact, "bench-serve", "--url", f"http://127.0.0.1:{port}", "--concurrency",
               options.clients, "--requests", options.requests, "--prompt", options.prompt, "--output", options.output,
               "--vocabulary", options.vocabulary, "--warm-up", options.clients, "--seeds", 1, "--seed", options.seed,
               "--quiet", "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench-serve failed: {done.stderr}")
    load = json.loads(done.stdout)["loads"][0]
    if load["failed"] or load["output_tokens"] != options.requests * options.output:
        sys.exit(f"not every request was answered whole: {load}")
    return {"tokens_per_second": load["output_tokens_per_second"], "p50": load["itl_ms"]["p50"], "p99": load["itl_ms"]["p99"],
            "ttft_p50": load["ttft_ms"]["p50"]}


def nibble(options):
    port = free_port()
    with running([options.runtime, options.artifact, "serve", "--port", port, "--max-sequences", options.clients,
                  "--threads", options.threads, "--context", options.prompt + options.output], port):
        return ask(options, port)


def llama(options):
    port = free_port()
    positions = options.clients * (options.prompt + options.output)
    with running([options.llama_server, "-m", options.gguf, "--port", port, "-np", options.clients, "-c", positions,
                  "-t", options.threads, "-tb", options.threads, "-fa", "on", "-cb", "-b", 512, "-ub", 512,
                  "--no-webui"], port):
        return ask(options, port)


def openvino(options):
    command = [options.openvino_python, PEERS / "openvino_batching_peer.py", options.openvino, "--threads", options.threads,
               "--clients", options.clients, "--requests", options.requests, "--prompt", options.prompt, "--output",
               options.output]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    gaps = found["inter_token_seconds"]
    return {"tokens_per_second": found["output_tokens_per_second"], "p50": gaps["p50"] * 1e3, "p99": gaps["p99"] * 1e3,
            "ttft_p50": None}


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f} {max(values):.{digits}f}]"


def print_table(rounds):
    print(f"{'':18}{'output tokens/s':>24}{'Nibble is times as fast':>28}{'ms token to token p50':>26}{'p99':>26}")
    for name in rounds[0]:
        rows = [round_[name] for round_ in rounds]
        ratios = [round_["Nibble"]["tokens_per_second"] / round_[name]["tokens_per_second"] for round_ in rounds]
        print(f"{name:18}{spread([row['tokens_per_second'] for row in rows]):>24}"
              f"{spread(ratios, 2) if name != 'Nibble' else '':>28}"
              f"{spread([row['p50'] for row in rows]):>26}{spread([row['p99'] for row in rows]):>26}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=pathlib.Path)
    parser.add_argument("--runtime", type=pathlib.Path, required=True, help="nibble-run")
    parser.add_argument("--llama-server", type=pathlib.Path, help="the built llama-server")
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--openvino-python", type=pathlib.Path, help="the interpreter that has openvino-genai")
    parser.add_argument("--openvino", type=pathlib.Path, help="folder with openvino_model.xml")
    for name, value, text in (("clients", 16, "that ask at a time"), ("requests", 64, "in a round"), ("threads", 2, ""),
                              ("prompt", 128, "tokens"), ("output", 128, "tokens"), ("rounds", 3, ""),
                              ("vocabulary", 2000, "token ids of prompts are below")):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default: {value})")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    subjects = {"Nibble": nibble}
    if options.llama_server:
        subjects["llama-server"] = llama
    if options.openvino_python:
        subjects["OpenVINO GenAI"] = openvino
    rounds = []
    for number in range(options.rounds):
        options.seed = number + 1
        rounds.append({})
        for name, subject in subjects.items():
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            rounds[-1][name] = subject(options)
    print_table(rounds)
    if options.json:
        options.json.write_text(json.dumps({"rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
