//===- GGUFPreTokenizers.h - What tokenizer.ggml.pre means --------------------------*- C++ -*-===//
//
// A GGUF file names the pre-tokenizer of a byte-level model instead of spelling out its regular expressions.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <string_view>
#include <vector>

namespace nibble::tokenizer {

struct GGUFPreTokenizer {
  std::vector<const char *>
      patterns; // Oniguruma's dialect; each cuts further what those before it left, isolated
  bool ignoreMerges = false;
  bool addsBos = false;  // where the file does not say
  bool composes = false; // the models that bear this name normalize to NFC; GGUF has no key for it
};

/// `name` is the key's value; empty if the file has no such key. An unknown name is an error.
Result<GGUFPreTokenizer> findGGUFPreTokenizer(std::string_view name);

} // namespace nibble::tokenizer
