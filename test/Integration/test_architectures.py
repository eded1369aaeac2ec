"""Tiny random checkpoints of every architecture against the logits that transformers gives for them.

python/fixtures/make_tiny.py made the checkpoints and the logits. Each is run on every CPU target that this machine has.
"""

import json

import numpy as np
import pytest

from conftest import TEST_DATA, relative_error

CASES = sorted(path.parent.name for path in (TEST_DATA / "tiny").glob("*/expected.npy"))


def load(case):
    folder = TEST_DATA / "tiny" / case
    return folder, json.loads((folder / "tokens.json").read_text()), np.load(folder / "expected.npy")


def test_there_are_cases():
    assert len(CASES) >= 10


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision, limit", [("f32", 1e-4), ("bf16", 2e-2)])
def test_logits(compiled, targets, case, precision, limit):
    folder, sequences, expected = load(case)
    model = compiled(folder, f"--precision={precision}", "--target=" + ",".join(f"cpu:{t}" for t in targets))
    for target in targets:
        error = relative_error(model.logits(sequences, "--cpu", target, "--kv-cache=f32"), expected)
        assert error <= limit, f"{target}: relative error {error:.2e}"


@pytest.mark.parametrize("case", CASES)
def test_prompt_then_tokens_one_by_one(compiled, case):
    """33 tokens of prompt, then 16 decoded."""
    folder, sequences, expected = load(case)
    assert len(sequences[0]) == 49
    model = compiled(folder, "--precision=f32")
    ours = model.logits(sequences[:1], "--decode-from", 33, "--kv-cache=f32")
    assert relative_error(ours, expected[:49]) <= 1e-4


@pytest.mark.parametrize("kind", ["int8", "int4", "int8-g64", "int8-channel", "int4-g128", "int4-zero", "int8-channel-zero", "nf4", "iq4"])
def test_quantized_formats_stay_near(compiled, kind):
    """Quantization errs, but not wildly; exact checks of kernels are in test/unit/Codegen."""
    folder, sequences, expected = load("llama")
    error = relative_error(compiled(folder, f"--precision={kind}").logits(sequences, "--kv-cache=f32"), expected)
    assert 1e-4 < error < (0.1 if kind.startswith("int8") else 0.6)
