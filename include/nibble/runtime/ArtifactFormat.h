//===- ArtifactFormat.h - Bytes of an artifact --------------------------------------*- C++ -*-===//
//
// [runtime executable][pad] segment [pad] segment ... manifest footer. The footer is the file's last 64
// bytes, so a file finds its own segments whatever precedes them. All integers are little-endian. Written by
// lib/Artifact, read by runtime/artifact.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>

namespace nibble {

inline constexpr uint32_t kArtifactVersion = 1;
inline constexpr char kArtifactMagic[8] = {'N', 'I', 'B', 'B', 'L', 'E', '\r', '\n'};

/// Every segment starts at a multiple of this; the weights at a multiple of kWeightAlignment, so that the
/// kernel can map them by 2 MiB pages.
inline constexpr uint64_t kSegmentAlignment = 4096;
inline constexpr uint64_t kWeightAlignment = 2u << 20;

/// The last 64 bytes of an artifact.
struct ArtifactFooter {
  char magic[8];            // kArtifactMagic
  uint32_t version;         // kArtifactVersion
  uint32_t reserved;        // 0
  uint64_t manifestOffset;  // from the start of the file
  uint64_t manifestSize;    // bytes of JSON, no terminator
  uint8_t manifestHash[32]; // SHA-256 of the manifest
};
static_assert(sizeof(ArtifactFooter) == 64);

// clang-format off
/// Manifest (JSON, UTF-8), the keys that the runtime reads:
///
/// "nibble": compiler version, "format": kArtifactVersion, "abi": kKernelABIVersion
/// "model": {"architecture": "llama", "name", "layers", "hidden", "heads", "kv_heads", "head_dim", "vocabulary",
///           "context": positions the model was made for, "default_context": the run-time default,
///           "parameters": count, "bos_token_id", "eos_token_ids": [every stop id of config, generation_config, GGUF]}
/// "generation": {"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "do_sample"}: generation_config's
/// "cache": {"types": ["f32", "f16", "bf16"], "default": "f16"}
/// "segments": [{"name": "weights" | "code" | "tokenizer" | "templates" | "ir" | "plan", "target": for code,
///               "offset", "size", "sha256": hex}]
/// "templates" segment: JSON {"default": source, NAME: source, ...} with the special tokens that templates read:
///               {"templates": {...}, "bos_token", "eos_token", "unk_token", "pad_token"}
/// "variants": [{"target": "avx512-vnni", "features": [CPUID names], "segment": index of its code segment,
///               "tuned_for": what --tune-for would be said (for people to read),
///               "kernels": [{"name", "family", "entry": offset in the image, "items": offset, "scratch": bytes,
///                            "size": bytes of code, "cache": "f32" | "f16" | "bf16" where the kernel reads the cache}],
///               "program": {...}}]
/// "program": {"arena": SIZE, "private": bytes a worker needs for its private buffers,
///             "dispatches": [{"kernel": index, or {"f32": i, "f16": j, "bf16": k} by type of cache,
///                             "operands": [OPERAND...], "private": true for row-wise work, "name": for profiles,
///                             "barrier": before this entry all workers must have finished what comes before it:
///                                        "always", "shared" (only in steps of more than kPrivateTokens rows), "never"}],
///             "logits": OPERAND: f32 [R, vocabulary], a row every (4 * vocabulary rounded up to 64) bytes}
/// SIZE and offsets in the arena: [bytes a token of the budget, bytes a logits row of the budget, bytes]
/// OPERAND: ["arena", a, r, b]: arena + a * token budget + r * row budget + b (each multiple of 64)
///          ["private", o, a, r, b]: worker's private memory + o in a step of at most kPrivateTokens rows, else the arena
///          ["weights", o]: weights segment + o
///          ["cache", layer]: two pointers, K and V of the layer
/// "tensors": [{"name", "shape": [N, K], "format", "layout": "panel" | "plain", "offset", "size", "activations"}]
/// "plan": the precision plan as nibble-compile reads it
///
/// "format", "abi" and "segments" are added by the writer (Artifact/Writer.h). Of the variants that a CPU can run, the
/// one with the most features runs, the first of equals; features are compared without case and punctuation
/// ("avx512_vnni" is "avx512vnni").
///
/// A private entry writes only private operands. In a step of more than kPrivateTokens rows it runs like any other
/// dispatch, shared among the workers, between barriers.
// clang-format on

} // namespace nibble
