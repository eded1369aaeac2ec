"""A real trained checkpoint: TinyStories-656K, against transformers and against the figures that its quantization must have.

The divergences are those of a PyTorch simulation of the quantizer (the data's README), so they hold for no artifact of ours.
"""

import json

import numpy as np
import pytest

from conftest import TEST_DATA, third_party

EXPECTED = TEST_DATA / "tinystories"


@pytest.fixture(scope="module")
def checkpoint():
    return third_party("models", "TinyStories-656K")


@pytest.fixture(scope="module")
def windows():
    return third_party("text", "tinystories-windows.json")


@pytest.fixture(scope="module")
def exact(compiled, checkpoint, windows, tmp_path_factory):
    """The logits of the f32 artifact on the windows."""
    path = tmp_path_factory.mktemp("exact") / "f32.npy"
    compiled(checkpoint, "--precision=f32")("eval", "--tokens", windows, "--save-logits", path)
    return path


def test_logits(compiled, checkpoint, windows):
    ids = json.loads(windows.read_text())[0][:32]
    ours = compiled(checkpoint, "--precision=f32").logits([ids])
    assert np.abs(ours - np.load(EXPECTED / "logits.npy")).max() <= 1e-3


def test_greedy_text(compiled, checkpoint, tmp_path):
    """200 tokens from each of five prompts, all in one batch."""
    expected = json.loads((EXPECTED / "greedy.json").read_text())
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps([case["prompt_tokens"] for case in expected]))
    model = compiled(checkpoint, "--precision=f32")
    answers = json.loads(model("generate", "--tokens", prompts, "-n", 200, "--greedy", "--ignore-eos", "--json").stdout)
    for answer, case in zip(answers, expected, strict=True):
        assert answer["tokens"] == case["tokens"], case["prompt"]


def test_prompt_is_tokenized_as_transformers_does(compiled, checkpoint):
    model = compiled(checkpoint, "--precision=f32")
    for case in json.loads((EXPECTED / "greedy.json").read_text()):
        ids = json.loads(model("tokenize", input=case["prompt"]).stdout)
        assert ids == case["prompt_tokens"]


# Mean KL(f32, quantized) in nats over 10,240 positions, by formats of linears and of head and embedding, with
# activations in f32, int8 and int16: the table of the data folder's README.
DIVERGENCE = {
    ("int8-g32", "int8-g32"): (0.00026, 0.00075, 0.00026),
    ("int4-g32", "int8-g32"): (0.0564, 0.0568, 0.0564),
    ("int4-g64", "int8-g32"): (0.0651, 0.0657, 0.0651),
    ("int4-g128", "int8-g32"): (0.0826, 0.0831, 0.0826),
    ("int4-g32", "int4-g32"): (0.0861, 0.0864, 0.0861),
}
CASES = [(*formats, kind, limit) for formats, row in DIVERGENCE.items() for kind, limit in zip(("f32", "int8", "int16"), row)]


def divergence(model, windows, exact):
    found = json.loads(model("eval", "--tokens", windows, "--against", exact, "--kv-cache=f32", "--json").stdout)
    return found["kl"]["mean"] if isinstance(found["kl"], dict) else found["kl"]


@pytest.mark.parametrize("precision, head, activations, limit", CASES)
def test_divergence(compiled, checkpoint, windows, exact, precision, head, activations, limit):
    model = compiled(checkpoint, f"--precision={precision}", f"--head={head}", f"--activations={activations}")
    kl = divergence(model, windows, exact)
    assert 0.5 * limit < kl <= 1.1 * limit
    info = model("info").stdout
    assert info.count(precision) >= 7 and info.count(activations) >= 7  # each linear of a layer


# Other formats of the linears, activations f32: figures of python/fixtures/tinystories_divergence.py, whose quantizer is numpy's.
SIMULATED = {
    "int4-g32-zero": 0.0483,
    "int4-g64-zero": 0.0642,
    "int4-g128-zero": 0.0804,
    "int8-g32-zero": 0.00023,
    "nf4-g64": 0.0565,
    "fp4-g64": 0.1035,
    "e2m1-g32": 0.0583,
    "iq4-g32": 0.0411,
}


@pytest.mark.parametrize("precision", SIMULATED)
def test_divergence_of_other_formats(compiled, checkpoint, windows, exact, precision):
    model = compiled(checkpoint, f"--precision={precision}", "--activations=f32")
    limit = SIMULATED[precision]
    assert 0.9 * limit < divergence(model, windows, exact) <= 1.1 * limit
    assert model("info").stdout.count(precision) >= 7


@pytest.mark.parametrize("precision", ["int4-g32-zero", "nf4-g64", "iq4-g32"])
def test_int8_activations_of_other_formats(compiled, checkpoint, windows, exact, precision):
    """They cost 0.0005 beside f32 weights."""
    kl = divergence(compiled(checkpoint, f"--precision={precision}", "--activations=int8"), windows, exact)
    assert 0.9 * SIMULATED[precision] < kl <= 1.1 * SIMULATED[precision]


def test_f32_throughout_is_what_it_is_measured_against(compiled, checkpoint, windows, exact):
    assert abs(divergence(compiled(checkpoint, "--precision=f32"), windows, exact)) < 1e-6


def test_bf16_throughout(compiled, checkpoint, windows, exact):
    """PyTorch in bf16 has 0.00026; ours rounds weights and activations, and keeps sums in f32."""
    model = compiled(checkpoint, "--precision=bf16", "--activations=bf16")
    assert 1e-6 < divergence(model, windows, exact) <= 0.00026
