"""Writes a checkpoint of a known model's shape with random weights, for measuring speed and memory.

    python python/bench/make_synthetic.py llama-3.2-1b FOLDER

Weights are bf16, normal with a standard deviation of 0.02, the same for the same seed; norm gains are 1. The file is
written in pieces, so memory does not grow with the model. There is no tokenizer: an artifact made of it takes token ids.
"""

import argparse
import json
import pathlib
import struct
import sys

import numpy as np

COMMON = {"hidden_act": "silu", "attention_bias": False, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
          "bos_token_id": 1, "eos_token_id": 2}
LLAMA = COMMON | {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "mlp_bias": False, "rms_norm_eps": 1e-5}
SHAPES = {
    "llama-3.2-1b": LLAMA | {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "rope_theta": 500000.0,
        "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
        "max_position_embeddings": 131072},
    "llama-3.2-3b": LLAMA | {
        "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "rope_theta": 500000.0,
        "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
        "max_position_embeddings": 131072},
    "smollm2-135m": LLAMA | {
        "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
        "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49152, "rope_theta": 100000.0,
        "max_position_embeddings": 8192},
    "tinystories-656k": LLAMA | {
        "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 16, "vocab_size": 2048, "rope_theta": 10000.0,
        "max_position_embeddings": 512},
    "qwen2.5-0.5b": COMMON | {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "vocab_size": 151936, "rope_theta": 1000000.0, "use_sliding_window": False,
        "max_position_embeddings": 32768},
}
PIECE = 1 << 24  # elements drawn at a time


def tensors(config):
    """{name: shape} in the order of the file."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim", hidden // config["num_attention_heads"])
    q, kv = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    found = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in (("q", q), ("k", kv), ("v", kv)):
            found[f"{prefix}self_attn.{name}_proj.weight"] = (rows, hidden)
            if config["model_type"] == "qwen2":
                found[f"{prefix}self_attn.{name}_proj.bias"] = (rows,)
        found[f"{prefix}self_attn.o_proj.weight"] = (hidden, q)
        found[f"{prefix}mlp.gate_proj.weight"] = (inner, hidden)
        found[f"{prefix}mlp.up_proj.weight"] = (inner, hidden)
        found[f"{prefix}mlp.down_proj.weight"] = (hidden, inner)
        found[f"{prefix}input_layernorm.weight"] = (hidden,)
        found[f"{prefix}post_attention_layernorm.weight"] = (hidden,)
    return found


def write_safetensors(path, shapes, seed):
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(seed)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for number, (name, shape) in enumerate(shapes.items()):
            if sys.stdout.isatty():
                print(f"\r{number + 1} of {len(shapes)} tensors", end="", flush=True)
            left = int(np.prod(shape))
            while left:
                count = min(left, PIECE)
                values = np.ones(count, np.float32) if "norm" in name else random.standard_normal(count, np.float32) * 0.02
                (np.asarray(values, np.float32).view(np.uint32) >> 16).astype("<u2").tofile(file)
                left -= count
    print(f"{path}: {len(shapes)} tensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = SHAPES[options.shape]
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_safetensors(options.folder / "model.safetensors", tensors(config), options.seed)


if __name__ == "__main__":
    main()
