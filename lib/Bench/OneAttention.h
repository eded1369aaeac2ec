//===- OneAttention.h - A model of one layer's attention, compiled ------------------*- C++ -*-===//
#pragma once

#include "lib/Bench/BenchProgram.h"

namespace nibble {

struct AttentionOptions {
  uint32_t heads = 32, kvHeads = 8, headDim = 64;
  std::string cache = "f16"; // a CacheType
  uint32_t window = 0;       // positions that a token sees; 0: all
  std::string target = "native", tuneFor;
};

/// q, k and v are gathered from tables by the ids of tokens, then rotated. Dispatches: angles and embed, then
/// those of a layer.
struct OneAttention : BenchProgram {
  CacheType cache = CacheType::F16;
  uint32_t vocabulary = 0; // rows of the tables

  /// store_kv, attention and merge.
  std::span<const BenchDispatch> layer() const { return std::span(dispatches).last(3); }
  /// What makes q, k, v and the angles, which a model does elsewhere, or once for all layers.
  std::span<const BenchDispatch> inputs() const { return std::span(dispatches).first(dispatches.size() - 3); }
};

/// Where it fails with `wrongUsage` set, the options are at fault.
Result<OneAttention> compileOneAttention(const AttentionOptions &options, unsigned threads, bool &wrongUsage);

} // namespace nibble
