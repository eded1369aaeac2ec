"""Compiles the tiny checkpoints of every architecture and compares logits with those that transformers computed.

test/data/tiny has safetensors with expected.npy, test/data/gguf the same models as GGUF; tokens.json are the sequences, one
ragged batch. NIBBLE_BIN names the folder of the tools (build/release/bin of this checkout otherwise).
"""

import os
import pathlib
import subprocess

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("NIBBLE_BIN", ROOT / "build" / "release" / "bin"))
DATA = ROOT / "test" / "data"
TINY = sorted(path.parent for path in (DATA / "tiny").glob("*/expected.npy"))
GGUF = sorted(path for path in (DATA / "gguf").glob("*.gguf") if path.with_suffix(".npy").exists())

if not (BIN / "nibble-compile").exists():
    pytest.skip(f"{BIN}/nibble-compile is not built", allow_module_level=True)


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def logits(artifact, tokens, *flags):
    """[tokens, vocabulary] of all sequences in order."""
    output = artifact.with_suffix(".npy")
    run(artifact, "logits", "--tokens", tokens, "-o", output, *flags)
    return numpy.load(output)


def relative_error(ours, expected):
    """The largest over rows of ||ours - expected|| / ||expected||."""
    assert ours.shape == expected.shape
    difference = ours.astype(numpy.float64) - expected
    return (numpy.linalg.norm(difference, axis=1) / numpy.linalg.norm(expected, axis=1)).max()


@pytest.fixture
def compiled(tmp_path):
    def compile_checkpoint(checkpoint, *flags):
        artifact = tmp_path / "model"
        run(BIN / "nibble-compile", checkpoint, "-o", artifact, "--report=none", *flags)
        return artifact

    return compile_checkpoint


@pytest.mark.parametrize("folder", TINY, ids=lambda path: path.name)
def test_f32_equals_transformers(compiled, folder):
    expected = numpy.load(folder / "expected.npy")
    artifact = compiled(folder, "--precision=f32")
    assert relative_error(logits(artifact, folder / "tokens.json"), expected) <= 1e-4
    # A prompt, then its last 16 tokens one by one.
    stepwise = logits(artifact, folder / "tokens.json", "--decode-from", "17")
    assert relative_error(stepwise, expected) <= 1e-4


@pytest.mark.parametrize("folder", TINY, ids=lambda path: path.name)
def test_bf16_is_close(compiled, folder):
    expected = numpy.load(folder / "expected.npy")
    assert relative_error(logits(compiled(folder, "--precision=bf16"), folder / "tokens.json"), expected) <= 2e-2


@pytest.mark.parametrize("file", GGUF, ids=lambda path: path.stem)
def test_gguf_keeps_its_numbers(compiled, file):
    case = file.stem.rsplit("-", 1)[0]
    artifact = compiled(file, "--precision=keep", "--activations=f32")
    ours = logits(artifact, DATA / "tiny" / case / "tokens.json", "--kv-cache=f32")
    assert relative_error(ours, numpy.load(file.with_suffix(".npy"))) <= 1e-3
