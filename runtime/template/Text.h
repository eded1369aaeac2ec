//===- Text.h - Python's str on UTF-8 -----------------------------------------------*- C++ -*-===//
//
// Lengths and indices count code points, case and white space follow Unicode, as in Python. A byte that is
// not part of valid UTF-8 counts as one character and is kept as it is.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble::jinja {

struct CodePoint {
  int32_t value; // -1 for a byte that is not UTF-8
  uint32_t size; // bytes
};

/// The code point at byte `at`, which is inside of `text`.
CodePoint decode(std::string_view text, size_t at);
void encode(int32_t codePoint, std::string &out);

size_t length(std::string_view text);
bool isAscii(std::string_view text);
/// The byte where the character of this index begins; text.size() past the end.
size_t byteOffset(std::string_view text, size_t character);

bool isSpace(int32_t codePoint);
bool isWord(int32_t codePoint); // letters, digits and _
bool isPrintable(int32_t codePoint);

enum class Side { Left, Right, Both };
/// Removes white space, or the characters of `chars`, from the ends.
std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> chars = {});

enum class Case { Upper, Lower, Title, Capitalize, Swap };
std::string convertCase(std::string_view text, Case to);

/// Lines without their ends; a final line end opens no further line.
std::vector<std::string_view> splitLines(std::string_view text);

/// std::string_view::find in linear time, whatever the texts are.
size_t findText(std::string_view text, std::string_view part, size_t from = 0);

/// How often `part` occurs without overlap; length + 1 for the empty one.
size_t countOccurrences(std::string_view text, std::string_view part);

/// str.replace; at most `limit` times.
Result<Value> replaceAll(Heap &heap, std::string_view text, std::string_view from, std::string_view to,
                         size_t limit);

/// str.split and str.rsplit: by white space where there is no separator, which must not be empty.
Result<Value> split(Heap &heap, std::string_view text, std::optional<std::string_view> separator,
                    size_t limit, bool fromRight);

} // namespace nibble::jinja
