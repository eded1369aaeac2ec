//===- JsonScannerTest.cpp - Where a JSON value ends, and where it breaks ---------------------===//
//
// Whole texts are judged by nlohmann's parser, an implementation of its own.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/server/JsonScanner.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

using nibble::server::JsonScanner;
using Step = JsonScanner::Step;

namespace {

struct Scan {
  Step last = Step::More;
  size_t bytes = 0; // that belong to the value
};

Scan scan(std::string_view text) {
  JsonScanner scanner;
  Scan result;
  for (char byte : text) {
    result.last = scanner.feed(byte);
    if (result.last == Step::DoneBefore || result.last == Step::Broken)
      return result;
    ++result.bytes;
    if (result.last == Step::Done)
      return result;
  }
  return result;
}

TEST(JsonScanner, EndsWhereTheValueEnds) {
  for (std::string_view text :
       {R"({})", R"([])", R"({"a": [1, -2.5e+3, 0, 0.1, 1E9], "b": {"c": "}]\"\\\u00e9"}, "d": null})",
        R"("x")", "true", "[[[]], {}]", " \n\t[false]"}) {
    auto result = scan(std::string(text) + "}");
    EXPECT_EQ(result.last, Step::Done) << text;
    EXPECT_EQ(result.bytes, text.size()) << text;
  }
  for (std::string_view text : {"0", "-7", "12.5", "1e5", "3E-2"}) {
    auto result = scan(std::string(text) + ",");
    EXPECT_EQ(result.last, Step::DoneBefore) << text;
    EXPECT_EQ(result.bytes, text.size()) << text;
  }
}

TEST(JsonScanner, BreaksAtTheByteThatDoesNotFit) {
  std::pair<std::string_view, size_t> cases[] = {
      {"{a", 1},        {"{\"a\"}", 4}, {"{\"a\":1,}", 7}, {"[1,]", 3},      {"[1}", 2},
      {"{\"a\":1]", 6}, {"\"\n\"", 1},  {"\"\\x\"", 2},    {"\"\\u12g4", 5}, {"[01]", 2},
      {"[-]", 2},       {"[1.]", 3},    {"[1e]", 3},       {"[1e+]", 4},     {"[trux", 4},
      {"[+1]", 1},      {"['a']", 1},   {"{,", 1},         {"[1 2]", 3},     {"}", 0},
  };
  for (auto [text, at] : cases) {
    auto result = scan(text);
    EXPECT_EQ(result.last, Step::Broken) << text;
    EXPECT_EQ(result.bytes, at) << text;
  }
}

TEST(JsonScanner, DepthIsBounded) {
  EXPECT_EQ(scan(std::string(JsonScanner::maxDepth, '[')).last, Step::More);
  EXPECT_EQ(scan(std::string(JsonScanner::maxDepth + 1, '[')).last, Step::Broken);
}

TEST(JsonScanner, AgreesWithAParserOnDamagedTexts) {
  const std::string seed = R"({"a":[1,-2.5e3,"x\n\"",true,null,{}],"b":{"c":"\u00e9"}})";
  const std::string alphabet = "{}[]\",:\\0123.eE+-tfnul ax";
  std::mt19937 random(1);
  int valid = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (unsigned damage = random() % 3 + 1; damage; --damage) {
      size_t at = random() % text.size();
      char byte = alphabet[random() % alphabet.size()];
      if (random() % 2)
        text[at] = byte;
      else if (random() % 2)
        text.insert(at, 1, byte);
      else
        text.erase(at, 1);
    }
    auto result = scan(text);
    bool ours = result.last == Step::Done && result.bytes == text.size();
    bool theirs = nlohmann::json::accept(text) && (text.front() == '{');
    valid += theirs;
    if (text.front() == '{')
      ASSERT_EQ(ours, theirs) << text;
  }
  EXPECT_GT(valid, 100);
}

} // namespace
