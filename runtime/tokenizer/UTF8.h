//===- UTF8.h - Bytes and characters ------------------------------------------------*- C++ -*-===//
//
// What the tokenizer needs to know of UTF-8 and Unicode's white space and word characters.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nibble::tokenizer {

/// What is at a position of a text: a character, or bytes that one U+FFFD stands for (the longest run that
/// begins a character, as the Unicode Standard 3.9 recommends).
struct Sequence {
  uint32_t length; // bytes; 0 at the end of the text
  bool valid;
  bool cut; // not valid only because the text ends here
};
Sequence scanSequence(std::string_view text, size_t at);

bool isValidUTF8(std::string_view text);
/// Appends `text` with U+FFFD for what is not UTF-8.
void appendValid(std::string &out, std::string_view text);
/// The number of bytes at the end of `text` that begin a character and do not finish it: 0 to 3.
size_t unfinishedBytes(std::string_view text);

/// The length of the character that begins with `lead`, in valid UTF-8.
inline size_t characterLength(char lead) {
  auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// The bytes of white space (Unicode's White_Space) that valid `text` begins or ends with.
size_t leadingSpace(std::string_view text);
size_t trailingSpace(std::string_view text);

/// Whether valid `text` begins or ends with a character of words (letters, marks, digits, connectors).
bool beginsWithWord(std::string_view text);
bool endsWithWord(std::string_view text);

inline constexpr std::string_view replacementCharacter = "\xef\xbf\xbd";

} // namespace nibble::tokenizer
