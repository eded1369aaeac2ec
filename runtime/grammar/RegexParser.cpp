//===- RegexParser.cpp - The regular expressions that are understood --------------------------===//

#include "RegexParser.h"
#include <map>

using namespace nibble;
using namespace nibble::grammar;

namespace {

constexpr uint32_t atEnd = UINT32_MAX; // no character

CodePointSet digits() { return {'0', '9'}; }

CodePointSet wordCharacters() {
  CodePointSet set = digits();
  set.add('a', 'z');
  set.add('A', 'Z');
  set.add('_', '_');
  return set;
}

CodePointSet lineEnds() {
  CodePointSet set('\n', '\n');
  set.add('\r', '\r');
  set.add(0x2028, 0x2029);
  return set;
}

CodePointSet whiteSpace() { // ECMA-262's WhiteSpace and LineTerminator
  CodePointSet set = lineEnds();
  for (uint32_t c : {0x09, 0x0b, 0x0c, 0x20, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff})
    set.add(c, c);
  set.add(0x2000, 0x200a);
  return set;
}

class Parser {
public:
  explicit Parser(std::vector<uint32_t> text) : text(std::move(text)) {}

  Result<Expr> parse() {
    NIBBLE_TRY(Expr expression, alternatives());
    if (peek() == ')')
      return refuse("this ) closes no group");
    return expression;
  }

private:
  std::vector<uint32_t> text; // code points
  size_t at = 0;
  uint32_t depth = 0;
  std::map<std::string, CodePointSet> categories;

  uint32_t peek(size_t ahead = 0) const { return at + ahead < text.size() ? text[at + ahead] : atEnd; }
  bool take(uint32_t c) {
    if (peek() != c)
      return false;
    ++at;
    return true;
  }
  bool lookingAt(std::string_view ahead) const {
    for (size_t i = 0; i < ahead.size(); ++i)
      if (peek(i) != static_cast<unsigned char>(ahead[i]))
        return false;
    return true;
  }

  tl::unexpected<Error> refuse(const std::string &what) const { return refuseAt(at, what); }
  tl::unexpected<Error> refuseAt(size_t where, const std::string &what) const {
    return failure("regular expression, character " + std::to_string(where + 1) + ": " + what);
  }

  Result<Expr> alternatives() {
    std::vector<Expr> branches;
    do {
      std::vector<Expr> parts;
      while (peek() != atEnd && peek() != '|' && peek() != ')') {
        NIBBLE_TRY(Expr part, quantified());
        parts.push_back(std::move(part));
      }
      branches.push_back(sequence(std::move(parts)));
    } while (take('|'));
    return choice(std::move(branches));
  }

  Result<Expr> quantified() {
    size_t start = at;
    NIBBLE_TRY(Expr part, atom());
    uint32_t least = 0, most = unbounded;
    if (take('*')) {
    } else if (take('+')) {
      least = 1;
    } else if (take('?')) {
      most = 1;
    } else {
      NIBBLE_TRY(bool counted, bounds(least, most));
      if (!counted)
        return part;
    }
    if (part->kind == Expression::Kind::Begin || part->kind == Expression::Kind::End)
      return refuseAt(start, "an anchor cannot be repeated");
    take('?'); // lazy: the same texts
    if (peek() == '+')
      return refuse("possessive quantifiers are not supported");
    if (peek() == '*' || peek() == '?')
      return refuse("a quantifier behind a quantifier; put the part in a group");
    return repeat(std::move(part), least, most);
  }

  /// {n}, {n,} or {n,m}; any other { is an ordinary character.
  Result<bool> bounds(uint32_t &least, uint32_t &most) {
    size_t start = at;
    auto number = [&](uint32_t &value) {
      size_t from = at;
      uint64_t sum = 0;
      for (; peek() >= '0' && peek() <= '9'; ++at)
        sum = std::min<uint64_t>(sum * 10 + (peek() - '0'), UINT32_MAX - 1);
      value = static_cast<uint32_t>(sum);
      return at > from;
    };
    if (!take('{'))
      return false;
    bool good = number(least);
    most = least;
    if (good && take(',') && !number(most))
      most = unbounded;
    if (!good || !take('}')) {
      at = start;
      return false;
    }
    if (least > mostRepetitions || (most != unbounded && most > mostRepetitions))
      return refuseAt(start, "repeats more than " + std::to_string(mostRepetitions) + " times");
    if (most < least)
      return refuseAt(start, "the bounds of the repetition are in the wrong order");
    return true;
  }

  Result<Expr> atom() {
    size_t start = at;
    uint32_t c = text[at++];
    switch (c) {
    case '^':
      return begin();
    case '$':
      return end();
    case '.':
      return oneOf(lineEnds().complement());
    case '(':
      return group(start);
    case '[': {
      NIBBLE_TRY(CodePointSet set, bracket(start));
      return oneOf(std::move(set));
    }
    case '\\': {
      NIBBLE_TRY(CodePointSet set, escape(start, false));
      return oneOf(std::move(set));
    }
    case '*':
    case '+':
    case '?':
      return refuseAt(start, "there is nothing to repeat");
    default:
      return oneOf({c, c});
    }
  }

  Result<Expr> group(size_t start) {
    if (++depth > deepestPattern)
      return refuseAt(start, "groups are nested more than " + std::to_string(deepestPattern) + " deep");
    if (peek() == '*')
      return refuseAt(start, "verbs such as (*UTF) are not supported");
    if (take('?')) {
      if (lookingAt("=") || lookingAt("!"))
        return refuseAt(start, "look-ahead is not supported");
      if (lookingAt("<=") || lookingAt("<!"))
        return refuseAt(start, "look-behind is not supported");
      if (lookingAt(">"))
        return refuseAt(start, "atomic groups are not supported");
      if (lookingAt("P<") || lookingAt("<")) {
        take('P');
        while (peek() != atEnd && peek() != '>')
          ++at;
        if (!take('>'))
          return refuseAt(start, "the name of the group has no end");
      } else if (!take(':')) {
        return refuseAt(start, "this kind of group (flags, conditions, recursion) is not supported");
      }
    }
    NIBBLE_TRY(Expr inside, alternatives());
    if (!take(')'))
      return refuseAt(start, "this ( is never closed");
    --depth;
    return inside;
  }

  static bool isOne(const CodePointSet &set, uint32_t &c) {
    if (set.ranges().size() != 1 || set.ranges()[0].first != set.ranges()[0].last)
      return false;
    c = set.ranges()[0].first;
    return true;
  }

  Result<CodePointSet> classMember() {
    size_t start = at;
    uint32_t c = text[at++];
    if (c == '\\')
      return escape(start, true);
    if (c == '[' && (peek() == ':' || peek() == '=' || peek() == '.'))
      return refuseAt(start, "POSIX classes such as [:alpha:] are not supported");
    return CodePointSet(c, c);
  }

  Result<CodePointSet> bracket(size_t start) {
    bool negated = take('^');
    if (peek() == ']')
      return refuseAt(start, "an empty class; write \\] for a ] in a class");
    CodePointSet set;
    while (!take(']')) {
      if (peek() == atEnd)
        return refuseAt(start, "this [ is never closed");
      size_t from = at;
      NIBBLE_TRY(CodePointSet member, classMember());
      if (peek() == '-' && peek(1) != ']' && peek(1) != atEnd) {
        ++at;
        NIBBLE_TRY(CodePointSet last, classMember());
        uint32_t low, high;
        if (!isOne(member, low) || !isOne(last, high))
          return refuseAt(from, "a range between classes; put the - last");
        if (low > high)
          return refuseAt(from, "the ends of the range are in the wrong order");
        member = CodePointSet(low, high);
      }
      set.add(member);
    }
    return negated ? set.complement() : set;
  }

  static int hexDigit(uint32_t c) {
    if (c >= '0' && c <= '9')
      return static_cast<int>(c - '0');
    if (c >= 'a' && c <= 'f')
      return static_cast<int>(c - 'a' + 10);
    return c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A' + 10) : -1;
  }

  /// Hexadecimal digits: exactly `count`, or between braces.
  Result<uint32_t> hex(size_t start, uint32_t count) {
    bool braces = take('{');
    uint32_t value = 0, length = 0;
    for (; (braces || length < count) && hexDigit(peek()) >= 0 && value <= lastCodePoint; ++at, ++length)
      value = value * 16 + static_cast<uint32_t>(hexDigit(peek()));
    if (braces ? length == 0 || !take('}') : length != count)
      return refuseAt(start, "expected " + std::string(braces ? "hexadecimal digits and }"
                                                              : "two (\\x) or "
                                                                "four (\\u) "
                                                                "hexadecimal "
                                                                "digits"));
    if (value > lastCodePoint)
      return refuseAt(start, "is beyond U+10FFFF");
    return value;
  }

  Result<CodePointSet> unicode(size_t start) {
    NIBBLE_TRY(uint32_t value, hex(start, 4));
    if (value >= 0xd800 && value < 0xdc00 && lookingAt("\\u")) {
      at += 2;
      NIBBLE_TRY(uint32_t low, hex(start, 4));
      if (low >= 0xdc00 && low < 0xe000)
        value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    }
    if (value >= 0xd800 && value < 0xe000)
      return refuseAt(start, "half of a surrogate pair is no character");
    return CodePointSet(value, value);
  }

  Result<CodePointSet> category(size_t start, bool negated) {
    std::string name;
    if (take('{')) {
      while (peek() != atEnd && peek() != '}' && name.size() < 40)
        appendUTF8(name, text[at++]);
      if (!take('}'))
        return refuseAt(start, "the name of the property has no end");
    } else if (peek() != atEnd) {
      appendUTF8(name, text[at++]);
    }
    for (std::string_view prefix : {"gc=", "General_Category="})
      if (name.starts_with(prefix))
        name.erase(0, prefix.size());
    auto known = categories.find(name);
    if (known == categories.end()) {
      auto set = generalCategory(name);
      if (!set)
        return refuseAt(start, "\\p{" + name + "} is not a general category (L, Lu, Nd, ...); others " +
                                   "are not supported");
      known = categories.emplace(name, std::move(*set)).first;
    }
    return negated ? known->second.complement() : known->second;
  }

  Result<CodePointSet> escape(size_t start, bool inClass) {
    if (peek() == atEnd)
      return refuseAt(start, "a \\ at the end");
    uint32_t c = text[at++];
    auto one = [](uint32_t code) { return CodePointSet(code, code); };
    switch (c) {
    case 'd':
      return digits();
    case 'D':
      return digits().complement();
    case 'w':
      return wordCharacters();
    case 'W':
      return wordCharacters().complement();
    case 's':
      return whiteSpace();
    case 'S':
      return whiteSpace().complement();
    case 'n':
      return one('\n');
    case 'r':
      return one('\r');
    case 't':
      return one('\t');
    case 'f':
      return one('\f');
    case 'v':
      return one('\v');
    case 'x': {
      NIBBLE_TRY(uint32_t value, hex(start, 2));
      if (value >= 0xd800 && value < 0xe000)
        return refuseAt(start, "half of a surrogate pair is no character");
      return one(value);
    }
    case 'u':
      return unicode(start);
    case 'p':
    case 'P':
      return category(start, c == 'P');
    case 'b':
      if (inClass)
        return one('\b');
      [[fallthrough]];
    case 'B':
      return refuseAt(start, "word boundaries (\\b, \\B) are not supported");
    case '0':
      if (peek() < '0' || peek() > '9')
        return one(0);
      return refuseAt(start, "octal escapes are not supported; write \\x");
    }
    if (c >= '1' && c <= '9')
      return refuseAt(start, "back-references are not supported");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
      return refuseAt(start, std::string("the escape \\") + static_cast<char>(c) + " is not supported");
    return one(c);
  }
};

} // namespace

Result<Expr> nibble::grammar::parseRegex(std::string_view pattern) {
  if (pattern.size() > longestPattern)
    return failure("regular expression: has " + std::to_string(pattern.size()) + " bytes; at most " +
                   std::to_string(longestPattern) + " are read");
  std::vector<uint32_t> text;
  for (size_t at = 0; at < pattern.size();) {
    auto codePoint = nextCodePoint(pattern, at);
    if (!codePoint)
      return failure("regular expression, character " + std::to_string(text.size() + 1) +
                     ": is not valid UTF-8");
    text.push_back(*codePoint);
  }
  return Parser(std::move(text)).parse();
}
