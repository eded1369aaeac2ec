//===- TokenFile.h - Sequences of token ids from a file -----------------------------*- C++ -*-===//
//
// What `--tokens` means to the verbs of an artifact and to nibble-reference.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// Reads JSON [[ids...], ...] or one [ids...]; no list is empty, and every id is below `vocabulary`.
Result<std::vector<std::vector<int32_t>>> readTokenFile(const std::string &path, uint32_t vocabulary);

} // namespace nibble
