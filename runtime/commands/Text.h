//===- Text.h - Tokenizer and templates of an artifact, and standard input ----------*- C++ -*-===//
//
// How the verbs that deal in text come by it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <nlohmann/json.hpp>

namespace nibble {

/// Reads a file of JSON, keeping the order of keys: templates show it to the model.
Result<nlohmann::ordered_json> readOrderedJsonFile(const std::string &path);

/// All of standard input, up to 1 GiB.
Result<std::string> readStandardInput();

} // namespace nibble
