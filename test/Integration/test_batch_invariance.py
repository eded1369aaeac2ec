"""A token's logits do not depend, to the bit, on the batch, on how a prompt is cut into chunks, or on the threads."""

import json
import shutil

import numpy as np
import pytest

from conftest import TEST_DATA

PRECISIONS = [
    ("--precision=f32",),
    ("--precision=f16",),
    ("--precision=bf16",),
    ("--precision=int8",),
    ("--precision=int8", "--activations=f32"),
    ("--precision=int8", "--activations=int16"),
    ("--precision=bf16", "--activations=bf16"),
    ("--precision=int4",),
    ("--precision=int4", "--activations=f32"),
    ("--precision=int4-zero",),
    ("--precision=nf4",),
    ("--precision=iq4", "--activations=f32"),
]


def others(count):
    """Sequences of 1 to 60 tokens that keep the one under test company."""
    random = np.random.default_rng(count)
    return [random.integers(3, 90, size=int(random.integers(1, 60))).tolist() for _ in range(count)]


@pytest.mark.parametrize("cache", ["f32", "f16", "int8"])
@pytest.mark.parametrize("precision", PRECISIONS, ids=" ".join)
@pytest.mark.parametrize("case", ["llama-llama3", "qwen3"])
def test_same_bits(compiled, case, precision, cache):
    folder = TEST_DATA / "tiny" / case
    sequence = json.loads((folder / "tokens.json").read_text())[0]
    model = compiled(folder, *precision)
    options = ("--kv-cache", cache)
    alone = model.logits([sequence], *options, "--threads", 1)
    assert np.isfinite(alone).all()

    def check(ours, what):
        assert ours.shape == alone.shape
        different = (ours.view(np.uint32) != alone.view(np.uint32)).any(axis=1)
        assert not different.any(), f"{what}: rows {np.flatnonzero(different)[:5]} differ"

    check(model.logits([sequence], *options, "--threads", 2), "two threads")
    for chunk in (1, 7, 64):
        for threads in (1, 2):
            ours = model.logits([sequence], *options, "--chunk", chunk, "--threads", threads)
            check(ours, f"chunks of {chunk}, {threads} threads")
    for size in (2, 5, 17):
        company = others(size - 1)
        before = len(company) // 2
        batch = company[:before] + [sequence] + company[before:]
        start = sum(map(len, company[:before]))
        for chunk in (None, 7):
            words = ("--chunk", chunk) if chunk else ()
            ours = model.logits(batch, *options, *words)[start : start + len(sequence)]
            check(ours, f"a batch of {size}, chunks of {chunk}")


@pytest.fixture(scope="module")
def long_context(tmp_path_factory):
    """long_context(case) is the tiny checkpoint with a config of 1024 positions."""

    def copy(case):
        folder = tmp_path_factory.getbasetemp() / f"long-{case}"
        if not folder.exists():
            shutil.copytree(TEST_DATA / "tiny" / case, folder)
            path = folder / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": 1024}))
        return folder

    return copy


@pytest.mark.parametrize("cache", ["f32", "f16", "bf16", "int8"])
@pytest.mark.parametrize("case", ["llama", "qwen3"])
def test_same_bits_where_attention_is_split(compiled, long_context, case, cache):
    """Contexts of 11 blocks of 64 positions; with 16 threads one sequence's cache is cut into runs of blocks."""
    model = compiled(long_context(case), "--precision=int4")
    sequence = np.random.default_rng(9).integers(3, 90, size=700).tolist()
    options = ("--kv-cache", cache)
    alone = model.logits([sequence], *options, "--threads", 1)
    assert np.isfinite(alone).all()
    for words in (
        ("--threads", 2),
        ("--threads", 16, "--chunk", 7),
        ("--threads", 16, "--chunk", 64),
        ("--threads", 16, "--decode-from", 680),
        ("--threads", 1, "--decode-from", 680),
    ):
        ours = model.logits([sequence], *options, *words)
        different = (ours.view(np.uint32) != alone.view(np.uint32)).any(axis=1)
        assert not different.any(), f"{words}: rows {np.flatnonzero(different)[:5]} differ"
    batch = model.logits([[5, 6, 7], sequence], *options, "--threads", 16, "--chunk", 9)[3:]
    assert (batch.view(np.uint32) == alone.view(np.uint32)).all(), "company of three tokens"
