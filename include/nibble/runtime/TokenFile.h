//===- TokenFile.h - Sequences of token ids from a file -----------------------------*- C++ -*-===//
//
// What `--tokens` means to the verbs of an artifact and to nibble-reference.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Reads JSON [[ids...], ...] or one [ids...]; no list is empty, and every id is below `vocabulary`.
/// `name` begins messages.
Result<std::vector<std::vector<int32_t>>> parseTokens(std::string_view json, const std::string &name,
                                                      uint32_t vocabulary);
/// The same of a file.
Result<std::vector<std::vector<int32_t>>> readTokenFile(const std::string &path, uint32_t vocabulary);

} // namespace nibble
