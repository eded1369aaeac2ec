//===- CodePoints.h - Sets of characters --------------------------------------------*- C++ -*-===//
//
// What a character class of a regular expression stands for: Unicode scalar values, as sorted ranges.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble::grammar {

inline constexpr uint32_t lastCodePoint = 0x10ffff;

/// Surrogates are never in a set: they are no characters, and UTF-8 cannot spell them.
class CodePointSet {
public:
  struct Range {
    uint32_t first, last; // both inside
    bool operator==(const Range &) const = default;
  };

  CodePointSet() = default;
  CodePointSet(uint32_t first, uint32_t last) { add(first, last); }
  static CodePointSet all() { return {0, lastCodePoint}; }

  void add(uint32_t first, uint32_t last);
  void add(const CodePointSet &other);
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet &other) const;
  CodePointSet intersect(const CodePointSet &other) const;

  /// Sorted, disjoint, not touching.
  const std::vector<Range> &ranges() const &;
  std::vector<Range> ranges() && { return static_cast<const CodePointSet &>(*this).ranges(); }
  bool empty() const { return parts.empty(); }

private:
  void normalize() const;
  mutable std::vector<Range> parts;
  mutable bool normal = true;
};

/// The characters of a Unicode general category, "L" or "Lu" (names as in \p{...}); none for other names.
std::optional<CodePointSet> generalCategory(std::string_view name);

/// The character at `at`, which moves behind it; none where the text is not UTF-8.
std::optional<uint32_t> nextCodePoint(std::string_view text, size_t &at);
void appendUTF8(std::string &out, uint32_t codePoint);
bool isUTF8(std::string_view text);

} // namespace nibble::grammar
