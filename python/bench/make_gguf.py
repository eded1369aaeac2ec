"""Writes a folder of make_synthetic.py as GGUF: the same weights, rounded as GGUF's formats round.

    python python/bench/make_gguf.py FOLDER FILE.gguf [--type Q4_0] [--table Q8_0]

The table of embeddings, which is the head too, has the type of the other weights unless --table gives it its own. The
tokenizer is a made-up one of as many tokens as the table has rows: llama.cpp opens no file without. Weights are read and
rounded in runs of rows, so memory does not grow with the model. Needs numpy and the package gguf.
"""

import argparse
import json
import mmap
import pathlib
import struct
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}
FILE_TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "F16": 1}
RUN = 1 << 24  # elements rounded at a time


class Safetensors:
    """BF16 tensors of a mapped file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        size = struct.unpack("<Q", self.bytes[:8])[0]
        self.header = json.loads(self.bytes[8:8 + size])
        self.base = 8 + size

    def tensor(self, name):
        """[rows, columns] or [rows], the upper halves of f32."""
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        return np.frombuffer(self.bytes, np.uint16, (end - begin) // 2, self.base + begin).reshape(entry["shape"])


def as_float(halves):
    return (halves.astype(np.uint32) << 16).view(np.float32)


def permuted(rows, heads):
    """llama.cpp turns neighbours, Hugging Face halves of a head: row 2i of a head is row i, row 2i + 1 is i + d / 2."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def rounded(rows, kind):
    run = max(1, RUN // rows.shape[1])
    return np.concatenate([gguf.quants.quantize(as_float(rows[i:i + run]), kind) for i in range(0, len(rows), run)])


def add_configuration(writer, config, architecture):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_rope_freq_base(config["rope_theta"])
    head_dim = config.get("head_dim", hidden // heads)
    if head_dim * heads != hidden:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if architecture == gguf.MODEL_ARCH.LLAMA:
        writer.add_rope_dimension_count(head_dim)
    scaling = config.get("rope_scaling")
    return rotary_divisors(config["rope_theta"], head_dim, scaling) if scaling else None


def rotary_divisors(theta, head_dim, scaling):
    """What Llama 3's scaling divides each inverse frequency by: [head_dim / 2] f32."""
    assert scaling["rope_type"] == "llama3"
    wavelengths = 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    old, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = (old / wavelengths - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    return np.where(wavelengths < old / high, 1.0,
                    np.where(wavelengths > old / low, factor, between)).astype(np.float32)


def add_tokenizer(writer, size):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"<{i}>" for i in range(len(tokens), size)]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-i) for i in range(size)])
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (size - len(kinds)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--type", choices=FILE_TYPES, default="Q4_0")
    parser.add_argument("--table", choices=FILE_TYPES, help="type of the embedding, which is the head (default: --type)")
    options = parser.parse_args()
    config = json.loads((options.folder / "config.json").read_text())
    architecture = ARCHITECTURES[config["model_type"]]
    weights = Safetensors(options.folder / "model.safetensors")
    writer = gguf.GGUFWriter(options.file, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(options.folder.name)
    writer.add_file_type(FILE_TYPES[options.type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    divisors = add_configuration(writer, config, architecture)
    add_tokenizer(writer, config["vocab_size"])
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    if divisors is not None:
        writer.add_tensor("rope_freqs.weight", divisors)
    tensors = [name for name in weights.header if name != "__metadata__"]
    for number, source in enumerate(tensors):
        if sys.stdout.isatty():
            print(f"\r{options.file.name}: {number + 1} of {len(tensors)} tensors", end="", flush=True)
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        rows = weights.tensor(source)
        part = name.split(".")[-2]
        if architecture == gguf.MODEL_ARCH.LLAMA and part in heads:
            rows = permuted(rows, heads[part])
        if rows.ndim == 1:
            writer.add_tensor(name, as_float(rows))
            continue
        kind = Type[options.table if options.table and part == "token_embd" else options.type]
        writer.add_tensor(name, rounded(rows, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{options.file}: {options.file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
