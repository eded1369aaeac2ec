//===- Feeding.h - Sequences cut into steps -----------------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Reference/Interpreter.h"

namespace nibble::reference {

/// How prompts are fed. Logits do not depend on it: that is what the options are there to show.
struct FeedingOptions {
  int64_t chunk = 0;              // most tokens of a sequence in a step; 0: all
  int64_t decodeFrom = INT64_MAX; // from this position on one by one
  int64_t mostRows = INT64_MAX;   // of one step
};

/// A step, and which tokens its rows are.
struct Step {
  Batch batch;
  /// [R]: the sequence, and the position in it, of each row of logits.
  std::vector<std::pair<size_t, int64_t>> logits;

  /// Adds tokens begin .. end - 1 of a sequence; the last `logits` of them get logits.
  void add(size_t sequence, std::span<const int32_t> tokens, int64_t begin, int64_t end, int64_t logits);
};

/// All sequences together in each step, as long as they last; every token gets logits.
std::vector<Step> planSteps(const std::vector<std::vector<int32_t>> &sequences,
                            const FeedingOptions &options);

} // namespace nibble::reference
