//===- Matching.h - Asking a grammar about texts ------------------------------------*- C++ -*-===//
//
// Texts are fed byte by byte, so that an answer depends on the grammar alone; masks are asked on the way and
// must agree.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Tokenizers.h"
#include "nibble/runtime/Grammar.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nibble::test {

/// How far a text is one of a grammar.
enum class Fit { No, Prefix, Whole };

inline const Loaded &byteTokenizer() {
  static const auto loaded = loadTokenizer("bytes");
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}

inline const GrammarVocabulary &byteVocabulary() {
  static const GrammarVocabulary vocabulary(byteTokenizer().tokenizer, 257, byteTokenizer().ends);
  return vocabulary;
}

inline bool isSet(std::span<const uint32_t> mask, int32_t token) {
  return mask[uint32_t(token) / 32] >> (uint32_t(token) % 32) & 1;
}

inline Fit fit(const Grammar &grammar, std::string_view text) {
  GrammarState state(grammar, byteVocabulary());
  for (unsigned char byte : text) {
    bool masked = isSet(state.mask(), byte);
    EXPECT_EQ(state.accept(byte), masked) << text;
    if (!masked)
      return Fit::No;
  }
  EXPECT_EQ(isSet(state.mask(), 256), state.isComplete()) << text;
  return state.isComplete() ? Fit::Whole : Fit::Prefix;
}

inline Fit fit(const Result<Grammar> &grammar, std::string_view text) {
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar ? fit(*grammar, text) : Fit::No;
}

inline Result<Grammar> schema(const char *text) {
  return Grammar::fromSchema(nlohmann::ordered_json::parse(text));
}

/// The message of a schema that is refused.
inline std::string refusal(const Result<Grammar> &grammar) {
  return grammar ? "accepted" : grammar.error().message;
}

} // namespace nibble::test
