//===- PrefixStatistics.h - How much of prompts was in the KV cache -----------------*- C++ -*-===//
#pragma once

#include <cstdint>

namespace nibble {

/// Tokens of prompts that began a sequence, and those of them whose pages were found in the cache.
struct PrefixStatistics {
  uint64_t queried = 0, found = 0;
};

/// Full pages of the cache that hold a prompt's beginning, and those of them that no sequence uses now.
struct PrefixMatch {
  uint32_t pages = 0, idlePages = 0;
};

} // namespace nibble
