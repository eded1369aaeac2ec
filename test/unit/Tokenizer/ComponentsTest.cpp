//===- ComponentsTest.cpp - Normalizers, pre-tokenizers and decoders alone --------------------===//
//
// Each part as tokenizer.json has it, against what `tokenizers` makes of it (components.json).
//
//===------------------------------------------------------------------------------------------===//

#include "Fixtures.h"
#include "lib/Import/Tokenizer/ByteLevelAlphabet.h"
#include "lib/Import/Tokenizer/HuggingFaceComponents.h"
#include "runtime/tokenizer/Steps.h"
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::test;
using namespace nibble::tokenizer;
using testing::HasSubstr;

namespace {

std::vector<PreparedStep> prepare(const std::vector<TokenizerStep> &steps) {
  std::vector<PreparedStep> prepared;
  for (const TokenizerStep &step : steps) {
    auto ready = prepareStep(step.kind, step.argument, step.first, step.second);
    EXPECT_TRUE(ready) << ready.error().message;
    if (ready)
      prepared.push_back(*std::move(ready));
  }
  return prepared;
}

TEST(ComponentsTest, PreTokenizers) {
  RegexScratch scratch;
  auto list = readJSON(fixture("components.json"))["pre_tokenizers"];
  ASSERT_GT(list.size(), 40u);
  for (const auto &entry : list) {
    SCOPED_TRACE(entry["component"].dump());
    TokenizerSpec spec;
    auto imported = importPreTokenizer(entry["component"], spec);
    ASSERT_TRUE(imported) << imported.error().message;
    auto steps = prepare(spec.preTokenizers);
    for (const auto &example : entry["cases"]) {
      auto text = example[0].get<std::string>();
      std::deque<std::string> texts;
      auto words = preTokenize(steps, {text, true}, texts, scratch);
      ASSERT_TRUE(words) << words.error().message;
      std::vector<std::string> found;
      for (const Piece &word : *words) {
        found.emplace_back();
        for (char c : word.text)
          found.back() += spec.flags & ByteLevel ? byteLevelName(static_cast<uint8_t>(c)) : std::string(1, c);
      }
      EXPECT_EQ(found, example[1].get<std::vector<std::string>>()) << text;
    }
  }
}

TEST(ComponentsTest, Normalizers) {
  RegexScratch scratch;
  auto list = readJSON(fixture("components.json"))["normalizers"];
  ASSERT_GE(list.size(), 10u);
  for (const auto &entry : list) {
    SCOPED_TRACE(entry["component"].dump());
    TokenizerSpec spec;
    auto imported = importNormalizer(entry["component"], spec);
    ASSERT_TRUE(imported) << imported.error().message;
    auto steps = prepare(spec.normalizers);
    for (const auto &example : entry["cases"])
      EXPECT_EQ(normalize(steps, example[0].get<std::string>(), scratch).value(),
                example[1].get<std::string>());
  }
}

TEST(ComponentsTest, Decoders) {
  auto list = readJSON(fixture("components.json"))["decoders"];
  ASSERT_GE(list.size(), 7u);
  for (const auto &entry : list) {
    SCOPED_TRACE(entry["component"].dump());
    for (const auto &example : entry["cases"]) {
      TokenizerSpec spec;
      auto imported = importDecoder(entry["component"], spec);
      ASSERT_TRUE(imported) << imported.error().message;
      spec.tokens.push_back({"unused"});
      std::vector<int32_t> ids;
      for (const auto &token : example[0]) {
        ids.push_back(static_cast<int32_t>(spec.tokens.size()));
        spec.tokens.push_back({token.get<std::string>(), true});
      }
      auto compiled = compileSpec(spec);
      ASSERT_TRUE(compiled) << compiled.error().message;
      EXPECT_EQ(compiled->tokenizer.decode(ids), example[1].get<std::string>()) << example[0].dump();
    }
  }
}

using Import = Result<void> (*)(const JSON &, TokenizerSpec &);

/// The message of a part that must be refused; it must begin with the file.
std::string refusal(Import import, const char *json) {
  TokenizerSpec spec;
  spec.source = "m/tokenizer.json";
  auto status = import(JSON::parse(json), spec);
  if (status)
    return "accepted";
  EXPECT_THAT(status.error().message, testing::StartsWith("m/tokenizer.json: "));
  return status.error().message;
}

TEST(ComponentsTest, WhatIsUnknownIsNamed) {
  EXPECT_THAT(refusal(importNormalizer, R"({"type": "Precompiled"})"), HasSubstr("normalizer Precompiled"));
  EXPECT_THAT(refusal(importNormalizer, R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})"),
              HasSubstr("normalizer Lowercase"));
  EXPECT_THAT(refusal(importNormalizer, R"({"prepend": "x"})"), HasSubstr("\"type\" is missing"));
  EXPECT_THAT(refusal(importNormalizer, R"({"type": "Prepend", "prepend": 1})"),
              HasSubstr("expected a string"));
  EXPECT_THAT(refusal(importPreTokenizer, R"({"type": "UnicodeScripts"})"), HasSubstr("UnicodeScripts"));
  EXPECT_THAT(refusal(importPreTokenizer,
                      R"({"type": "Split", "pattern": {"String": "x"}, "behavior": "Sometimes"})"),
              HasSubstr("Sometimes"));
  EXPECT_THAT(refusal(importPreTokenizer, R"({"type": "Sequence", "pretokenizers": [
                {"type": "ByteLevel", "use_regex": false, "add_prefix_space": false}, {"type": "Digits"}]})"),
              HasSubstr("Digits behind ByteLevel"));
  EXPECT_THAT(refusal(importPreTokenizer, R"({"type": "Split", "pattern": {"Regex": "[a&&b]"}})"),
              HasSubstr("intersection"));
  EXPECT_THAT(refusal(importDecoder, R"({"type": "WordPiece", "prefix": "", "cleanup": true})"),
              HasSubstr("WordPiece"));
  EXPECT_THAT(refusal(importDecoder, R"({"type": "Sequence", "decoders": [{"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 0, "stop": 1}]})"),
              HasSubstr("at the end"));
  EXPECT_THAT(refusal(importPostProcessor, R"({"type": "Other"})"), HasSubstr("Other"));
  EXPECT_THAT(refusal(importPostProcessor, R"({"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}], "special_tokens": {"<s>": {"ids": [1]}}})"),
              HasSubstr("leaves out the text"));
  EXPECT_THAT(refusal(importPostProcessor, R"({"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}]})"),
              HasSubstr("no ids for \"<s>\""));
}

TEST(ComponentsTest, SequencesDoNotNestForEver) {
  std::string json = R"({"type": "NFC"})";
  for (int i = 0; i < 20; ++i)
    json = R"({"type": "Sequence", "normalizers": [)" + json + "]}";
  EXPECT_THAT(refusal(importNormalizer, json.c_str()), HasSubstr("nested"));
}

} // namespace
