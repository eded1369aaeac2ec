//===- CodePoints.cpp - Sets of characters ----------------------------------------------------===//

#include "CodePoints.h"
#include <algorithm>
#include <utf8proc.h>

using namespace nibble::grammar;

static constexpr uint32_t firstSurrogate = 0xd800, lastSurrogate = 0xdfff;

void CodePointSet::add(uint32_t first, uint32_t last) {
  last = std::min(last, lastCodePoint);
  if (first <= lastSurrogate && last >= firstSurrogate) {
    if (first < firstSurrogate)
      add(first, firstSurrogate - 1);
    if (last > lastSurrogate)
      add(lastSurrogate + 1, last);
    return;
  }
  if (first > last)
    return;
  parts.push_back({first, last});
  normal = false;
}

void CodePointSet::add(const CodePointSet &other) {
  parts.insert(parts.end(), other.parts.begin(), other.parts.end());
  normal = false;
}

void CodePointSet::normalize() const {
  if (normal)
    return;
  std::ranges::sort(parts, {}, &Range::first);
  size_t kept = 0;
  for (const Range range : parts)
    if (kept && range.first <= parts[kept - 1].last + 1)
      parts[kept - 1].last = std::max(parts[kept - 1].last, range.last);
    else
      parts[kept++] = range;
  parts.resize(kept);
  normal = true;
}

const std::vector<CodePointSet::Range> &CodePointSet::ranges() const & {
  normalize();
  return parts;
}

CodePointSet CodePointSet::complement() const {
  CodePointSet result;
  uint32_t next = 0;
  for (const Range &range : ranges()) {
    if (range.first > next)
      result.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= lastCodePoint)
    result.add(next, lastCodePoint);
  return result;
}

CodePointSet CodePointSet::intersect(const CodePointSet &other) const {
  CodePointSet result;
  const auto &left = ranges(), &right = other.ranges();
  for (size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    result.add(std::max(left[i].first, right[j].first), std::min(left[i].last, right[j].last));
    left[i].last < right[j].last ? ++i : ++j;
  }
  return result;
}

CodePointSet CodePointSet::without(const CodePointSet &other) const { return intersect(other.complement()); }

std::optional<CodePointSet> nibble::grammar::generalCategory(std::string_view name) {
  // In the order of utf8proc_category_t.
  static constexpr std::string_view names[] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd",
                                               "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
                                               "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  uint32_t wanted = 0; // bit i: category i
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name || (name.size() == 1 && names[i].starts_with(name)))
      wanted |= 1u << i;
  if (!wanted)
    return std::nullopt;
  CodePointSet set;
  uint32_t begin = 0;
  bool inside = false;
  for (uint32_t c = 0; c <= lastCodePoint + 1; ++c) {
    bool in = c <= lastCodePoint && (wanted >> utf8proc_category(static_cast<int32_t>(c)) & 1);
    if (in && !inside)
      begin = c;
    if (!in && inside)
      set.add(begin, c - 1);
    inside = in;
  }
  return set;
}

std::optional<uint32_t> nibble::grammar::nextCodePoint(std::string_view text, size_t &at) {
  int32_t codePoint;
  auto *bytes = reinterpret_cast<const utf8proc_uint8_t *>(text.data()) + at;
  auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &codePoint);
  if (length <= 0 || codePoint < 0)
    return std::nullopt;
  at += static_cast<size_t>(length);
  return static_cast<uint32_t>(codePoint);
}

void nibble::grammar::appendUTF8(std::string &out, uint32_t codePoint) {
  utf8proc_uint8_t bytes[4];
  auto length = utf8proc_encode_char(static_cast<int32_t>(codePoint), bytes);
  out.append(reinterpret_cast<const char *>(bytes), static_cast<size_t>(length));
}

bool nibble::grammar::isUTF8(std::string_view text) {
  for (size_t at = 0; at < text.size();)
    if (!nextCodePoint(text, at))
      return false;
  return true;
}
