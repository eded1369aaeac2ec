//===- Fixtures.h - Tokenizers of test/data/tokenizers ------------------------------*- C++ -*-===//
//
// python/fixtures/tokenizer_fixtures.py made them, with what Hugging Face `tokenizers` makes of each text.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/Tokenizer.h"
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace nibble::test {

inline const std::vector<std::string> fixtureNames = {
    "gpt2-style",      "llama3-style",     "qwen-style",     "sentencepiece-bytes", "sentencepiece-unknown",
    "metaspace-first", "metaspace-always", "metaspace-never"};

inline std::string fixture(const std::string &name) {
  return std::string(NIBBLE_TEST_DATA "/tokenizers/") + name;
}

inline nlohmann::json readJSON(const std::string &path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return nlohmann::json::parse(file, nullptr, false);
}

/// A compiled tokenizer and the segment that it views.
struct Compiled {
  std::vector<std::byte> segment;
  Tokenizer tokenizer;
};

inline Result<Compiled> compileSpec(const TokenizerSpec &spec) {
  NIBBLE_TRY(auto segment, serializeTokenizer(spec));
  NIBBLE_TRY(auto tokenizer, Tokenizer::open(segment));
  return Compiled{std::move(segment), std::move(tokenizer)};
}

inline Result<Compiled> compileFolder(const std::string &folder) {
  NIBBLE_TRY(auto spec, importHuggingFaceTokenizer(folder));
  return compileSpec(spec);
}

} // namespace nibble::test
