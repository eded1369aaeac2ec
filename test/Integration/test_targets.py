"""CPU targets: each variant forced, the best chosen, and a clear message where none fits."""

import json
import pathlib
import subprocess

import numpy as np
import pytest

from conftest import TEST_DATA, relative_error, run, tool

CHECKPOINT = TEST_DATA / "tiny" / "llama"

# What each target needs, as /proc/cpuinfo names it: written down from the manuals, not from the compiler.
AVX2 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "popcnt"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
NEEDS = {
    "x86-64": {"sse2"},
    "x86-64-v3": AVX2,
    "avx-vnni": AVX2 | {"avx_vnni"},
    "avx512": AVX512,
    "avx512-vnni": AVX512 | {"avx512_vnni"},
    "avx512-bf16": AVX512 | {"avx512_vnni", "avx512_bf16"},
    "amx": AVX512 | {"avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"},
}


@pytest.fixture(scope="module")
def flags():
    lines = pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)
    if len(lines) < 2:
        pytest.skip("/proc/cpuinfo lists no flags: this machine is no x86")
    return set(lines[1].split("\n", 1)[0].split())


def expect_failure(code, *command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    assert done.returncode == code, f"{done.returncode}\n{done.stderr}"
    return done.stderr


def all_variants(compiled, precision):
    return compiled(CHECKPOINT, f"--precision={precision}", "--target=" + ",".join(f"cpu:{name}" for name in NEEDS))


@pytest.mark.parametrize("precision, limit", [("f32", 1e-4), ("bf16", 2e-2)])
def test_every_variant_is_forced(compiled, flags, precision, limit):
    model = all_variants(compiled, precision)
    sequences = json.loads((CHECKPOINT / "tokens.json").read_text())
    expected = np.load(CHECKPOINT / "expected.npy")
    for target, needs in NEEDS.items():
        if needs <= flags:
            error = relative_error(model.logits(sequences, "--cpu", target, "--kv-cache=f32"), expected)
            assert error <= limit, f"{target}: relative error {error:.2e}"
        else:
            message = expect_failure(1, model.path, "generate", "--tokens", CHECKPOINT / "tokens.json", "--cpu", target)
            assert f"this CPU lacks what its code needs: {target} needs" in message


def test_the_best_variant_runs(compiled, flags):
    fitting = [target for target, needs in NEEDS.items() if needs <= flags]
    info = json.loads(run(all_variants(compiled, "f32").path, "info", "--json").stdout)
    assert info["memory"]["target"] == fitting[-1]


def test_no_variant_fits(compiled):
    model = compiled(CHECKPOINT, "--precision=f32", "--target=cpu:dotprod")
    message = expect_failure(1, model.path, "generate", "--tokens", CHECKPOINT / "tokens.json")
    assert "this CPU lacks what its code needs: dotprod needs neon, dotprod" in message
    assert "compile it again with --target=cpu:native" in message
    shown = run(tool("nibble-inspect"), model.path).stdout
    assert "Target dotprod:" in shown and "needs neon dotprod" in shown


@pytest.mark.parametrize("words, message", [
    (["--target=cpu:neon,cpu:avx512"], "an artifact holds code for one instruction set; neon and avx512 are of two"),
    (["--target=cpu:avx512", "--tune-for=pentium"], "unknown kind of CPU 'pentium' to tune avx512 for"),
    (["--target=cpu:neon", "--tune-for=znver4"], "unknown kind of CPU 'znver4' to tune neon for"),
])
def test_wrong_usage(tmp_path, words, message):
    assert message in expect_failure(2, tool("nibble-compile"), CHECKPOINT, "-o", tmp_path / "model", *words)
    assert not list(tmp_path.iterdir())


def test_the_artifact_says_what_it_is_tuned_for(compiled):
    model = compiled(CHECKPOINT, "--precision=int4", "--target=avx512-vnni", "--tune-for=cascadelake")
    target = json.loads(run(tool("nibble-inspect"), model.path, "--json").stdout)["targets"][0]
    assert target["tuned_for"] == "cascadelake"
    assert "tuned for cascadelake" in run(tool("nibble-inspect"), model.path).stdout
    assert "tuned for cascadelake" in run(model.path, "info").stdout
    kernel = next(kernel["name"] for kernel in target["kernels"] if kernel["family"] == "linear")
    ir = run(tool("nibble-inspect"), model.path, "--ir", kernel).stdout
    assert '--nibble-codegen-cpu="target=avx512-vnni tune-for=cascadelake"' in ir
