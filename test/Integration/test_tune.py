"""nibble-compile --tune: the fastest choices are measured and kept in the plan; what is computed stays the same."""

import json

import numpy as np
import pytest

from conftest import TEST_DATA, run, tool

CHECKPOINT = TEST_DATA / "tiny" / "llama"


def compile_model(folder, name, *words):
    path = folder / name
    done = run(tool("nibble-compile"), CHECKPOINT, "-o", path, *words)
    return path, done


def logits(model, *words):
    output = model.with_suffix(".npy")
    run(model, "logits", "--tokens", CHECKPOINT / "tokens.json", "-o", output, *words)
    return np.load(output)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Seconds on a quiet machine; on a busy one the time bound ends it."""
    folder = tmp_path_factory.mktemp("tuned")
    path, done = compile_model(folder, "tuned", "--precision=int4", "--tune", "--threads=1", "--report=json", f"--write-plan={folder / 'plan.json'}")
    return path, json.loads(done.stdout), folder / "plan.json"


def test_the_plan_gives_the_same_artifact(tuned, tmp_path):
    path, report, plan = tuned
    target = report["variants"][-1]["target"]
    assert json.loads(plan.read_text())["tuning"] == {target: report["tuning"]["tuning"]}
    again, done = compile_model(tmp_path, "again", f"--plan={plan}", f"--write-plan={tmp_path / 'plan.json'}")
    assert "tuning for" not in done.stderr, "nothing is measured unless --tune says so"
    assert again.read_bytes() == path.read_bytes()
    assert (tmp_path / "plan.json").read_bytes() == plan.read_bytes()


def test_report_and_manifest_say_what_was_found(tuned):
    path, report, _ = tuned
    found = report["tuning"]
    assert found["target"] == report["variants"][-1]["target"]
    assert found["candidates"] > 0 and found["choices"]
    for turn in found["choices"]:
        assert turn["before_seconds"] > 0 and turn["best_seconds"] > 0
        gain, quartiles = 1 - turn["ratio"]["median"], turn["ratio"]
        assert turn["taken"] == (gain > max(0.005, quartiles["upper"] - quartiles["lower"]))
    spelling = found["tuning"]
    assert report["variants"][-1]["tuned_for"] == spelling
    assert f"; tuned for {spelling}" in run(path, "info").stdout
    assert json.loads(run(path, "info", "--json").stdout)["variants"][-1]["tuned_for"] == spelling
    assert f"tuned for {spelling}\n" in run(tool("nibble-inspect"), path).stdout


# Far from every estimate, so that each choice is another's code.
FAR = "generic,lone-near-prefetch=64,lone-far-prefetch=0,tile-tokens=3,chains=1,near-prefetch=0,far-prefetch=640,block-tokens=8,item-bytes=1024"
OTHER = "generic,tile-tokens=5,chains=2,block-tokens=24,item-bytes=1000000"


@pytest.mark.parametrize("precision", ["int4", "int8-zero", "bf16", "f32"])
def test_choices_do_not_change_results(precision, compiled):
    """Of the tuned artifact's kind, but with choices that no machine would make."""
    sequences = json.loads((CHECKPOINT / "tokens.json").read_text())
    sequences += [list(range(3, 3 + length)) for length in (1, 2, 5, 17, 61)]
    words = (f"--precision={precision}", "--target=x86-64-v3")
    expected = compiled(CHECKPOINT, *words).logits(sequences)
    assert np.isfinite(expected).all()
    for spelling in (FAR, OTHER):
        model = compiled(CHECKPOINT, *words, f"--tune-for={spelling}")
        assert json.loads(run(model.path, "info", "--json").stdout)["variants"][0]["tuned_for"] == spelling
        for chunk in (1, 7, 1000):
            ours = model.logits(sequences, "--chunk", chunk, "--threads", 2)
            assert (ours.view(np.uint32) == expected.view(np.uint32)).all(), f"{spelling}, chunks of {chunk}"


def test_tuning_does_not_change_results(tuned, tmp_path):
    untuned, _ = compile_model(tmp_path, "untuned", "--precision=int4")
    assert (logits(tuned[0]).view(np.uint32) == logits(untuned).view(np.uint32)).all()


def test_the_most_capable_target_is_tuned(tmp_path):
    path, done = compile_model(tmp_path, "model", "--precision=int8", "--target=x86-64,x86-64-v3",
                               "--tune", "--tune-seconds=1", "--report=json", f"--write-plan={tmp_path / 'plan.json'}")
    assert list(json.loads((tmp_path / "plan.json").read_text())["tuning"]) == ["x86-64-v3"]
    variants = {variant["target"]: variant["tuned_for"] for variant in json.loads(done.stdout)["variants"]}
    assert variants["x86-64"] == "generic" and variants["x86-64-v3"].startswith("generic")
    assert "tuning for x86-64-v3: " in done.stderr


def test_a_table_for_people(tmp_path):
    _, done = compile_model(tmp_path, "model", "--precision=int8", "--tune", "--tune-seconds=1")
    assert "\ntuning    " in done.stdout and " candidates in " in done.stdout
