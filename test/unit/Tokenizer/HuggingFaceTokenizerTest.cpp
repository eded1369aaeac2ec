//===- HuggingFaceTokenizerTest.cpp - Folders that are wrong ----------------------------------===//

#include "Fixtures.h"
#include <filesystem>
#include <functional>
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::test;
using nlohmann::json;
using testing::HasSubstr;

namespace {

class FolderTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nibble-tokenizer-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write(const char *name, const std::string &content) { std::ofstream(folder / name) << content; }

  /// The message for the small tokenizer below after `change`.
  std::string refusal(const std::function<void(json &)> &change) {
    json tokenizer = {
        {"added_tokens", json::array()},
        {"model",
         {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", json::array({"a b"})}}}};
    change(tokenizer);
    write("tokenizer.json", tokenizer.dump());
    auto compiled = compileFolder(folder);
    if (compiled)
      return "accepted";
    EXPECT_THAT(compiled.error().message, HasSubstr("tokenizer.json"));
    return compiled.error().message;
  }

  std::filesystem::path folder;
};

TEST_F(FolderTest, TheSmallestWorks) {
  EXPECT_EQ(refusal([](json &) {}), "accepted");
  auto compiled = compileFolder(folder);
  ASSERT_TRUE(compiled) << compiled.error().message;
  EXPECT_EQ(compiled->tokenizer.encode("abbaX").value(),
            (std::vector<int32_t>{2, 1, 0})); // no unk: X vanishes
}

TEST_F(FolderTest, SaysWhichFileIsMissingOrBroken) {
  auto missing = importHuggingFaceTokenizer(folder);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("tokenizer.json: cannot open it"));
  write("tokenizer.model", "x");
  EXPECT_THAT(importHuggingFaceTokenizer(folder).error().message, HasSubstr("save_pretrained"));
  for (const char *content : {"{\"model\": ", "\xff", "nul"}) {
    write("tokenizer.json", content);
    EXPECT_THAT(importHuggingFaceTokenizer(folder).error().message, HasSubstr("not valid JSON")) << content;
  }
  write("tokenizer.json", "[]");
  EXPECT_THAT(importHuggingFaceTokenizer(folder).error().message, HasSubstr("not a JSON object"));
  write("tokenizer.json", std::string(100000, '['));
  EXPECT_THAT(importHuggingFaceTokenizer(folder).error().message, HasSubstr("nested 100000 deep"));
  EXPECT_EQ(refusal([](json &) {}), "accepted");
  write("tokenizer_config.json", "{");
  EXPECT_THAT(importHuggingFaceTokenizer(folder).error().message, HasSubstr("tokenizer_config.json"));
}

TEST_F(FolderTest, NamesWhatItDoesNotKnow) {
  EXPECT_THAT(refusal([](json &t) { t["model"]["type"] = "Unigram"; }), HasSubstr("model Unigram"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["end_of_word_suffix"] = "</w>"; }), HasSubstr("</w>"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["dropout"] = 0.1; }), HasSubstr("dropout"));
  EXPECT_THAT(refusal([](json &t) { t["normalizer"] = {{"type", "Nmt"}}; }), HasSubstr("Nmt"));
  EXPECT_THAT(refusal([](json &t) { t.erase("model"); }), HasSubstr("no \"model\""));
  EXPECT_THAT(refusal([](json &t) { t["model"].erase("merges"); }), HasSubstr("merges"));
}

TEST_F(FolderTest, ChecksIdsAndMerges) {
  EXPECT_THAT(refusal([](json &t) { t["model"]["vocab"]["c"] = -1; }), HasSubstr("\"c\" has no id"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["vocab"]["c"] = 1e9; }), HasSubstr("\"c\" has no id"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["vocab"]["c"] = 4000000000; }), HasSubstr("\"c\" has no id"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["vocab"]["c"] = 1; }), HasSubstr("the same id"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["merges"] = {"a c"}; }), HasSubstr("needs the token \"c\""));
  EXPECT_THAT(refusal([](json &t) { t["model"]["merges"] = {"b a"}; }), HasSubstr("needs the token \"ba\""));
  EXPECT_THAT(refusal([](json &t) { t["model"]["merges"] = {"a b c"}; }), HasSubstr("merge 0 is neither"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["merges"] = {3}; }), HasSubstr("merge 0 is neither"));
  EXPECT_THAT(refusal([](json &t) { t["model"]["unk_token"] = "?"; }), HasSubstr("unk_token"));
  EXPECT_THAT(refusal([](json &t) { t["added_tokens"] = {{{"id", 0}, {"content", "<x>"}}}; }),
              HasSubstr("has the id of \"a\""));
  EXPECT_THAT(refusal([](json &t) { t["added_tokens"] = {{{"id", 1 << 30}, {"content", "<x>"}}}; }),
              HasSubstr("1073741824"));
  EXPECT_THAT(refusal([](json &t) { t["added_tokens"] = {{{"content", "<x>"}}}; }),
              HasSubstr("\"id\" is missing"));
  EXPECT_THAT(refusal([](json &t) {
                t["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"x", 0}}, {"sep", {"y", 99}}};
              }),
              HasSubstr("token 99"));
}

/// Three tokens numbered to four million would take hundreds of megabytes.
TEST_F(FolderTest, RefusesHolesThatCostMemory) {
  EXPECT_EQ(refusal([](json &t) { t["model"]["vocab"]["c"] = 65000; }), "accepted");
  EXPECT_THAT(refusal([](json &t) { t["model"]["vocab"]["c"] = 4000000; }), HasSubstr("\"c\" has no id"));
  EXPECT_THAT(refusal([](json &t) { t["added_tokens"] = {{{"id", 4000000}, {"content", "<x>"}}}; }),
              HasSubstr("has the id 4000000; expected 0 to"));
}

TEST_F(FolderTest, ReadsNamesFromEitherFile) {
  EXPECT_EQ(refusal([](json &) {}), "accepted");
  write("tokenizer_config.json",
        R"({"bos_token": "a", "eos_token": null, "unk_token": {"content": "none"}})");
  write("special_tokens_map.json", R"({"bos_token": "b", "eos_token": {"content": "ab", "lstrip": false}})");
  auto compiled = compileFolder(folder);
  ASSERT_TRUE(compiled) << compiled.error().message;
  EXPECT_EQ(compiled->tokenizer.bos(), 0);
  EXPECT_EQ(compiled->tokenizer.eos(), 2);
  EXPECT_EQ(compiled->tokenizer.unk(), std::nullopt);
}

} // namespace
