"""A token's logits do not depend, to the bit, on the batch, on how a prompt is cut into chunks, or on the threads."""

import json

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


@pytest.mark.parametrize("cache", ["f32", "f16"])
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
