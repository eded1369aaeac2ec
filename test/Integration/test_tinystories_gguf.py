"""TinyStories-656K as GGUF, converted here by PyPI's gguf alone: nothing of a file gets lost or altered on its way.

python/fixtures/make_gguf.py --tinystories made the expected logits: transformers', reading the same files.
"""

import json
import sys

import numpy as np
import pytest
from conftest import ROOT, TEST_DATA, relative_error, third_party
from test_inspect import compare_with_gguf

KINDS = ["F16", "Q8_0", "Q4_0", "Q4_1"]


@pytest.fixture(scope="module")
def checkpoint():
    return third_party("models", "TinyStories-656K")


@pytest.fixture(scope="module", params=KINDS)
def file(request, checkpoint, tmp_path_factory):
    pytest.importorskip("gguf", reason="writes the GGUF files")
    sys.path.insert(0, str(ROOT / "python" / "fixtures"))
    from gguf_conversion import convert

    path = tmp_path_factory.mktemp("gguf") / f"{request.param}.gguf"
    convert(checkpoint, request.param, path)
    return path


@pytest.fixture(scope="module")
def model(file, compiled):
    return compiled(file, "--precision=keep", "--activations=f32")


def test_codes_and_scales_are_the_files(file, model, tmp_path):
    """Hugging Face names and row order, q and k un-permuted; two layers of seven linears and the table."""
    assert compare_with_gguf(file, model.path, tmp_path) == 15


def test_logits(file, model):
    """A prompt of 32 tokens, and the last 8 of its rows."""
    ids = json.loads(third_party("text", "tinystories-windows.json").read_text())[0][:32]
    expected = np.load(TEST_DATA / "tinystories" / "gguf-logits.npz")[file.stem]
    assert expected.dtype == np.float32 and len(expected) == 8
    assert relative_error(model.logits([ids], "--kv-cache=f32")[-8:], expected) <= 1e-3


def test_token_ids(model, checkpoint):
    """Those of the checkpoint's own tokenizer.json on two texts."""
    tokenizers = pytest.importorskip("tokenizers", reason="the reference is the package `tokenizers`")
    reference = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    for name in ("tinyshakespeare.txt", "tinystories-train-excerpt.txt"):
        text = third_party("text", name).read_text(encoding="utf-8")
        ours, expected = json.loads(model("tokenize", input=text).stdout), reference.encode(text).ids
        difference = next((i for i, pair in enumerate(zip(ours, expected)) if pair[0] != pair[1]), min(len(ours), len(expected)))
        assert ours == expected, f"{name}: first difference at {difference} of {len(expected)}"
