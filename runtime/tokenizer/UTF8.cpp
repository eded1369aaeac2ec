//===- UTF8.cpp - Bytes and characters --------------------------------------------------------===//

#include "UTF8.h"
#include <algorithm>
#include <utf8proc.h>

using namespace nibble::tokenizer;

Sequence nibble::tokenizer::scanSequence(std::string_view text, size_t at) {
  if (at >= text.size())
    return {0, false, false};
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  unsigned char lead = byte(0);
  if (lead < 0x80)
    return {1, true, false};
  if (lead < 0xc2 || lead > 0xf4)
    return {1, false, false};
  // The second byte's range excludes overlong forms, surrogates and what is beyond U+10FFFF (Unicode, table
  // 3-7).
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  auto length = static_cast<uint32_t>(characterLength(text[at]));
  for (uint32_t i = 1; i < length; ++i) {
    if (at + i >= text.size())
      return {i, false, true};
    if (byte(i) < low || byte(i) > high)
      return {i, false, false};
    low = 0x80;
    high = 0xbf;
  }
  return {length, true, false};
}

bool nibble::tokenizer::isValidUTF8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Sequence sequence = scanSequence(text, at);
    if (!sequence.valid)
      return false;
    at += sequence.length;
  }
  return true;
}

void nibble::tokenizer::appendValid(std::string &out, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Sequence sequence = scanSequence(text, at);
    out += sequence.valid ? text.substr(at, sequence.length) : replacementCharacter;
    at += sequence.length;
  }
}

size_t nibble::tokenizer::unfinishedBytes(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte >= 0xc0)
      return scanSequence(text, text.size() - back).cut ? back : 0;
    if (byte < 0x80)
      return 0;
  }
  return 0;
}

/// The code point that valid `text` begins with.
static int32_t decodeFirst(std::string_view text) {
  utf8proc_int32_t codePoint = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &codePoint);
  return codePoint;
}

/// Where the last character of valid `text`, which is not empty, begins.
static size_t lastCharacter(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
    --at;
  return at;
}

static bool isSpace(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

static bool isWord(int32_t c) {
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default: // zero-width joiners, and the circled and squared letters, which are symbols and yet Alphabetic
    return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
  }
}

size_t nibble::tokenizer::leadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && isSpace(decodeFirst(text.substr(at))))
    at += characterLength(text[at]);
  return at;
}

size_t nibble::tokenizer::trailingSpace(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t last = lastCharacter(rest);
    if (!isSpace(decodeFirst(rest.substr(last))))
      break;
    rest = rest.substr(0, last);
  }
  return text.size() - rest.size();
}

bool nibble::tokenizer::beginsWithWord(std::string_view text) {
  return !text.empty() && isWord(decodeFirst(text));
}

bool nibble::tokenizer::endsWithWord(std::string_view text) {
  return !text.empty() && isWord(decodeFirst(text.substr(lastCharacter(text))));
}
