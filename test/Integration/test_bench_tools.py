"""nibble-bench, and the verb bench: what they print, in each form. Speeds are not judged."""

import csv
import io
import json

import pytest
from conftest import TEST_DATA, run, tool


def linear(*words, check=True):
    return run(tool("nibble-bench"), "linear", "--rows=80", "--columns=96", "--repeat=2", "--cache-factor=0.01", *words,
               check=check)


@pytest.mark.parametrize("words, format, activations", [
    ([], "int4-g32", "int8"), (["--format=int8-g64", "--activations=f32"], "int8-g64", "f32"), (["--format=bf16"], "bf16", "f32")])
def test_one_linear(words, format, activations):
    result = json.loads(linear("--tokens=1,9,65", "--threads=2", "--target=x86-64-v3", "--json", *words).stdout)
    assert (result["format"], result["activations"], result["threads"]) == (format, activations, 2)
    assert [line["tokens"] for line in result["results"]] == [1, 9, 65]
    for line in result["results"]:
        seconds, macs = line["seconds"], line["macs_per_second"]
        assert 0 < seconds["least"] <= seconds["median"] <= seconds["most"]
        assert macs["most"] == pytest.approx(80 * 96 * line["tokens"] / seconds["least"])
        for name in ("int8_peak", "f32_peak", "read_bandwidth", "fraction_of_read", "fraction_of_int8_peak"):
            assert line[name]["median"] > 0
    # 16-row panels of 64 columns: 80 rows of 128, half a byte or one each, and a scale of two bytes for each group.
    if format == "int4-g32":
        assert result["weight_bytes"] == 80 * (128 / 2 + 128 / 32 * 2)


def test_one_linear_as_table_and_csv():
    assert "of int8 peak" in linear("--tokens=4").stdout
    lines = list(csv.DictReader(io.StringIO(linear("--tokens=1,4", "--csv").stdout)))
    assert [line["tokens"] for line in lines] == ["1", "4"]
    assert float(lines[0]["seconds_least"]) <= float(lines[0]["seconds"])


@pytest.mark.parametrize("words, code, message", [
    (["--format=int3"], 2, "int3"), (["--format=f32", "--activations=int8"], 2, "int8"), (["--tokens=0"], 2, "--tokens"),
    (["--target=pentium"], 2, "unknown CPU target")])
def test_wrong_usage(words, code, message):
    done = linear(*words, check=False)
    assert done.returncode == code and message in done.stderr


def attention(*words, check=True):
    return run(tool("nibble-bench"), "attention", "--heads=4", "--kv-heads=2", "--head-dim=24", "--repeat=2",
               "--cache-factor=0.001", *words, check=check)


# Bytes of a position in one head of K or V: 24 elements, and a scale of 4 bytes beside int8 codes.
@pytest.mark.parametrize("cache, row", [("f32", 96), ("f16", 48), ("bf16", 48), ("int8", 28)])
def test_attention_of_a_layer(cache, row):
    words = ("--sequences=1,3", "--context=40,700", "--tokens=1,20", "--threads=2", f"--cache={cache}")
    result = json.loads(attention(*words, "--target=x86-64-v3", "--json").stdout)
    assert (result["heads"], result["kv_heads"], result["head_dim"], result["cache"], result["threads"]) == (4, 2, 24, cache, 2)
    cases = [(line["sequences"], line["context"], line["tokens"]) for line in result["results"]]
    assert cases == [(s, c, t) for s in (1, 3) for c in (40, 700) for t in (1, 20)]
    for (sequences, context, tokens), line in zip(cases, result["results"]):
        seconds = line["seconds"]
        assert 0 < seconds["least"] <= seconds["median"] <= seconds["most"]
        # A row at position p sees p + 1 positions: 24 multiply-adds for its score and 24 for its value, 4 heads.
        seen = sum(p + 1 for p in range(context - tokens, context))
        assert line["multiply_adds_per_second"]["most"] == pytest.approx(2 * 24 * 4 * seen * sequences / seconds["least"])
        assert line["cache_bytes_per_second"]["most"] == pytest.approx(2 * 2 * row * context * sequences / seconds["least"])
        parts = [line[name]["median"] for name in ("attention_seconds", "store_seconds", "merge_seconds")]
        assert parts[0] > 0 and min(parts) >= 0
        for name in ("f32_peak", "read_bandwidth", "fraction_of_read", "fraction_of_f32_peak"):
            assert line[name]["median"] > 0
        assert line["layers"] >= 1


def test_attention_sees_no_more_than_its_window():
    line = json.loads(attention("--window=100", "--context=300", "--tokens=5", "--json").stdout)["results"][0]
    # Five rows see 100 positions each, 104 together.
    least = line["seconds"]["least"]
    assert line["multiply_adds_per_second"]["most"] == pytest.approx(2 * 24 * 4 * 500 / least)
    assert line["cache_bytes_per_second"]["most"] == pytest.approx(2 * 2 * 48 * 104 / least)


def test_attention_as_table_and_csv():
    assert "of read bandwidth" in attention("--context=64").stdout
    lines = list(csv.DictReader(io.StringIO(attention("--context=64,128", "--csv").stdout)))
    assert [(line["context"], line["tokens"]) for line in lines] == [("64", "1"), ("128", "1")]
    assert float(lines[0]["seconds_least"]) <= float(lines[0]["seconds"])


@pytest.mark.parametrize("words, message", [
    (["--heads=4", "--kv-heads=3"], "--kv-heads 3"), (["--cache=f8"], "f8"), (["--context=8", "--tokens=9"], "--context 8"),
    (["--sequences=65536", "--context=4096"], "name fewer"), (["--target=pentium"], "unknown CPU target")])
def test_wrong_usage_of_attention(words, message):
    done = run(tool("nibble-bench"), "attention", *words, check=False)
    assert done.returncode == 2 and message in done.stderr


def test_verb(compiled):
    model = compiled(TEST_DATA / "tiny" / "llama", "--precision=int4")
    words = ("bench", "--prompt=8", "--batch=1,3", "--depth=0,16", "--decode=4", "--repeat=2", "--cache-factor=0.01")
    result = json.loads(model(*words, "--json").stdout)
    assert [(line["batch"], line["depth"]) for line in result["results"]] == [(1, 0), (3, 0), (1, 16), (3, 16)]
    for line in result["results"]:
        for name in ("prompt_fraction_of_peak", "decode_fraction_of_peak", "decode_fraction_of_read"):
            assert 0 < line[name]["least"] <= line[name]["most"]
    lines = list(csv.DictReader(io.StringIO(model(*words, "--csv").stdout)))
    assert len(lines) == 4 and float(lines[0]["int8_peak"]) > 1e9
    assert "of read" in model(*words).stdout


def test_schedules(compiled):
    """What schedules cost in steps follows from the lengths alone; speed is not tested."""
    model = compiled(TEST_DATA / "demo", "--precision=int4")
    words = ("bench-schedule", "--requests=24", "--sequences=4", "--prompt=5", "--mean=12", "--cap=30", "--repeat=1",
             "--streams=2", "--long-prompt=60", "--prompts=1", "--context=512", "--json")
    document = json.loads(model(*words).stdout)
    rows = document["schedules"]
    assert [row["batching"] for row in rows] == ["static", "static, finished rows dropped", "continuous"] * 2
    varied, equal = rows[:3], rows[3:]
    assert varied[0]["steps"] == varied[1]["steps"]
    # Each batch of four lasts as long as its longest, so continuous batching needs fewer steps; with equal lengths as many.
    assert varied[2]["steps"] < varied[0]["steps"] <= 6 * 30
    assert equal[0]["steps"] == equal[1]["steps"] == 6 * 12
    assert 6 * 12 <= equal[2]["steps"] <= 6 * 12 + 6  # a step without prompt tokens now and then
    assert all(row["tokens_per_second"]["median"] > 0 for row in rows)
    interference = document["interference"]
    assert 0 < interference["seconds_between_tokens_alone"]["p50"] <= interference["seconds_between_tokens_alone"]["p99"]
    assert interference["prompt_tokens_per_second_beside"] > 0
    table = model(*words[:-1]).stdout
    assert "continuous" in table and "p99" in table
