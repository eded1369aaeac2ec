//===- TokenizerTest.cpp - Whole tokenizers against Hugging Face `tokenizers` -----------------===//

#include "Fixtures.h"
#include "runtime/tokenizer/UTF8.h"
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::test;
using testing::ElementsAre;

namespace {

using Ids = std::vector<int32_t>;

class FixtureTest : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    auto result = compileFolder(fixture(GetParam()));
    ASSERT_TRUE(result) << result.error().message;
    compiled = std::make_unique<Compiled>(*std::move(result));
    cases = readJSON(fixture(GetParam()) + "/cases.json");
    ASSERT_GT(cases.size(), 40u);
  }
  const Tokenizer &get() const { return compiled->tokenizer; }

  std::unique_ptr<Compiled> compiled;
  nlohmann::json cases;
};

TEST_P(FixtureTest, Encodes) {
  for (const auto &example : cases) {
    auto text = example["text"].get<std::string>();
    SCOPED_TRACE(text);
    EXPECT_EQ(get().encode(text).value(), example["ids"].get<Ids>());
    EXPECT_EQ(get().encode(text, {.addSpecial = false}).value(), example["plain"].get<Ids>());
    EXPECT_EQ(get().encode(text, {.addSpecial = false, .parseSpecial = false}).value(),
              example["unparsed"].get<Ids>());
  }
}

TEST_P(FixtureTest, Decodes) {
  for (const auto &example : cases) {
    SCOPED_TRACE(example["text"].get<std::string>());
    EXPECT_EQ(get().decode(example["unparsed"].get<Ids>(), false), example["decoded"].get<std::string>());
    EXPECT_EQ(get().decode(example["ids"].get<Ids>(), true), example["skipped"].get<std::string>());
  }
}

TEST_P(FixtureTest, StreamsTheSame) {
  for (const auto &example : cases) {
    DetokenizeStream stream(get());
    std::string text;
    auto take = [&](const std::string &part) {
      EXPECT_TRUE(tokenizer::isValidUTF8(part)) << part;
      text += part;
    };
    for (int round = 0; round < 2; ++round) { // a stream that has finished starts anew
      text.clear();
      for (int32_t id : example["ids"].get<Ids>())
        take(stream.push(id));
      take(stream.finish());
      EXPECT_EQ(text, example["skipped"].get<std::string>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, FixtureTest, testing::ValuesIn(fixtureNames), [](const auto &info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(TokenizerTest, NamesSpecialTokens) {
  auto llama = compileFolder(fixture("llama3-style"));
  ASSERT_TRUE(llama) << llama.error().message;
  const Tokenizer &tokenizer = llama->tokenizer;
  int32_t begin = tokenizer.find("<|begin_of_text|>").value();
  EXPECT_EQ(tokenizer.bos(), begin);
  EXPECT_EQ(tokenizer.eos(), tokenizer.find("<|end_of_text|>"));
  EXPECT_EQ(tokenizer.unk(), std::nullopt);
  EXPECT_EQ(tokenizer.pad(), std::nullopt);
  EXPECT_TRUE(tokenizer.addsBos());
  EXPECT_FALSE(tokenizer.addsEos());
  EXPECT_THAT(tokenizer.prefix(), ElementsAre(begin));
  EXPECT_TRUE(tokenizer.isSpecial(begin));
  EXPECT_FALSE(tokenizer.isSpecial(0));
  EXPECT_FALSE(tokenizer.isSpecial(-1));
  EXPECT_FALSE(tokenizer.isSpecial(tokenizer.vocabularySize()));
  EXPECT_EQ(tokenizer.find("no such token"), std::nullopt);

  auto pieces = compileFolder(fixture("sentencepiece-bytes"));
  ASSERT_TRUE(pieces) << pieces.error().message;
  EXPECT_EQ(pieces->tokenizer.unk(), 0);
  EXPECT_EQ(pieces->tokenizer.bos(), 1);
  EXPECT_EQ(pieces->tokenizer.eos(), 2);
  EXPECT_TRUE(pieces->tokenizer.addsBos());
  EXPECT_TRUE(pieces->tokenizer.addsEos());
}

TEST(TokenizerTest, GivesRawPieces) {
  auto pieces = compileFolder(fixture("sentencepiece-bytes"));
  ASSERT_TRUE(pieces) << pieces.error().message;
  const Tokenizer &tokenizer = pieces->tokenizer;
  EXPECT_EQ(tokenizer.piece(3 + 0xe4), "\xe4"); // "<0xE4>"
  EXPECT_EQ(tokenizer.piece(1), "<s>");
  EXPECT_EQ(tokenizer.piece(tokenizer.find("\u2581token").value()), " token");
  EXPECT_EQ(tokenizer.piece(-1), "");
  EXPECT_EQ(tokenizer.piece(tokenizer.vocabularySize()), "");
}

TEST(TokenizerTest, InvalidTextCountsAsReplacementCharacters) {
  for (const std::string &name : fixtureNames) {
    auto compiled = compileFolder(fixture(name));
    ASSERT_TRUE(compiled) << compiled.error().message;
    EXPECT_EQ(compiled->tokenizer.encode("a\xff\xe4\xbd z").value(),
              compiled->tokenizer.encode("a\ufffd\ufffd z").value())
        << name;
  }
}

TEST(TokenizerTest, AStreamHoldsBackUnfinishedCharacters) {
  auto compiled = compileFolder(fixture("sentencepiece-bytes"));
  ASSERT_TRUE(compiled) << compiled.error().message;
  DetokenizeStream stream(compiled->tokenizer);
  auto byte = [](int value) { return 3 + value; };
  EXPECT_EQ(stream.push(byte(0xe4)), "");
  EXPECT_EQ(stream.push(byte(0xbd)), "");
  EXPECT_EQ(stream.push(byte(0xa0)), "\u4f60");
  EXPECT_EQ(stream.push(byte(0xf0)), "");
  EXPECT_EQ(stream.push(byte('x')), "\ufffdx"); // nothing can finish it any more
  EXPECT_EQ(stream.push(byte(0xf0)), "");
  EXPECT_EQ(stream.push(byte(0x9f)), "");
  EXPECT_EQ(stream.finish(), "\ufffd\ufffd");
}

TEST(TokenizerTest, AMegabyteIsOneWord) {
  // Quadratic merging would take hours here; the heap takes a second or two.
  auto compiled = compileFolder(fixture("sentencepiece-unknown"));
  ASSERT_TRUE(compiled) << compiled.error().message;
  std::string text;
  while (text.size() < 1'000'000)
    text += "the compiler reads tokens and writes tokens, ";
  auto ids = compiled->tokenizer.encode(text, {.addSpecial = false});
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_LT(ids->size(), text.size() / 2);
  EXPECT_EQ(compiled->tokenizer.decode(*ids), text);
}

} // namespace
