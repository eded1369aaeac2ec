//===- GGUFTokenizerTest.cpp - Tokenizers out of GGUF metadata --------------------------------===//

#include "Fixtures.h"
#include <cstdlib>
#include <gmock/gmock.h>
#include <set>
#include <sstream>

using namespace nibble;
using namespace nibble::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A SentencePiece vocabulary: 0 <unk>, 1 <s>, 2 </s>, then texts with scores.
GGUFTokenizerMetadata sentencePiece(const std::vector<std::pair<std::string, float>> &pieces) {
  GGUFTokenizerMetadata metadata;
  metadata.source = "m.gguf";
  metadata.model = "llama";
  metadata.tokens = {"<unk>", "<s>", "</s>"};
  metadata.scores = {0, 0, 0};
  metadata.types = {2, 3, 3};
  metadata.bos = 1;
  metadata.eos = 2;
  metadata.unk = 0;
  for (const auto &[text, score] : pieces) {
    metadata.tokens.push_back(text);
    metadata.scores.push_back(score);
    metadata.types.push_back(1);
  }
  return metadata;
}

Result<Compiled> compile(const GGUFTokenizerMetadata &metadata) {
  NIBBLE_TRY(auto spec, importGGUFTokenizer(metadata));
  return compileSpec(spec);
}

std::vector<int32_t> encode(const GGUFTokenizerMetadata &metadata, std::string_view text,
                            EncodeOptions options = {}) {
  auto compiled = compile(metadata);
  EXPECT_TRUE(compiled) << compiled.error().message;
  return compiled ? compiled->tokenizer.encode(text, options).value() : std::vector<int32_t>{};
}

TEST(GGUFTokenizerTest, MergesTheBestScoreFirst) {
  // By hand: in "abc" the pairs are ab (-2) and bc (-1): bc wins, although ab stands first; abc cannot form
  // from a, bc.
  auto metadata = sentencePiece({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}, {"\u2581", -9}});
  metadata.addSpacePrefix = false;
  EXPECT_THAT(encode(metadata, "abc"), ElementsAre(1, 3, 7));
  metadata.scores[6] = -0.5; // ab
  EXPECT_THAT(encode(metadata, "abc"), ElementsAre(1, 6, 5));
  metadata.scores[6] = -1; // equal: the leftmost first
  EXPECT_THAT(encode(metadata, "abc"), ElementsAre(1, 6, 5));
}

TEST(GGUFTokenizerTest, PrefixesASpaceBeforeEachText) {
  auto metadata = sentencePiece({{"\u2581", -2}, {"a", -2}, {"\u2581a", -1}});
  EXPECT_THAT(encode(metadata, "a"), ElementsAre(1, 5));
  EXPECT_THAT(encode(metadata, "a</s>a"), ElementsAre(1, 5, 2, 5));
  EXPECT_THAT(encode(metadata, "", {}), ElementsAre(1));
  EXPECT_THAT(encode(metadata, "a", {.addSpecial = false}), ElementsAre(5));
  metadata.addSpacePrefix = false;
  metadata.addBos = false;
  metadata.addEos = true;
  EXPECT_THAT(encode(metadata, "a a"), ElementsAre(4, 5, 2));
}

TEST(GGUFTokenizerTest, FusesWhatItLacks) {
  auto metadata = sentencePiece({{"\u2581", -2}, {"a", -2}});
  EXPECT_THAT(encode(metadata, "aXYZ\u4f60 a"), ElementsAre(1, 3, 4, 0, 3, 4));
}

TEST(GGUFTokenizerTest, FallsBackToBytes) {
  auto metadata = sentencePiece({{"\u2581", -2}, {"a", -2}});
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    metadata.tokens.push_back(name);
    metadata.scores.push_back(0);
    metadata.types.push_back(6);
  }
  auto compiled = compile(metadata);
  ASSERT_TRUE(compiled) << compiled.error().message;
  auto ids = compiled->tokenizer.encode("a\n\u00e9").value();
  EXPECT_THAT(ids, ElementsAre(1, 3, 4, 5 + 0x0a, 5 + 0xc3, 5 + 0xa9));
  EXPECT_EQ(compiled->tokenizer.decode(ids), "a\n\u00e9");
}

TEST(GGUFTokenizerTest, UsesMergesWhereThereAreAny) {
  auto metadata = sentencePiece({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}});
  metadata.addSpacePrefix = false;
  metadata.merges = {"a b", "b c"}; // against the scores
  EXPECT_THAT(encode(metadata, "abc"), ElementsAre(1, 6, 5));
}

TEST(GGUFTokenizerTest, FindsControlAndUserDefinedTokens) {
  auto metadata = sentencePiece({{"\u2581", -2}, {"a", -2}, {"<tool>", 0}});
  metadata.types[5] = 4;
  EXPECT_THAT(encode(metadata, "<tool><s>", {.parseSpecial = true}), ElementsAre(1, 5, 1));
  // A user-defined token is found even where special ones are text ("<s>" is all unknown characters here).
  EXPECT_THAT(encode(metadata, "<tool><s>", {.parseSpecial = false}), ElementsAre(1, 5, 3, 0));
}

TEST(GGUFTokenizerTest, RefusesWhatIsWrong) {
  auto refusal = [](const GGUFTokenizerMetadata &metadata) {
    auto compiled = compile(metadata);
    return compiled ? std::string("accepted") : compiled.error().message;
  };
  auto good = sentencePiece({{"a", -1}, {"b", -1}});
  EXPECT_EQ(refusal(good), "accepted");
  auto bad = good;
  bad.model = "bert";
  EXPECT_THAT(refusal(bad), HasSubstr("m.gguf: tokenizer.ggml.model is \"bert\""));
  bad = good;
  bad.scores.pop_back();
  EXPECT_THAT(refusal(bad), HasSubstr("4 entries for 5 tokens"));
  bad.scores.clear();
  EXPECT_THAT(refusal(bad), HasSubstr("needs tokenizer.ggml.scores"));
  bad = good;
  bad.types.push_back(1);
  EXPECT_THAT(refusal(bad), HasSubstr("token_type has 6"));
  bad = good;
  bad.eos = 5;
  EXPECT_THAT(refusal(bad), HasSubstr("eos_token_id is 5"));
  bad = good;
  bad.merges = {"ab"};
  EXPECT_THAT(refusal(bad), HasSubstr("entry 0 is not \"left right\""));
  bad.merges = {"a b"};
  EXPECT_THAT(refusal(bad), HasSubstr("no token of the vocabulary"));
  bad = good;
  bad.model = "gpt2";
  bad.preTokenizer = "unheard-of";
  EXPECT_THAT(refusal(bad), HasSubstr("\"unheard-of\", which is not known; known are llama-bpe"));
  bad = good;
  bad.tokens[3] = std::string(1 << 17, 'a'); // would take minutes to cut in all ways
  EXPECT_THAT(refusal(bad), HasSubstr("absurd length"));
  bad = {};
  bad.model = "gpt2";
  EXPECT_THAT(refusal(bad), HasSubstr("0 tokens"));
}

TEST(GGUFTokenizerTest, TokensThatAreNotTextAreNotFoundInText) {
  auto metadata = sentencePiece({{"\u2581", -2}, {"\u00e9", -2}, {"\xa9", 0}});
  metadata.types[5] = 3; // a control token that is the second byte of "\u00e9"
  EXPECT_THAT(encode(metadata, "\u00e9"), ElementsAre(1, 3, 4));
}

TEST(GGUFTokenizerTest, ScoresThatAreNoNumbersDoNoHarm) {
  auto metadata = sentencePiece({{"a", NAN}, {"b", -INFINITY}, {"ab", NAN}, {"ba", INFINITY}});
  EXPECT_TRUE(compile(metadata));
}

/// ggml's vocabularies with their texts and ids. The texts are separated by a line, the ids stand a line a
/// text.
class CaseTest : public testing::TestWithParam<const char *> {};

TEST_P(CaseTest, GivesTheIds) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is unset";
  std::string path = std::string(data) + "/tokenizers/cases/ggml-vocab-" + GetParam() + ".gguf";
  auto file = GGUFFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  auto metadata = readGGUFTokenizerMetadata(*file);
  ASSERT_TRUE(metadata) << metadata.error().message;
  auto compiled = compile(*metadata);
  ASSERT_TRUE(compiled) << compiled.error().message;

  std::ifstream input(path + ".inp"), output(path + ".out");
  std::string texts(std::istreambuf_iterator<char>(input), {});
  const std::string separator = "\n__ggml_vocab_test__\n";
  size_t count = 0;
  for (size_t end; (end = texts.find(separator)) != texts.npos;
       texts = texts.substr(end + separator.size())) {
    std::string line;
    ASSERT_TRUE(std::getline(output, line));
    std::istringstream numbers(line);
    std::vector<int32_t> expected{std::istream_iterator<int32_t>(numbers), {}};
    std::string text = texts.substr(0, end);
    auto ids = compiled->tokenizer.encode(text, {.addSpecial = false, .parseSpecial = false});
    EXPECT_EQ(ids.value(), expected) << text;
    EXPECT_EQ(compiled->tokenizer.decode(*ids), text);
    ++count;
  }
  EXPECT_EQ(count, 46u);
}

INSTANTIATE_TEST_SUITE_P(GGUFTokenizer, CaseTest,
                         testing::Values("gpt-2", "llama-spm", "phi-3", "falcon", "deepseek-llm"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(GGUFTokenizerTest, MergesOfScoresAreThoseOfTheTokenizerJSON) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is unset";
  auto file = GGUFFile::open(std::string(data) + "/tokenizers/cases/ggml-vocab-llama-spm.gguf");
  ASSERT_TRUE(file) << file.error().message;
  auto metadata = readGGUFTokenizerMetadata(*file);
  ASSERT_TRUE(metadata) << metadata.error().message;
  auto ours = importGGUFTokenizer(*metadata);
  auto theirs = importHuggingFaceTokenizer(std::string(data) + "/tokenizers/llama2");
  ASSERT_TRUE(ours && theirs);
  auto pairs = [](const TokenizerSpec &spec) {
    std::set<std::pair<int32_t, int32_t>> set;
    for (const auto &merge : spec.merges)
      set.emplace(merge.left, merge.right);
    return set;
  };
  EXPECT_EQ(theirs->merges.size(), 61249u);
  EXPECT_EQ(pairs(*ours), pairs(*theirs));
}

} // namespace
