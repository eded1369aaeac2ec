//===- SegmentTest.cpp - Damaged segments are refused or work ---------------------------------===//

#include "Fixtures.h"
#include <cstring>
#include <gmock/gmock.h>
#include <random>

using namespace nibble;
using namespace nibble::test;
using testing::HasSubstr;

namespace {

/// Uses all that a tokenizer has; under the sanitizers a step out of the segment ends the test.
void use(const Tokenizer &tokenizer) {
  static const std::string text =
      "<s>Hello  world, 123 they're <|im_start|>caf\u00e9 e\u0301 [LR] \u4f60\u597d \U0001f999\n\n \xff";
  for (bool special : {true, false})
    if (auto ids = tokenizer.encode(text, {special, special}))
      tokenizer.decode(*ids, special);
  std::vector<int32_t> all;
  for (int32_t id = -1; id <= tokenizer.vocabularySize(); ++id) {
    all.push_back(id);
    tokenizer.isSpecial(id);
    std::string piece(tokenizer.piece(id));
    ASSERT_LE(piece.size(), 1u << 20);
  }
  tokenizer.decode(all);
  DetokenizeStream stream(tokenizer);
  for (int32_t id : all)
    stream.push(id);
  stream.finish();
  tokenizer.find("compiler");
  tokenizer.addsBos();
  tokenizer.addsEos();
}

class DamageTest : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    auto compiled = compileFolder(fixture(GetParam()));
    ASSERT_TRUE(compiled) << compiled.error().message;
    whole = std::move(compiled->segment);
  }
  std::vector<std::byte> whole;
};

TEST_P(DamageTest, CutAnywhere) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    size_t size = random() % whole.size();
    std::vector<std::byte> cut(whole.begin(), whole.begin() + long(size));
    EXPECT_FALSE(Tokenizer::open(cut)) << size;
  }
}

TEST_P(DamageTest, OneByteChanged) {
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    auto altered = whole;
    altered[random() % whole.size()] = std::byte(random());
    if (auto tokenizer = Tokenizer::open(altered))
      use(*tokenizer);
  }
}

TEST_P(DamageTest, HeaderChanged) {
  // Every field of the header takes hostile values: the tables' offsets and sizes are where a reader goes
  // astray.
  size_t accepted = 0;
  for (size_t at = 0; at + 4 <= sizeof(tokenizer::Header); at += 4)
    for (uint32_t value : {0u, 1u, 7u, 0x7fffffffu, 0x80000000u, 0xfffffff8u, 0xffffffffu}) {
      auto altered = whole;
      std::memcpy(altered.data() + at, &value, sizeof(value));
      if (auto tokenizer = Tokenizer::open(altered)) {
        ++accepted;
        use(*tokenizer);
      }
    }
  EXPECT_GT(accepted, 0u); // flags and the like may change
}

TEST_P(DamageTest, TablesChanged) {
  // Numbers inside of the tables: ids, offsets, ranks, kinds.
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    auto altered = whole;
    size_t at = sizeof(tokenizer::Header) + random() % ((whole.size() - sizeof(tokenizer::Header)) / 4) * 4;
    uint32_t value = i % 2 ? uint32_t(random()) : uint32_t(-1) << (random() % 32);
    std::memcpy(altered.data() + std::min(at, altered.size() - 4), &value, sizeof(value));
    if (auto tokenizer = Tokenizer::open(altered))
      use(*tokenizer);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, DamageTest,
                         testing::Values("llama3-style", "qwen-style", "sentencepiece-bytes",
                                         "metaspace-first"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(SegmentTest, SaysWhatIsWrong) {
  auto compiled = compileFolder(fixture("llama3-style"));
  ASSERT_TRUE(compiled) << compiled.error().message;
  auto message = [](const std::vector<std::byte> &segment) {
    auto tokenizer = Tokenizer::open(segment);
    return tokenizer ? std::string("opened") : tokenizer.error().message;
  };
  auto altered = compiled->segment;
  altered[offsetof(tokenizer::Header, version)] = std::byte(9);
  EXPECT_THAT(message(altered), HasSubstr("format version 9"));
  altered = compiled->segment;
  altered.resize(altered.size() - 8);
  EXPECT_THAT(message(altered), HasSubstr("damaged"));
  EXPECT_THAT(message({}), HasSubstr("fewer than its header"));
}

TEST(SegmentTest, TheSameDescriptionGivesTheSameBytes) {
  for (const std::string &name : fixtureNames) {
    auto first = compileFolder(fixture(name)), second = compileFolder(fixture(name));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->segment, second->segment) << name;
  }
}

TEST(SegmentTest, MayLieAnywhereThatIsAligned) {
  auto compiled = compileFolder(fixture("qwen-style"));
  ASSERT_TRUE(compiled) << compiled.error().message;
  std::vector<std::byte> shifted(8);
  shifted.insert(shifted.end(), compiled->segment.begin(), compiled->segment.end());
  auto tokenizer = Tokenizer::open(std::span<const std::byte>(shifted).subspan(8));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("Hello").value(), compiled->tokenizer.encode("Hello").value());
  shifted.insert(shifted.begin(), std::byte(0));
  EXPECT_FALSE(Tokenizer::open(std::span<const std::byte>(shifted).subspan(9)));
}

} // namespace
