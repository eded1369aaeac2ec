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
