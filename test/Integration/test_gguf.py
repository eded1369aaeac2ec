"""GGUF files: codes are kept, and the logits are those of the weights that the file holds.

python/fixtures/make_gguf.py made the files of test/data/gguf out of test/data/tiny, and the logits with transformers.
"""

import json

import numpy as np
import pytest

from conftest import TEST_DATA, relative_error

FILES = sorted(path for path in (TEST_DATA / "gguf").glob("*.gguf") if path.with_suffix(".npy").exists())


def test_there_are_files():
    kinds = {path.stem.rsplit("-", 1)[1] for path in FILES}
    assert kinds >= {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "IQ4_NL"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_logits(compiled, path):
    case = path.stem.rsplit("-", 1)[0]
    sequences = json.loads((TEST_DATA / "tiny" / case / "tokens.json").read_text())
    model = compiled(path, "--precision=keep", "--activations=f32")
    assert relative_error(model.logits(sequences, "--kv-cache=f32"), np.load(path.with_suffix(".npy"))) <= 1e-3


def test_split_file_is_one_model(compiled):
    """Two parts of Q8_0 give what the whole file gives, to the bit."""
    words = ("--precision=keep", "--activations=f32")
    whole = compiled(TEST_DATA / "gguf" / "llama-Q8_0.gguf", *words).logits([[1, 5, 9, 7]])
    parts = compiled(TEST_DATA / "gguf" / "split-00001-of-00002.gguf", *words).logits([[1, 5, 9, 7]])
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("kind, spelling", [("Q8_0", "int8-g32"), ("Q4_0", "int4-g32"), ("Q4_1", "int4-g32-min"), ("IQ4_NL", "iq4-g32")])
def test_formats_are_kept(compiled, kind, spelling):
    info = json.loads(compiled(TEST_DATA / "gguf" / f"llama-{kind}.gguf", "--activations=f32")("info", "--json").stdout)
    formats = {tensor["format"] for tensor in info["tensors"] if "_proj" in tensor["name"]}
    assert spelling in formats
