//===- JsonText.h - Writing JSON without building it --------------------------------*- C++ -*-===//
//
// Every token of every stream becomes a line of JSON: it is appended to a string, piece by piece.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nibble::server {

/// Appends a JSON string; what is not UTF-8 in `text` becomes U+FFFD.
void appendQuoted(std::string &out, std::string_view text);
/// Appends a logarithm of a probability by the fewest digits that name it. JSON has no infinity: what is
/// impossible has -9999, as OpenAI's answers do.
void appendLogprob(std::string &out, float value);
void appendNumber(std::string &out, uint64_t value);

} // namespace nibble::server
