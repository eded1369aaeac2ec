//===- Command.h - The verbs of nibble-reference ------------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Reference/Cache.h"
#include "nibble/runtime/Result.h"

#include <string>

namespace nibble::reference {

struct CommandOptions {
  std::string input;      // artifact, module or checkpoint
  std::string checkpoint; // empty: none
  std::string tokens;     // file of token ids
  std::string output;     // .npy; logits only
  int64_t chunk = 0;
  int64_t decodeFrom = INT64_MAX;
  int64_t count = 32; // tokens to generate
  bool ignoreStops = false;
  CacheRounding cache = CacheRounding::None;
};

/// Writes the logits of every token to options.output.
Result<void> runLogits(const CommandOptions &options);

/// Prints the greedy continuations as JSON on stdout.
Result<void> runGenerate(const CommandOptions &options);

} // namespace nibble::reference
