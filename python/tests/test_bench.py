"""The parts of python/bench that can be checked without the programs that it compares."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import compare  # noqa: E402
import make_synthetic  # noqa: E402
from rows import Row  # noqa: E402


@pytest.mark.parametrize("text, row", [
    ("prompt512", Row(512, 1, 0, 0)), ("decode64", Row(0, 1, 0, 64)), ("decode32x8", Row(0, 8, 0, 32)),
    ("decode64@4096", Row(0, 1, 4096, 64)), ("prompt128x8@64", Row(128, 8, 64, 0))])
def test_rows_are_read_as_they_are_spelled(text, row):
    assert Row.parse(text) == row and str(row) == text


@pytest.mark.parametrize("text", ["prompt", "decode0", "decode8x", "fill8", "prompt8 ", "decode8@"])
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError, match="expected one such as"):
        Row.parse(text)


def test_multiplications_of_llama_1b():
    # 16 layers of 2 x 2048 x 2048 (q, o), 2 x 2048 x 512 (k, v), 3 x 2048 x 8192; a head of 2048 x 128256.
    config = make_synthetic.SHAPES["llama-3.2-1b"]
    assert compare.linear_macs(config) == (16 * (2 * 4194304 + 2 * 1048576 + 3 * 16777216), 262668288)


TINY = make_synthetic.LLAMA | {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
                               "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 288,
                               "rope_theta": 1e4, "max_position_embeddings": 512}


def test_gguf_has_the_checkpoint_s_weights(tmp_path):
    """Rounding to Q4_0 errs by at most half a step: a sixteenth of the largest element of a block, nearly."""
    gguf = pytest.importorskip("gguf")
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    make_synthetic.write_safetensors(tmp_path / "model.safetensors", make_synthetic.tensors(TINY), 1)
    for options, table in (([], "Q4_0"), (["--table", "Q8_0"], "Q8_0")):
        path = tmp_path / f"{table}.gguf"
        subprocess.run([sys.executable, BENCH / "make_gguf.py", tmp_path, path, *options], check=True)
        stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        assert stored["token_embd.weight"].tensor_type.name == table
        assert stored["blk.1.ffn_up.weight"].tensor_type.name == "Q4_0"
        assert "output.weight" not in stored and len(stored) == 2 + 2 * 9
    for ours, theirs, heads in (("model.layers.1.mlp.up_proj", "blk.1.ffn_up", 0),
                                ("model.layers.0.self_attn.k_proj", "blk.0.attn_k", 2)):
        values = floats(tmp_path / "model.safetensors", ours + ".weight")
        read = gguf.quants.dequantize(stored[theirs + ".weight"].data, stored[theirs + ".weight"].tensor_type)
        if heads:  # row 2i of a head is row i of the checkpoint's, row 2i + 1 is row i + 8
            order = [head * 16 + half * 8 + i for head in range(heads) for i in range(8) for half in range(2)]
            values = values[order]
        blocks = np.abs(values).reshape(len(values), -1, 32).max(axis=2, keepdims=True)
        assert np.all(np.abs((read - values).reshape(len(values), -1, 32)) <= blocks / 7.5)


def floats(path, name):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:8 + size])[name]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    return (np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])


class FakePeer:
    """Takes a fixed time a token."""

    def __init__(self, name, seconds):
        self.name, self.seconds, self.asked = name, seconds, []
        self.description = {"weights": 1e6}

    def ask(self, request):
        self.asked.append(request)
        if "probe" in request:
            return {"read_bandwidth": 2e9, "int8_peak": 1e9}
        tokens = request["batch"] * (request["prompt"] + request["decode"])
        return {"prompt_seconds": 0.0, "decode_seconds": self.seconds * tokens}

    def cpu_seconds(self):
        return 0.0


def test_ratios_are_taken_within_rounds():
    options = type("Options", (), {"rounds": 5, "quiet": 1.0})
    nibble, other = FakePeer("Nibble", 0.001), FakePeer("other", 0.004)
    result = compare.Comparison(nibble, [other], TINY, options).run(Row.parse("decode8x4"))
    assert len(result["rounds"]) == 5 and len(other.asked) == 6  # a short one first, to warm up
    assert result["ratios"]["other"] == pytest.approx({"median": 4, "least": 4, "most": 4})
    # 1000 tokens/s are 250 steps/s of 1e6 bytes and 4 caches of 4.5 positions, each 2 (K, V) x 2 layers x 2 x 16 f16.
    assert result["fraction_of_read"]["median"] == pytest.approx(250 * (1e6 + 4 * 4.5 * 256) / 2e9)
    layers, head = compare.linear_macs(TINY)
    assert result["fraction_of_int8_peak"]["median"] == pytest.approx(1000 * (layers + head) / 1e9)


def test_the_table_of_batched_bench_is_read():
    """As examples/batched-bench of ik_llama.cpp prints it: PP, TG, B, N_KV, seconds and rates of both and in all."""
    sys.path.insert(0, str(BENCH / "peers"))
    import ik_llama_peer

    output = ("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\n"
              "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|\n"
              "|     1 |     32 |    8 |    264 |    0.061 |   131.15 |    3.200 |    80.00 |    3.261 |    80.96 |\n")
    assert ik_llama_peer.seconds_of(output, Row.parse("decode32x8")) == (0.061, 3.2)
    with pytest.raises(SystemExit, match="no line for 4 sequences"):
        ik_llama_peer.seconds_of(output, Row.parse("decode32x4"))


def test_a_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    spread = {"median": 2.0, "least": 1.5, "most": 2.5}
    document = {"date": "2026-11-22 12:00", "cpu": "some CPU", "shape": "llama-3.2-1b", "format": "Q4_0", "threads": 2,
                "results": [{"row": row, "ratios": {"llama.cpp": spread}} for row in ("prompt512", "decode64")]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    subprocess.run([sys.executable, BENCH / "plot.py", "-o", tmp_path / "a.svg", tmp_path / "a.json"], check=True)
    assert "<svg" in (tmp_path / "a.svg").read_text()
