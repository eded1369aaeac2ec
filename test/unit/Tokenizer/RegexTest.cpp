//===- RegexTest.cpp - Matching, its limits, and Oniguruma's dialect --------------------------===//

#include "runtime/tokenizer/Regex.h"
#include "lib/Import/Tokenizer/RegexTranslation.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::tokenizer;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// The texts that an Oniguruma pattern matches.
std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  auto translated = translateRegex(pattern);
  if (!translated)
    return {translated.error().message};
  auto regex = Regex::compile(*translated);
  if (!regex)
    return {regex.error().message};
  RegexScratch scratch;
  auto ranges = regex->findAll(text, scratch);
  if (!ranges)
    return {ranges.error().message};
  std::vector<std::string> found;
  for (Range range : *ranges)
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  return found;
}

TEST(RegexTest, FindsAllMatches) {
  EXPECT_THAT(matches("\\d+", "a12b3"), ElementsAre("12", "3"));
  EXPECT_THAT(matches("x*", "axb"), ElementsAre("", "x", "")); // none right behind the match "x"
  EXPECT_THAT(matches("(?=b)", "abb"), ElementsAre("", ""));
  EXPECT_THAT(matches("\\p{L}+", "Übergröße 你好"), ElementsAre("Übergröße", "你好"));
  EXPECT_THAT(matches("", "\u00e9"), ElementsAre("", "")); // not between the bytes of a character
}

TEST(RegexTest, SpeaksOnigurumasDialect) {
  EXPECT_THAT(matches("\\s+", "a \u00a0b\u180ec"), ElementsAre(" \u00a0"));
  EXPECT_THAT(matches("[^\\S\\n]", "a\tb\nc"), ElementsAre("\t"));
  EXPECT_THAT(matches("\\w+", "a\u0301_\u203f\u00bd"), ElementsAre("a\u0301_\u203f"));
  EXPECT_THAT(matches("[\\w-]+", "x-\u00e9 y"), ElementsAre("x-\u00e9", "y"));
  EXPECT_THAT(matches("\\h+", "xyz12FFg"), ElementsAre("12FF"));
  EXPECT_THAT(matches("^b$", "a\nb\nc"), ElementsAre("b"));
  EXPECT_THAT(matches("a.c", "a\nc abc"), ElementsAre("abc"));
  EXPECT_THAT(matches("\\p{Han}+", "\u4f60\u3001\u597d"),
              ElementsAre("\u4f60", "\u597d")); // U+3001 is only an extension
  EXPECT_THAT(matches("\\p{^L}|\\pN", "a1b"), ElementsAre("1"));
  EXPECT_THAT(matches("(?i:'LL)", "I'll"), ElementsAre("'ll"));
  EXPECT_THAT(matches("[[:alpha:]]+", "ab1"), ElementsAre("ab"));
}

TEST(RegexTest, RefusesWhatMeansSomethingElse) {
  auto refusal = [](const char *pattern) { return matches(pattern, "").front(); };
  EXPECT_THAT(refusal("[a-z&&[^x]]"), HasSubstr("not understood"));
  EXPECT_THAT(refusal("[a[bc]]"), HasSubstr("class inside a class"));
  EXPECT_THAT(refusal("a{1,3}+"), HasSubstr("{n,m}+"));
  EXPECT_THAT(refusal("(?m:a.b)"), HasSubstr("option"));
  EXPECT_THAT(refusal("a(?i)b|c"), HasSubstr("option"));
  EXPECT_THAT(refusal("\\bx"), HasSubstr("word boundary"));
  EXPECT_THAT(refusal("a\\Kb"), HasSubstr("\\K"));
  EXPECT_THAT(refusal("x\\"), HasSubstr("backslash"));
  EXPECT_THAT(refusal("(a"), HasSubstr("\"(a\" is wrong at byte 2"));
}

TEST(RegexTest, StopsInsteadOfHanging) {
  EXPECT_THAT(matches("(a+)+$|\\p{N}", std::string(64, 'a') + "b").front(), HasSubstr("gave up"));
}

TEST(RegexTest, TakesLongTexts) {
  std::string spaces(1 << 20, ' ');
  const char *gpt4 = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  EXPECT_EQ(matches(gpt4, spaces).size(), 1u);
  EXPECT_EQ(matches(gpt4, spaces + "x").size(), 2u);
  EXPECT_EQ(matches(gpt4, std::string(1 << 20, 'x')).size(), 1u);
  EXPECT_EQ(matches("(?:ab|c)+", std::string(1 << 20, 'c')).size(), 1u); // needs a stack; the limits allow it
}

} // namespace
