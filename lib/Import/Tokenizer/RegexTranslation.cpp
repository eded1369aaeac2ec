//===- RegexTranslation.cpp - Oniguruma's dialect to PCRE2's ----------------------------------===//
//
// What differs: \s is Unicode's White_Space in Oniguruma (PCRE2 adds U+180E); \w there has marks and
// connector punctuation; \h is a hexadecimal digit; {n,m}+ repeats, where PCRE2 reads a possessive
// quantifier; classes nest and intersect ([a-z&&[^x]]); inline options differ in m and s; \p{Han} is the
// script, where PCRE2 means its extensions.
//
//===------------------------------------------------------------------------------------------===//

#include "RegexTranslation.h"
#include "runtime/tokenizer/Regex.h"
#include <algorithm>

using namespace nibble;

static constexpr std::string_view wordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

namespace {

struct Translator {
  std::string_view source;
  std::string out{};
  size_t at = 0;
  bool inClass = false;

  tl::unexpected<Error> refuse(const char *what) const {
    return failure("the regular expression \"" + std::string(source) + "\" uses " + what +
                   ", which is not understood");
  }
  bool follows(std::string_view text) const { return source.substr(at).starts_with(text); }

  /// \p{Name}: names of scripts are marked as such. Gives the length of what was read.
  size_t property() {
    size_t end = source.find('}', at);
    if (source.substr(at + 2, 1) != "{" || end == source.npos) { // \pL
      out += source.substr(at, 3);
      return std::min<size_t>(3, source.size() - at);
    }
    std::string_view name = source.substr(at + 3, end - at - 3);
    bool negated = name.starts_with('^');
    std::string script = "sc:" + std::string(name.substr(negated));
    bool isScript = tokenizer::Regex::compile("\\p{" + script + "}").has_value();
    ((out += source.substr(at, 3)) += negated ? "^" : "") +=
        isScript ? script : std::string(name.substr(negated));
    out += '}';
    return end + 1 - at;
  }

  Result<void> escape() {
    char c = at + 1 < source.size() ? source[at + 1] : '\0';
    size_t length = 2;
    switch (c) {
    case '\0':
      return refuse("a backslash at its end");
    case 's':
      out += "\\p{White_Space}";
      break;
    case 'S':
      out += "\\P{White_Space}";
      break;
    case 'w':
      (out += inClass ? "" : "[") += wordClass;
      out += inClass ? "" : "]";
      break;
    case 'W':
      if (inClass)
        return refuse("\\W inside a class");
      ((out += "[^") += wordClass) += "]";
      break;
    case 'h':
      out += inClass ? "0-9a-fA-F" : "[0-9a-fA-F]";
      break;
    case 'b':
    case 'B':
      if (!inClass)
        return refuse("a word boundary (\\b)");
      out += source.substr(at, length);
      break;
    case 'p':
    case 'P':
      length = property();
      break;
    case 'H':
    case 'K':
    case 'R':
    case 'X':
    case 'G':
    case 'C':
    case 'M':
    case 'y':
    case 'Y':
    case 'g':
    case 'k':
      return refuse((std::string("the escape \\") + c).c_str());
    default:
      out += source.substr(at, length);
      break;
    }
    at += length;
    return {};
  }

  /// `[` begins a class, or inside one a POSIX name.
  Result<void> openBracket() {
    if (inClass) {
      if (!follows("[:"))
        return refuse("a class inside a class");
      size_t end = source.find(":]", at);
      if (end == source.npos)
        return refuse("an unfinished class");
      out += source.substr(at, end + 2 - at);
      at = end + 2;
      return {};
    }
    inClass = true;
    size_t length = follows("[^") ? 2 : 1;
    out += source.substr(at, length);
    at += length;
    if (follows("]"))
      return refuse("an empty class");
    return {};
  }

  Result<void> group() {
    if (follows("(?")) {
      // (?i:…) means the same in both; m and s do not, and x changes what white space means.
      size_t end = source.find_first_of(":)=!<>", at);
      std::string_view options = source.substr(at + 2, end == source.npos ? 0 : end - at - 2);
      bool toTheEnd = end != source.npos && source[end] == ')' && !options.empty();
      if (toTheEnd || options.find_first_of("msxaPRdu&|(0123456789") != options.npos)
        return refuse("an option or a kind of group other than (?i:…), (?:…) and look-around");
    }
    out += source[at++];
    return {};
  }

  /// Copies a counted repetition and whatever makes it lazy; one more `+` would repeat it in Oniguruma.
  Result<void> braces() {
    size_t end = source.find('}', at);
    if (end != source.npos && source.substr(end + 1).starts_with('+'))
      return refuse("{n,m}+");
    out += source[at++];
    return {};
  }

  Result<std::string> run() {
    while (at < source.size()) {
      char c = source[at];
      if (c == '\\') {
        NIBBLE_CHECK(escape());
      } else if (c == '[') {
        NIBBLE_CHECK(openBracket());
      } else if (inClass && follows("&&")) {
        return refuse("an intersection of classes (&&)");
      } else if (!inClass && c == '(') {
        NIBBLE_CHECK(group());
      } else if (!inClass && c == '{') {
        NIBBLE_CHECK(braces());
      } else {
        if (c == ']')
          inClass = false;
        out += c;
        ++at;
      }
    }
    return std::move(out);
  }
};

} // namespace

Result<std::string> tokenizer::translateRegex(std::string_view oniguruma) {
  return Translator{oniguruma}.run();
}
