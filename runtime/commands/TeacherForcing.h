//===- TeacherForcing.h - Logits of given tokens ------------------------------------*- C++ -*-===//
//
// What `logits` and `eval` share: feeding known sequences through an engine, many in each step, and hearing
// the logits of every position.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include <functional>

namespace nibble {

/// How sequences are cut into steps. A token's logits do not depend on it.
struct Feeding {
  uint32_t chunk = 0;               // most tokens of a sequence in a step; 0: all
  uint32_t decodeFrom = UINT32_MAX; // from this position on one by one
};

/// Makes the engine large enough to take all sequences as one batch, as far as that stays within reason.
void setBudgets(EngineOptions &options, const ModelInfo &model,
                const std::vector<std::vector<int32_t>> &sequences, const Feeding &feeding);

/// Calls `hear(sequence, position, logits)` for every token: ascending in each sequence, sequences
/// interleaved.
Result<void> feedAll(Engine &engine, const std::vector<std::vector<int32_t>> &sequences,
                     const Feeding &feeding,
                     const std::function<Result<void>(size_t, uint32_t, std::span<const float>)> &hear);

} // namespace nibble
