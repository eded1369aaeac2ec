"""nibble-reference, the oracle: against transformers on checkpoints, and compiled artifacts against it.

python/fixtures/make_tiny.py and make_gguf.py made the checkpoints and their logits.
"""

import json

import numpy as np
import pytest

from conftest import TEST_DATA, relative_error, run, tool

CASES = sorted(path.parent.name for path in (TEST_DATA / "tiny").glob("*/expected.npy"))
FILES = sorted(path for path in (TEST_DATA / "gguf").glob("*.gguf") if path.with_suffix(".npy").exists())
# transformers computes in float32, the reference in double: this is transformers' own rounding.
ROUNDING = 1e-5


def tokens_of(case):
    return TEST_DATA / "tiny" / case / "tokens.json"


def reference(folder, model, tokens, *words):
    output = folder / "reference.npy"
    run(tool("nibble-reference"), model, "logits", "--tokens", tokens, "-o", output, *words)
    return np.load(output)


def test_there_are_cases():
    assert len(CASES) >= 10 and len(FILES) >= 10


@pytest.mark.parametrize("case", CASES)
def test_import_phase_is_what_transformers_computes(tmp_path, case):
    folder = TEST_DATA / "tiny" / case
    whole = reference(tmp_path, folder, tokens_of(case))
    assert relative_error(whole, np.load(folder / "expected.npy")) <= ROUNDING
    cut = reference(tmp_path, folder, tokens_of(case), "--chunk", 7, "--decode-from", 33)
    assert np.array_equal(whole, cut)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_codes_of_gguf_files(tmp_path, path):
    ours = reference(tmp_path, path, tokens_of(path.stem.rsplit("-", 1)[0]))
    assert relative_error(ours, np.load(path.with_suffix(".npy"))) <= ROUNDING


@pytest.mark.parametrize("phase", ["import", "quantize", "fuse"])
def test_modules_of_every_phase(tmp_path, phase):
    """In f32 no phase changes a logit by more than rounding in double."""
    folder = TEST_DATA / "tiny" / "qwen3"
    module = tmp_path / f"{phase}.mlir"
    run(tool("nibble-compile"), folder, "--precision=f32", f"--compile-to={phase}", "-o", module)
    ours = reference(tmp_path, module, tokens_of("qwen3"), "--checkpoint", folder)
    assert relative_error(ours, reference(tmp_path, folder, tokens_of("qwen3"))) <= 1e-6


@pytest.mark.parametrize("case", ["llama", "qwen3-yarn-bias"])
@pytest.mark.parametrize("precision, activations", [("int4", "int8"), ("int8", "int16"), ("int8", "bf16")])
def test_fusing_changes_no_number(tmp_path, case, precision, activations):
    """Rounded activations mean the same before and after; both read the checkpoint and quantize it."""
    logits = []
    for phase in ("quantize", "fuse"):
        module = tmp_path / f"{phase}.mlir"
        run(tool("nibble-compile"), TEST_DATA / "tiny" / case, f"--precision={precision}",
            f"--activations={activations}", f"--compile-to={phase}", "-o", module)
        logits.append(reference(tmp_path, module, tokens_of(case), "--checkpoint", TEST_DATA / "tiny" / case))
    assert relative_error(*logits) <= 1e-6


ARCHITECTURES = ["llama", "mistral-window", "qwen2-tied", "qwen3-yarn-bias"]


@pytest.mark.parametrize("case", ARCHITECTURES)
@pytest.mark.parametrize("words, limit", [
    (["--precision=f32"], 1e-5),
    (["--precision=bf16"], 1e-4),
    (["--precision=int4", "--activations=f32"], 1e-5),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_artifacts_compute_what_the_reference_does(tmp_path, compiled, case, words, limit):
    model = compiled(TEST_DATA / "tiny" / case, *words)
    ours = model.logits(json.loads(tokens_of(case).read_text()), "--kv-cache=f32")
    assert relative_error(ours, reference(tmp_path, model.path, tokens_of(case))) <= limit


@pytest.mark.parametrize("case", ARCHITECTURES)
@pytest.mark.parametrize("activations, limit", [("int8", 3e-2), ("int16", 2e-4), ("bf16", 2e-2)])
def test_rounded_activations(tmp_path, compiled, case, activations, limit):
    """An f32 that differs in its last bits may round to the next code, a step of 1/127 in int8."""
    model = compiled(TEST_DATA / "tiny" / case, "--precision=int8", f"--activations={activations}")
    ours = model.logits(json.loads(tokens_of(case).read_text()), "--kv-cache=f32")
    exact = reference(tmp_path, model.path, tokens_of(case))
    errors = np.array([relative_error(a[None], b[None]) for a, b in zip(ours, exact)])
    assert errors.max() <= limit and errors.min() <= 1e-6  # rows before the first such flip


def test_an_artifact_and_its_checkpoint_hold_the_same_weights(tmp_path, compiled):
    """Panels unpacked, and the recipe carried out once more, give the same logits to the bit."""
    folder = TEST_DATA / "tiny" / "llama"
    model = compiled(folder, "--precision=int4")
    packed = reference(tmp_path, model.path, tokens_of("llama"))
    assert np.array_equal(packed, reference(tmp_path, model.path, tokens_of("llama"), "--checkpoint", folder))


@pytest.mark.parametrize("cache, least, most", [("f16", 1e-7, 1e-2), ("bf16", 1e-5, 5e-2), ("int8", 1e-5, 5e-2)])
def test_cache_types_round(tmp_path, cache, least, most):
    folder = TEST_DATA / "tiny" / "llama"
    rounded = reference(tmp_path, folder, tokens_of("llama"), f"--kv-cache={cache}")
    assert least < relative_error(rounded, np.load(folder / "expected.npy")) < most


def test_generate_is_the_argmax_of_logits(tmp_path):
    folder = TEST_DATA / "tiny" / "llama"
    prompts = [[5, 9, 2, 40], [17]]
    tokens = tmp_path / "prompts.json"
    tokens.write_text(json.dumps(prompts))
    results = json.loads(run(tool("nibble-reference"), folder, "generate", "--tokens", tokens, "-n", 6,
                             "--ignore-eos").stdout)
    assert [result["prompt_tokens"] for result in results] == [4, 1]
    assert all(result["finish_reason"] == "length" and len(result["tokens"]) == 6 for result in results)
    # Teacher forcing of what came out must choose the same tokens.
    whole = [prompt + result["tokens"] for prompt, result in zip(prompts, results)]
    tokens.write_text(json.dumps(whole))
    best = reference(tmp_path, folder, tokens).argmax(axis=1)
    first = 0
    for prompt, sequence in zip(prompts, whole):
        chosen = best[first + len(prompt) - 1:first + len(sequence) - 1]
        assert list(chosen) == sequence[len(prompt):]
        first += len(sequence)


def test_wrong_usage_and_errors(tmp_path):
    folder, tokens = TEST_DATA / "tiny" / "llama", tokens_of("llama")

    def code(*words):
        done = run(tool("nibble-reference"), *words, check=False)
        return done.returncode, done.stderr

    assert code()[0] == 2
    assert code(folder, "logits", "--tokens", tokens)[0] == 2  # no -o
    assert code(folder, "sing", "--tokens", tokens)[0] == 2
    assert code(folder, "generate", "--tokens", tokens, "--chunk", 3)[0] == 2
    assert run(tool("nibble-reference"), "--version").stdout.startswith("nibble ")
    assert "Examples:" in run(tool("nibble-reference"), "--help").stdout

    output = tmp_path / "logits.npy"
    status, message = code(tmp_path / "none.mlir", "logits", "--tokens", tokens, "-o", output)
    assert status == 1 and "none.mlir" in message
    bad = tmp_path / "bad.json"
    bad.write_text("[[1, 96]]")
    status, message = code(folder, "logits", "--tokens", bad, "-o", output)
    assert status == 1 and "bad.json" in message
    text = tmp_path / "text.mlir"
    text.write_text("module { func.func @other() { return } }")
    status, message = code(text, "logits", "--tokens", tokens, "-o", output)
    assert status == 1 and "no function @step" in message
    text.write_text("not a module")
    assert code(text, "logits", "--tokens", tokens, "-o", output)[0] == 1
    assert not output.exists() and [path.name for path in tmp_path.iterdir()] == ["bad.json", "text.mlir"]
