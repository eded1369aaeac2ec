//===- UTF8Test.cpp - Bytes and characters, by Unicode's tables -------------------------------===//

#include "runtime/tokenizer/UTF8.h"
#include <gtest/gtest.h>

using namespace nibble::tokenizer;

namespace {

std::string mended(std::string_view text) {
  std::string out;
  appendValid(out, text);
  return out;
}

TEST(UTF8Test, KnowsWhatIsValid) {
  EXPECT_TRUE(isValidUTF8(""));
  EXPECT_TRUE(isValidUTF8("a\u00e9\u4f60\U0010ffff"));
  EXPECT_TRUE(isValidUTF8(std::string_view("\0", 1)));
  EXPECT_FALSE(isValidUTF8("\x80"));
  EXPECT_FALSE(isValidUTF8("\xc0\xaf"));         // overlong '/'
  EXPECT_FALSE(isValidUTF8("\xe0\x9f\xbf"));     // overlong
  EXPECT_FALSE(isValidUTF8("\xed\xa0\x80"));     // a surrogate
  EXPECT_FALSE(isValidUTF8("\xf4\x90\x80\x80")); // beyond U+10FFFF
  EXPECT_FALSE(isValidUTF8("\xe4\xbd"));
}

TEST(UTF8Test, ReplacesAsUnicodeRecommends) {
  // The example of the Unicode Standard, table 3-8, with a final "b" for the one after the truncated
  // sequences.
  EXPECT_EQ(mended("a\xf1\x80\x80\xe1\x80\xc2"
                   "b\x80"
                   "c\x80\xbf"
                   "d"),
            "a\ufffd\ufffd\ufffdb\ufffdc\ufffd\ufffdd");
  EXPECT_EQ(mended("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(mended("\xf0\x9f\xa6"), "\ufffd");
}

TEST(UTF8Test, FindsTheUnfinishedEnd) {
  EXPECT_EQ(unfinishedBytes(""), 0u);
  EXPECT_EQ(unfinishedBytes("abc"), 0u);
  EXPECT_EQ(unfinishedBytes("a\xc3"), 1u);
  EXPECT_EQ(unfinishedBytes("a\u00e9"), 0u);
  EXPECT_EQ(unfinishedBytes("a\xe4\xbd"), 2u);
  EXPECT_EQ(unfinishedBytes("a\xf0\x9f\xa6"), 3u);
  EXPECT_EQ(unfinishedBytes("a\U0001f999"), 0u);
  EXPECT_EQ(unfinishedBytes("\x80\x80\x80\x80"), 0u); // nothing that anything could finish
  EXPECT_EQ(unfinishedBytes("\xff"), 0u);
}

TEST(UTF8Test, KnowsSpaceAndWords) {
  EXPECT_EQ(leadingSpace(" \t\u3000x "), 5u);
  EXPECT_EQ(trailingSpace("x \u2028"), 4u);
  EXPECT_EQ(leadingSpace("\u200bx"), 0u); // a zero-width space is no White_Space
  EXPECT_EQ(leadingSpace("\u180ex"), 0u);
  EXPECT_EQ(trailingSpace("  "), 2u);
  EXPECT_TRUE(beginsWithWord("_"));
  EXPECT_TRUE(beginsWithWord("\u0301")); // a combining mark
  EXPECT_TRUE(endsWithWord("x\u4f60"));
  EXPECT_TRUE(endsWithWord("3"));
  EXPECT_FALSE(endsWithWord("\u00bd")); // a fraction is no letter, mark or decimal digit
  EXPECT_FALSE(endsWithWord("x."));
  EXPECT_FALSE(beginsWithWord(""));
}

} // namespace
