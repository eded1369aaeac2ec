"""nibble-inspect against independent readers: gguf and numpy for weights, llc for code, the file itself for tables."""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from conftest import ROOT, TEST_DATA, run, tool

sys.path.insert(0, str(ROOT / "python" / "fixtures"))
from reference_formats import quantize

TINY = TEST_DATA / "tiny"
GGUF = TEST_DATA / "gguf"
TARGETS = "x86-64-v3,avx512-vnni"


def inspect(*words, **options):
    return run(tool("nibble-inspect"), *words, **options)


def dump(folder, source, name, part):
    """A part of a weight, as numpy reads it."""
    path = folder / "part.npy"
    inspect(source, "--tensor", name, f"--{part}", "-o", path)
    return np.load(path)


def read_safetensors(folder):
    """{name: float32 array}, of all files of a checkpoint."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8 : 8 + size]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = data[8 + size + begin : 8 + size + end]
            if entry["dtype"] == "BF16":
                values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
            else:
                values = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]).astype("<f4")
            tensors[name] = values.reshape(entry["shape"])
    return tensors


# ---------------------------------------------------------------------------------------------------------------------
# Weights


GGUF_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def hugging_face_name(name):
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output.weight":
        return "lm_head.weight"
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    return f"model.layers.{match[1]}.{GGUF_NAMES[match[2]]}.weight" if match and match[2] in GGUF_NAMES else None


def blocks_of(tensor):
    """Codes [N, K], scales and minima [N, groups] of GGUF's blocks of 32, as its specification lays them out."""
    raw, kind = tensor.data, tensor.tensor_type.name
    size = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34, "IQ4_NL": 18}[kind]
    blocks = raw.reshape(raw.shape[0], -1, size)
    scales = np.ascontiguousarray(blocks[:, :, 0:2]).view("<f2")[:, :, 0]
    minima = np.ascontiguousarray(blocks[:, :, 2:4]).view("<f2")[:, :, 0] if kind == "Q4_1" else None
    if kind == "Q8_0":
        codes = np.ascontiguousarray(blocks[:, :, 2:]).view(np.int8)
    else:
        nibbles = blocks[:, :, size - 16 :]
        codes = np.concatenate([nibbles & 15, nibbles >> 4], axis=2)
        codes = codes.astype(np.int8) - 8 if kind == "Q4_0" else codes
    return codes.reshape(raw.shape[0], -1), scales, minima


def unpermuted(array, heads):
    """Row 2i of a head in the file is row i of Hugging Face's, row 2i + 1 is row i + half a head."""
    rows, columns = array.shape
    return array.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def compare_with_gguf(path, source, folder):
    """Values, codes, scales and minima of `source` against the blocks of the GGUF file, parsed here; the number of weights."""
    gguf = pytest.importorskip("gguf", reason="the reference is PyPI's gguf")
    reader = gguf.GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()
    heads = {part: reader.fields[f"{architecture}.attention.{key}"].contents() for part, key in (("attn_q", "head_count"), ("attn_k", "head_count_kv"))}
    compared = 0
    for tensor in reader.tensors:
        weight = hugging_face_name(tensor.name)
        if not weight:
            continue
        permuted = next((count for part, count in heads.items() if architecture == "llama" and f".{part}." in tensor.name), 0)
        straight = (lambda array: unpermuted(array, permuted)) if permuted else (lambda array: array)
        values = straight(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        assert np.array_equal(dump(folder, source, weight, "values"), values), weight
        if tensor.tensor_type.name in ("Q4_0", "Q4_1", "Q8_0", "IQ4_NL"):
            codes, scales, minima = blocks_of(tensor)
            ours = dump(folder, source, weight, "codes")
            assert ours.dtype == codes.dtype and np.array_equal(ours, straight(codes)), weight
            ours = dump(folder, source, weight, "scales")
            assert ours.dtype == np.float16 and np.array_equal(ours, straight(scales)), weight
            if minima is not None:
                assert np.array_equal(dump(folder, source, weight, "zeros"), straight(minima)), weight
        compared += 1
    return compared


@pytest.mark.parametrize("compile_it", [False, True], ids=["checkpoint", "artifact"])
@pytest.mark.parametrize("name", ["llama-Q4_0", "llama-Q4_1", "llama-Q8_0", "llama-IQ4_NL", "qwen3-Q4_1", "llama-F16"])
def test_gguf_tensors(name, compile_it, compiled, tmp_path):
    path = source = GGUF / f"{name}.gguf"
    if compile_it:
        source = compiled(path, "--precision=keep", "--target=x86-64-v3").path
    assert compare_with_gguf(path, source, tmp_path) >= 15


@pytest.mark.parametrize("name", ["llama", "mistral-window"])
def test_safetensors_values(name, compiled, tmp_path):
    expected = read_safetensors(TINY / name)
    artifact = compiled(TINY / name, "--precision=f32", "--target=x86-64-v3").path
    for weight, values in expected.items():
        for source in (TINY / name, artifact):
            ours = dump(tmp_path, source, weight, "values")
            assert ours.dtype == np.float32 and np.array_equal(ours, values), (weight, source)


def test_parts_of_a_quantized_weight(compiled, tmp_path):
    """int4-g32: the values are codes times scales, exactly, and near the checkpoint's."""
    artifact = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    weight = "model.layers.1.mlp.down_proj.weight"
    codes, scales, values = (dump(tmp_path, artifact, weight, part) for part in ("codes", "scales", "values"))
    expected = read_safetensors(TINY / "llama")[weight]
    assert codes.dtype == np.int8 and codes.shape == expected.shape and codes.min() == -8 and codes.max() <= 7
    assert scales.dtype == np.float16 and scales.shape == (codes.shape[0], -(-codes.shape[1] // 32))
    assert np.array_equal(values, codes * np.repeat(scales.astype(np.float32), 32, axis=1)[:, : codes.shape[1]])
    assert np.linalg.norm(values - expected) < 0.15 * np.linalg.norm(expected)


@pytest.mark.parametrize("spelling", ["int4-g64", "int8-channel", "int4-g32-zero", "int8-channel-zero", "int4-g128-min",
                                      "nf4-g64", "fp4-g64", "e2m1-g32", "iq4-g32"])
def test_quantized_weight_is_numpys(spelling, compiled, tmp_path):
    """Every part of a weight in the artifact equals what the quantizer of python/fixtures/reference_formats.py makes of it."""
    artifact = compiled(TINY / "llama", f"--precision={spelling}", "--target=x86-64-v3").path
    weight = "model.layers.1.mlp.down_proj.weight"
    codes, scales, zeros, values = quantize(read_safetensors(TINY / "llama")[weight], spelling)
    ours = dump(tmp_path, artifact, weight, "codes")
    assert ours.dtype == (np.int8 if "-zero" not in spelling and "int" in spelling and "-min" not in spelling else np.uint8)
    assert np.array_equal(ours, codes)
    assert np.array_equal(dump(tmp_path, artifact, weight, "scales"), scales)
    assert np.array_equal(dump(tmp_path, artifact, weight, "values"), values.astype(np.float32))
    if spelling.endswith(("-zero", "-min")):
        assert np.array_equal(dump(tmp_path, artifact, weight, "zeros"), zeros)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def read_manifest(path):
    """The manifest by the 64 bytes at the file's end: magic, version, reserved, offset, size, SHA-256."""
    data = path.read_bytes()
    magic, version, _, offset, size, digest = struct.unpack("<8sIIQQ32s", data[-64:])
    assert magic == b"NIBBLE\r\n" and version == 1
    text = data[offset : offset + size]
    assert hashlib.sha256(text).digest() == digest
    return data, text


def test_description_of_an_artifact(compiled):
    path = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    data, text = read_manifest(path)
    assert inspect(path, "--manifest").stdout == text.decode() + "\n"
    manifest = json.loads(text)
    description = json.loads(inspect(path, "--json").stdout)

    expected = read_safetensors(TINY / "llama")
    tensors = {tensor["name"]: tensor for tensor in description["weights"]["tensors"]}
    assert set(tensors) == set(expected)
    for name, values in expected.items():
        tensor = tensors[name]
        assert tensor["shape"] == list(values.shape) and tensor["parameters"] == values.size
        if values.ndim == 1:
            assert (tensor["format"], tensor["kind"]) == ("f32", "norms")
            continue
        # Panels of 16 rows; K padded to 64; 64 columns of a panel are 1 line of scales and 16 codes a column.
        bits = 8 if "embed" in name or "head" in name else 4
        rows, columns = -(-values.shape[0] // 16), -(-values.shape[1] // 64)
        assert tensor["format"] == f"int{bits}-g32"
        assert tensor["bytes"] == rows * columns * (64 + 64 * 16 * bits // 8)
        assert tensor["bits_per_weight"] == pytest.approx(8 * tensor["bytes"] / values.size)
    kinds = {kind["kind"]: kind for kind in description["weights"]["by_kind"]}
    layers = len({name.split(".")[2] for name in expected if ".layers." in name})
    assert {kind: entry["tensors"] for kind, entry in kinds.items()} == {"embedding": 1, "attention": 4 * layers, "feed-forward": 3 * layers, "head": 1, "norms": 2 * layers + 1}
    total = description["weights"]["total"]
    assert total["parameters"] == sum(values.size for values in expected.values()) == description["model"]["parameters"]
    assert total["bytes"] == sum(kind["bytes"] for kind in kinds.values())

    config = json.loads((TINY / "llama" / "config.json").read_text())
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    position = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * head
    scales = position // head * 4  # an f32 for each position and head
    assert description["cache_bytes_per_token"] == {
        "f32": 4 * position,
        "f16": 2 * position,
        "bf16": 2 * position,
        "int8": position + scales,
    }
    assert [target["target"] for target in description["targets"]] == TARGETS.split(",")
    for target, variant in zip(description["targets"], manifest["variants"]):
        program = variant["program"]
        uses = [0] * len(variant["kernels"])
        for dispatch in program["dispatches"]:
            for index in dispatch["kernel"].values() if isinstance(dispatch["kernel"], dict) else [dispatch["kernel"]]:
                uses[index] += 1
        assert [kernel["dispatches"] for kernel in target["kernels"]] == uses
        one = target["memory"]["one_sequence"]
        a, r, b = program["arena"]
        assert one["activations"] == a * one["token_budget"] + r * one["logits_rows"] + b
        assert one["kv_cache"] == one["positions"] * 2 * position
        assert one["total"] == one["weights"] + one["kv_cache"] + one["activations"] + one["per_thread"]
    for segment, stored in zip(description["segments"], manifest["segments"]):
        part = data[segment["offset"] : segment["offset"] + segment["bytes"]]
        assert len(part) == segment["bytes"] and hashlib.sha256(part).hexdigest() == stored["sha256"]


@pytest.mark.parametrize("name", sorted(path.name for path in TINY.iterdir() if path.is_dir()))
def test_description_of_a_checkpoint(name):
    description = json.loads(inspect(TINY / name, "--json").stdout)
    config = json.loads((TINY / name / "config.json").read_text())
    expected = read_safetensors(TINY / name)
    assert {tensor["name"]: tensor["shape"] for tensor in description["weights"]["tensors"]} == {weight: list(values.shape) for weight, values in expected.items()}
    model = description["model"]
    assert (model["architecture"], model["layers"], model["vocabulary"]) == (config["model_type"], config["num_hidden_layers"], config["vocab_size"])
    assert model["tied_head"] == ("lm_head.weight" not in expected)
    text = inspect(TINY / name).stdout
    assert all(weight.split(".", 3)[-1] in text for weight in expected)


def test_diff(compiled):
    four = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    eight = compiled(TINY / "llama", "--precision=int8", "--target=x86-64-v3").path
    differences = json.loads(inspect("diff", four, eight, "--json").stdout)
    linears = {name for name, values in read_safetensors(TINY / "llama").items() if values.ndim == 2 and ".layers." in name}
    assert {tensor["name"] for tensor in differences["tensors"]} == linears
    assert all((tensor["a"]["format"], tensor["b"]["format"]) == ("int4-g32", "int8-g32") for tensor in differences["tensors"])
    saved = sum(tensor["b"]["bytes"] - tensor["a"]["bytes"] for tensor in differences["tensors"])
    totals = differences["totals"]
    assert totals["b"]["segments"]["weights"] - totals["a"]["segments"]["weights"] == saved > 0
    text = inspect("diff", four, eight).stdout
    assert f"{len(linears)} weights differ" in text
    assert "0 weights differ" in inspect("diff", four, four).stdout


def test_graph(compiled, tmp_path):
    path = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    dispatches = json.loads(read_manifest(path)[1])["variants"][0]["program"]["dispatches"]

    def boxes(layer):
        inspect("graph", path, f"--layer={layer}", "-o", tmp_path / "x.svg")
        root = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
        space = {"svg": "http://www.w3.org/2000/svg"}
        titles = [title.text for title in root.findall(".//svg:g/svg:title", space)]
        assert len(root.findall(".//svg:path[@class='edge']", space)) >= len(titles) - 1
        return [title for title in titles if ": " in title]

    of_layer = [entry for entry in dispatches if ".layers.1." in entry["name"] or entry["name"].startswith("attention.1")]
    assert len(boxes(1)) == len(of_layer) > 8
    assert len(boxes("all")) == len(dispatches)


# ---------------------------------------------------------------------------------------------------------------------
# Code


def llvm_tool(name):
    for candidate in (f"{name}-22", f"/usr/lib/llvm-22/bin/{name}"):
        if found := shutil.which(candidate):
            return found
    pytest.skip(f"{name} of LLVM 22 is not installed")


PADDING = re.compile(r"(data16\s+|cs\s+)*(nop[wl]?\b|xchgw\s+%ax, %ax)")


def instructions(lines, label, reference):
    """[mnemonic and operands]: jumps by the index of where they go, constants without their names."""
    result, places = [], {}
    for line in lines:
        if match := label.match(line):
            places[match[1]] = len(result)
        elif not PADDING.match(line):
            result.append(re.sub(r"\s+", " ", line.strip()))
    resolve = lambda match: f"@{places[match[0]]}" if match[0] in places else "constant"  # noqa: E731
    return [unsigned_immediates(reference.sub(resolve, line)) for line in result]


def unsigned_immediates(line):
    """An immediate is the same with and without its sign: movl $-1 and movl $4294967295."""
    bits = {"b": 8, "w": 16, "l": 32}.get(line.split(" ")[0][-1], 64)
    return re.sub(r"\$(-?\d+)", lambda match: f"${int(match[1]) % (1 << bits)}", line)


def of_inspect(text):
    lines = [re.sub(r"^[0-9a-f]+:\s+", "", line) for line in text.splitlines() if not line.startswith("#")]
    return instructions(lines, re.compile(r"(\.L\d+):"), re.compile(r"\.[LC]\d+\b"))


def of_llc(text, name):
    """The function `name` of what llc printed."""
    lines, inside = [], False
    for line in text.splitlines():
        line = re.sub(r"#.*", "", line).rstrip()
        if line.strip('"').startswith(f'{name}"' if '"' in line else name) and line.endswith(":"):
            inside = True
        elif inside and line.startswith(".Lfunc_end"):
            break
        elif inside and line.strip() and not re.match(r"\s+\.", line):
            lines.append(line)
    return instructions(lines, re.compile(r"(\.L\w+):"), re.compile(r"\.L\w+(\+\d+)?"))


@pytest.mark.parametrize("precision, target", [("int4", "x86-64-v3"), ("int4", "avx512-vnni"), ("bf16", "avx512-vnni"), ("int4", "amx"), ("bf16 --activations=bf16", "amx")])
def test_code_comes_from_the_ir(precision, target, compiled):
    """--ir through nibble-opt, mlir-translate and llc gives the instructions of --asm, for every kernel."""
    translate, llc = llvm_tool("mlir-translate"), llvm_tool("llc")
    path = compiled(TINY / "llama", *f"--precision={precision}".split(), f"--target={TARGETS if target in TARGETS else target}").path
    targets = json.loads(inspect(path, "--json").stdout)["targets"]
    kernels = next(entry["kernels"] for entry in targets if entry["target"] == target)
    made = {}
    for kernel in kernels:
        name = kernel["name"]
        ir = inspect(path, "--ir", name, "--target", target).stdout
        body = "\n".join(line for line in ir.splitlines() if not line.startswith("//"))
        assert f"nibble-opt - --nibble-codegen-cpu=target={target} | mlir-translate --mlir-to-llvmir | llc -O3 --relocation-model=pic -filetype=asm" in ir
        if body not in made:
            lowered = run(tool("nibble-opt"), "-", f"--nibble-codegen-cpu=target={target}", input=ir).stdout
            translated = run(translate, "--mlir-to-llvmir", input=lowered).stdout
            made[body] = run(llc, "-O3", "--relocation-model=pic", "-filetype=asm", input=translated).stdout
        ours = of_inspect(inspect(path, "--asm", name, "--target", target).stdout)
        theirs = of_llc(made[body], name)
        assert len(ours) > 5 and ours[-1] == "retq"
        assert ours == theirs, name
        if kernel["family"] == "linear":
            expected = {("int4", "amx"): {"tdpbssd"}, ("bf16 --activations=bf16", "amx"): {"tdpbf16ps"}}.get((precision, target), set())
            assert {line.split()[0] for line in ours if line.startswith("tdp")} == expected, name
    assert len(made) >= 8


# ---------------------------------------------------------------------------------------------------------------------
# Errors


def test_errors(compiled, tmp_path):
    path = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    attention = next(kernel["name"] for kernel in json.loads(inspect(path, "--json").stdout)["targets"][0]["kernels"] if kernel["family"] == "attention")
    (tmp_path / "broken").write_bytes(path.read_bytes()[:-1])
    (tmp_path / "empty").write_bytes(b"")
    up = "model.layers.0.mlp.up_proj.weight"
    npy = tmp_path / "x.npy"
    cases = [
        (1, ["/nowhere/model"], "/nowhere/model"),
        (1, [tmp_path / "broken"], "does not end as an artifact does"),
        (1, [tmp_path / "empty"], "empty"),
        (1, [tmp_path], "config.json"),
        (1, [TINY / "llama" / "config.json"], "give its folder"),
        (1, [TINY / "llama", "--asm=x"], "is a checkpoint, and --asm needs an artifact"),
        (1, [path, "--asm=linear"], "has no kernel 'linear' for x86-64-v3; the nearest are linear_"),
        (1, [path, f"--asm={attention}", "--target=avx512"], "has no code for the target 'avx512'; the nearest are avx512-vnni and x86-64-v3"),
        (1, [path, "--tensor=layers.0.mlp.up_proj", "--codes", "-o", npy], f"the nearest are {up}"),
        (1, [TINY / "llama", "--tensor=model.layers.0.mlp.up_prj.weight", "-o", npy], f"the nearest are {up}"),
        (1, [path, f"--tensor={up}", "--zeros", "-o", npy], "is stored in int4-g32, which has no zeros"),
        (1, [path, "--tensor=model.norm.weight", "--codes", "-o", npy], "is stored in f32, without codes and scales; ask for --values"),
        (1, [path, f"--tensor={up}", "-o", tmp_path / "no" / "x.npy"], "cannot be written"),
        (1, [path, f"--tensor={up}", "-o", tmp_path], "is a folder"),
        (1, ["graph", path, "--layer=99", "-o", tmp_path / "x.svg"], "has no dispatches of layer 99; it has layers 0 to"),
        (2, [path, f"--tensor={up}", "--codes"], "--tensor needs -o"),
        (2, [path, f"--tensor={up}", "--codes", "--scales", "-o", npy], "exclude each other"),
        (2, [path, "--codes"], "go with --tensor"),
        (2, [path, "--json", "--manifest"], "exclude each other"),
        (2, [path, "--target=x86-64-v3"], "--target goes with"),
        (2, ["graph", path, "--layer=x", "-o", "y"], "expected a number, or all"),
        (2, ["graph", path], "graph needs -o"),
        (2, [path, "--no-such-option"], "--no-such-option"),
        (2, [], "--help"),
        (2, ["diff", path], "--help"),
    ]
    for code, words, message in cases:
        done = inspect(*words, check=False)
        assert done.returncode == code and message in done.stderr, (words, done.returncode, done.stderr)
        assert done.stdout == ""
    assert sorted(os.listdir(tmp_path)) == ["broken", "empty"]


def test_full_disk(compiled):
    path = compiled(TINY / "llama", "--precision=int4", f"--target={TARGETS}").path
    with open("/dev/full", "w") as full:
        done = subprocess.run([tool("nibble-inspect"), str(path)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "standard output: cannot be written" in done.stderr


def test_help_and_version():
    for words in ([], ["diff"], ["graph"]):
        assert "nibble-inspect llama --asm" in inspect(*words, "--help").stdout
    assert inspect("--version").stdout.startswith("nibble ")
