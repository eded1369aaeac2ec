"""Converts a folder of make_synthetic.py for OpenVINO or ONNX Runtime GenAI, weights rounded to 4 bits in groups of 32.

    OPENVINO_VENV/bin/python python/bench/make_peer_models.py openvino FOLDER OUT
    ONNX_VENV/bin/python python/bench/make_peer_models.py onnx FOLDER OUT

Run by the interpreter that has the converter (README.md). OpenVINO: symmetric, all layers, the table of embeddings and the
head included. ONNX: the model builder's int4 for CPUs, symmetric, int8 activations (accuracy level 4), table and head
included where the builder can; it rounds on its own, so only shapes and bits are those of the other programs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def with_tokenizer(folder, copy):
    """Links to the checkpoint's files beside a made-up tokenizer, which converters insist on."""
    for name in ("config.json", "model.safetensors"):
        (copy / name).symlink_to((folder / name).resolve())
    model = {"type": "WordLevel", "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2}, "unk_token": "<unk>"}
    (copy / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))


def make_openvino(folder, out):
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

    rounding = OVWeightQuantizationConfig(bits=4, sym=True, group_size=32, ratio=1.0, all_layers=True)
    model = OVModelForCausalLM.from_pretrained(folder, export=True, compile=False, quantization_config=rounding)
    model.save_pretrained(out)


def make_onnx(folder, out):
    extra = ["int4_block_size=32", "int4_is_symmetric=true", "int4_accuracy_level=4",
             "int4_op_types_to_quantize=MatMul/Gather"]
    with tempfile.TemporaryDirectory() as cache:
        subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", out, "-p", "int4",
                        "-e", "cpu", "-c", cache, "--extra_options", *extra], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["openvino", "onnx"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out.parent) as copy:
        with_tokenizer(options.folder, pathlib.Path(copy))
        (make_openvino if options.kind == "openvino" else make_onnx)(copy, options.out)


if __name__ == "__main__":
    main()
