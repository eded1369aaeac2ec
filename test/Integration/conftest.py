"""Fixtures of the integration tests: the built tools, artifacts compiled once a session, third-party data.

NIBBLE_BUILD names the build folder (build/release of this checkout otherwise), NIBBLE_DATA the third-party data.
"""

import json
import os
import pathlib
import signal
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NIBBLE_BUILD", ROOT / "build" / "release"))
TEST_DATA = ROOT / "test" / "data"

# A shell starts what is to run in the background with Ctrl-C ignored, and programs inherit that: not those under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


def tool(name):
    """The path of a built tool."""
    path = BUILD / "bin" / name
    if not path.exists():
        pytest.fail(f"{path} is missing: build it, or set NIBBLE_BUILD")
    return str(path)


def run(*command, check=True, **options):
    """Runs a command; its output is in the failure's message."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **options)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def interrupt(process, seconds=20):
    """Ctrl-C. True if the process ends by it soon: with code 130, or by the signal itself, which a shell calls 130."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=seconds) in (130, -signal.SIGINT)


def third_party(*parts):
    """A path below NIBBLE_DATA; skips the test where there is none."""
    if "NIBBLE_DATA" not in os.environ:
        pytest.skip("NIBBLE_DATA is not set: no third-party data")
    return pathlib.Path(os.environ["NIBBLE_DATA"], *parts)


class Artifact:
    """A compiled model: runs verbs and reads what they write."""

    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.count = 0

    def __call__(self, *words, **options):
        return run(self.path, *words, **options)

    def logits(self, sequences, *words):
        """float32 [all tokens, vocabulary]: the sequences as one ragged batch."""
        self.count += 1
        tokens, output = self.folder / f"{self.count}.json", self.folder / f"{self.count}.npy"
        tokens.write_text(json.dumps(sequences))
        self("logits", "--tokens", tokens, "-o", output, *words)
        return np.load(output)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(checkpoint, "--precision=int4", ...) gives an Artifact; the same words compile once."""
    made = {}

    def compile_once(checkpoint, *words):
        key = (str(checkpoint), *words)
        if key not in made:
            folder = tmp_path_factory.mktemp("artifact")
            run(tool("nibble-compile"), "--verify-phase", checkpoint, "-o", folder / "model", "--report=none", *words)
            made[key] = Artifact(folder / "model", folder)
        return made[key]

    return compile_once


def relative_error(ours, reference):
    """The largest over rows of ||ours - reference|| / ||reference||."""
    assert ours.shape == reference.shape
    ours, reference = ours.astype(np.float64), reference.astype(np.float64)
    return (np.linalg.norm(ours - reference, axis=1) / np.linalg.norm(reference, axis=1)).max()


@pytest.fixture(scope="session")
def targets():
    """CPU targets that this machine can run, of those that there are."""
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
    found = ["x86-64-v3"] if {"avx2", "fma", "f16c"} <= flags else []
    if "avx512_vnni" in flags and "avx512bw" in flags:
        found.append("avx512-vnni")
    return found
