//===- Text.cpp - Python's str on UTF-8 -------------------------------------------------------===//
//
// Unicode's properties come from utf8proc; the few letters whose upper case is several letters are listed
// here.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Text.h"

#include <algorithm>
#include <cstring>
#include <utf8proc.h>

namespace nibble::jinja {

CodePoint decode(std::string_view text, size_t at) {
  auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80)
    return {first, 1};
  utf8proc_int32_t value = -1;
  auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t *>(text.data() + at),
                               static_cast<utf8proc_ssize_t>(std::min<size_t>(4, text.size() - at)), &value);
  if (size <= 0)
    return {-1, 1};
  return {value, static_cast<uint32_t>(size)};
}

void encode(int32_t codePoint, std::string &out) {
  utf8proc_uint8_t bytes[4];
  auto size = utf8proc_encode_char(codePoint, bytes);
  out.append(reinterpret_cast<const char *>(bytes), static_cast<size_t>(size));
}

bool isAscii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

size_t length(std::string_view text) {
  if (isAscii(text))
    return text.size();
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += decode(text, at).size)
    ++count;
  return count;
}

size_t byteOffset(std::string_view text, size_t character) {
  size_t at = 0;
  for (; character > 0 && at < text.size(); --character)
    at += decode(text, at).size;
  return at;
}

bool isSpace(int32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

static bool isLetter(utf8proc_category_t category) {
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool isWord(int32_t c) {
  if (c < 0)
    return false;
  auto category = utf8proc_category(c);
  return c == '_' || isLetter(category) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

bool isPrintable(int32_t c) {
  if (c == ' ')
    return true;
  if (c < 0)
    return false;
  auto category = utf8proc_category(c);
  return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

static bool inSet(std::string_view chars, std::string_view character) {
  for (size_t at = 0; at < chars.size();) {
    size_t size = decode(chars, at).size;
    if (chars.substr(at, size) == character)
      return true;
    at += size;
  }
  return false;
}

/// The byte where the last character of a text that is not empty begins.
static size_t lastCharacter(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(4, text.size()); ++back) {
    CodePoint c = decode(text, text.size() - back);
    if (c.value >= 0)
      return c.size == back ? text.size() - back : text.size() - 1;
  }
  return text.size() - 1;
}

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> chars) {
  auto removable = [&](std::string_view character) {
    return chars ? inSet(*chars, character) : isSpace(decode(character, 0).value);
  };
  while (side != Side::Right && !text.empty()) {
    size_t size = decode(text, 0).size;
    if (!removable(text.substr(0, size)))
      break;
    text.remove_prefix(size);
  }
  while (side != Side::Left && !text.empty()) {
    size_t at = lastCharacter(text);
    if (!removable(text.substr(at)))
      break;
    text = text.substr(0, at);
  }
  return text;
}

struct Expansion {
  int32_t from;
  const char *upper;
  const char *title;
};

/// Letters whose upper case is more than one letter (Unicode's SpecialCasing, the unconditional Latin part).
static constexpr Expansion expansions[] = {
    {0xdf, "SS", "Ss"},     {0x149, "\u02bcN", "\u02bcN"}, {0x1f0, "J\u030c", "J\u030c"},
    {0xfb00, "FF", "Ff"},   {0xfb01, "FI", "Fi"},          {0xfb02, "FL", "Fl"},
    {0xfb03, "FFI", "Ffi"}, {0xfb04, "FFL", "Ffl"},        {0xfb05, "ST", "St"},
    {0xfb06, "ST", "St"},
};

static void appendUpper(int32_t c, bool title, std::string &out) {
  for (const Expansion &expansion : expansions)
    if (expansion.from == c) {
      out += title ? expansion.title : expansion.upper;
      return;
    }
  encode(title ? utf8proc_totitle(c) : utf8proc_toupper(c), out);
}

static bool isCased(int32_t c) {
  if (c < 0)
    return false;
  auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

/// Marks and signs that do not separate letters into words (Unicode's Case_Ignorable).
static bool isCaseIgnorable(int32_t c) {
  if (c < 0)
    return false;
  auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 ||
         c == 0x55f || c == 0x5f4 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 ||
         c == 0xfe13 || c == 0xfe52 || c == 0xfe55 || c == 0xff07 || c == 0xff0e || c == 0xff1a;
}

/// A capital sigma ends a word in lower case where a letter precedes it and none follows.
static bool isFinalSigma(std::string_view text, size_t at) {
  std::string_view before = text.substr(0, at), after = text.substr(at + 2);
  while (!before.empty() && isCaseIgnorable(decode(before, lastCharacter(before)).value))
    before = before.substr(0, lastCharacter(before));
  while (!after.empty() && isCaseIgnorable(decode(after, 0).value))
    after.remove_prefix(decode(after, 0).size);
  return !before.empty() && isCased(decode(before, lastCharacter(before)).value) &&
         (after.empty() || !isCased(decode(after, 0).value));
}

std::string convertCase(std::string_view text, Case to) {
  std::string out;
  out.reserve(text.size());
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = decode(text, at);
    if (c.value < 0) {
      out += text[at];
      inWord = false;
    } else {
      bool upper = to == Case::Upper || (to == Case::Title && !inWord) ||
                   (to == Case::Capitalize && at == 0) || (to == Case::Swap && utf8proc_islower(c.value));
      if (upper)
        appendUpper(c.value, to == Case::Title || to == Case::Capitalize, out);
      else if (c.value == 0x3a3 && isFinalSigma(text, at))
        encode(0x3c2, out);
      else if (c.value == 0x130)
        out += "i\u0307";
      else
        encode(utf8proc_tolower(c.value), out);
      inWord = isCased(c.value);
    }
    at += c.size;
  }
  return out;
}

std::vector<std::string_view> splitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = decode(text, at);
    bool ends = (c.value >= 10 && c.value <= 13) || (c.value >= 0x1c && c.value <= 0x1e) || c.value == 0x85 ||
                c.value == 0x2028 || c.value == 0x2029;
    size_t next = at + c.size;
    if (ends) {
      lines.push_back(text.substr(begin, at - begin));
      if (c.value == '\r' && next < text.size() && text[next] == '\n')
        ++next;
      begin = next;
    }
    at = next;
  }
  if (begin < text.size())
    lines.push_back(text.substr(begin));
  return lines;
}

size_t findText(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size())
    return std::string_view::npos;
  const void *found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found ? static_cast<size_t>(static_cast<const char *>(found) - text.data()) : std::string_view::npos;
}

size_t countOccurrences(std::string_view text, std::string_view part) {
  if (part.empty())
    return length(text) + 1;
  size_t count = 0;
  for (size_t at = findText(text, part); at != std::string_view::npos;
       at = findText(text, part, at + part.size()))
    ++count;
  return count;
}

Result<Value> replaceAll(Heap &heap, std::string_view text, std::string_view from, std::string_view to,
                         size_t limit) {
  TextBuilder out(heap);
  size_t at = 0;
  if (from.empty()) { // before every character and at the end
    for (; limit > 0 && !out.full(); --limit) {
      out.append(to);
      if (at == text.size())
        break;
      size_t size = decode(text, at).size;
      out.append(text.substr(at, size));
      at += size;
    }
  } else {
    for (; limit > 0 && !out.full(); --limit) {
      size_t found = findText(text, from, at);
      if (found == std::string_view::npos)
        break;
      out.append(text.substr(at, found - at));
      out.append(to);
      at = found + from.size();
    }
  }
  out.append(text.substr(at));
  return out.finish();
}

static Result<Value> splitBySpace(Heap &heap, std::string_view text, size_t limit, bool fromRight) {
  std::vector<std::string_view> words;
  std::string_view rest = strip(text, fromRight ? Side::Right : Side::Left);
  while (!rest.empty()) {
    NIBBLE_CHECK(heap.require((words.size() + 1) * sizeof(std::string_view)));
    if (words.size() == limit) { // what is left keeps its inner space, and its outer one on the far side
      words.push_back(rest);
      break;
    }
    if (fromRight) {
      size_t begin = rest.size();
      while (begin > 0) {
        size_t at = lastCharacter(rest.substr(0, begin));
        if (isSpace(decode(rest, at).value))
          break;
        begin = at;
      }
      words.push_back(rest.substr(begin));
      rest = strip(rest.substr(0, begin), Side::Right);
    } else {
      size_t end = 0;
      while (end < rest.size() && !isSpace(decode(rest, end).value))
        end += decode(rest, end).size;
      words.push_back(rest.substr(0, end));
      rest = strip(rest.substr(end), Side::Left);
    }
  }
  if (fromRight)
    std::reverse(words.begin(), words.end());
  ListBuilder list(heap);
  for (std::string_view word : words)
    NIBBLE_CHECK(list.pushText(word));
  return list.finish();
}

Result<Value> split(Heap &heap, std::string_view text, std::optional<std::string_view> separator,
                    size_t limit, bool fromRight) {
  if (!separator)
    return splitBySpace(heap, text, limit, fromRight);
  if (separator->empty())
    return failure("empty separator");
  if (fromRight)
    NIBBLE_CHECK(heap.spend(1 + text.size() / 64 * separator->size()));
  std::vector<std::string_view> parts;
  std::string_view rest = text;
  while (parts.size() < limit) {
    NIBBLE_CHECK(heap.require((parts.size() + 1) * sizeof(std::string_view)));
    size_t at = fromRight ? rest.rfind(*separator) : findText(rest, *separator);
    if (at == std::string_view::npos)
      break;
    parts.push_back(fromRight ? rest.substr(at + separator->size()) : rest.substr(0, at));
    rest = fromRight ? rest.substr(0, at) : rest.substr(at + separator->size());
  }
  parts.push_back(rest);
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  ListBuilder list(heap);
  for (std::string_view part : parts)
    NIBBLE_CHECK(list.pushText(part));
  return list.finish();
}

} // namespace nibble::jinja
