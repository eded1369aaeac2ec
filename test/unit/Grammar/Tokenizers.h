//===- Tokenizers.h - Vocabularies to lay grammars over -----------------------------*- C++ -*-===//
//
// Real ones out of files, and toy ones whose tokens a test names.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/Tokenizer.h"
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace nibble::test {

struct Loaded {
  std::vector<std::byte> segment;
  Tokenizer tokenizer;
  std::vector<int32_t> ends;

  bool isEnd(int32_t token) const { return std::find(ends.begin(), ends.end(), token) != ends.end(); }
  Result<std::vector<int32_t>> encode(const std::string &text) const {
    return tokenizer.encode(text, {false, false});
  }
};

/// A folder, a GGUF file, a .tiktoken file (whose pieces are real and whose merges are left out), or "bytes":
/// a token for each byte. Where the tokenizer names no end token, its first special token ends a text.
Result<Loaded> loadTokenizer(const std::string &source);

/// Byte-level tokens in this order, then <end>, then further special tokens. Text is not encoded with them.
Result<Loaded> toyTokenizer(const std::vector<std::string> &pieces,
                            const std::vector<std::string> &special = {});

} // namespace nibble::test
