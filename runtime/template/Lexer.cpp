//===- Lexer.cpp - Tokens of a Jinja template -------------------------------------------------===//
//
// Two modes: text up to the next {{ {% {#, and code up to the closing brace, where brackets must balance so
// that the }} of a nested dict literal does not end an output.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Lexer.h"

#include "runtime/template/Text.h"

#include <algorithm>

namespace nibble::jinja {

namespace {

using Status = tl::expected<void, SourceError>;

class Lexer {
public:
  explicit Lexer(std::string_view source);
  tl::expected<std::vector<Token>, SourceError> run();

private:
  Status text();
  Status comment(size_t begin);
  Status raw(size_t begin);
  Status code(bool isBlock);
  Status codeToken();
  Status number();
  Status string();
  Status symbol();

  /// Emits the text before a tag at `tag`, stripped as the tag's sign and lstrip_blocks demand.
  void emitText(size_t begin, size_t tag, bool isOutput);
  /// If a block (or output) ends here, the position after it and what it trims; else npos.
  size_t endOfCode(bool isBlock) const;
  /// For `{% raw %}` at `at`: the position after it, else npos. The same for endraw.
  size_t matchWordTag(size_t at, std::string_view word) const;
  size_t skipSpace(size_t at) const;
  char peek(size_t at) const { return at < source.size() ? source[at] : '\0'; }
  bool startsWith(size_t at, std::string_view part) const { return source.substr(at, part.size()) == part; }
  void moveTo(size_t at);
  void emit(TokenKind kind, std::string value) { tokens.push_back({kind, std::move(value), line}); }
  tl::unexpected<SourceError> error(std::string message) const {
    return tl::unexpected<SourceError>(SourceError{line, std::move(message)});
  }

  std::string storage;
  std::string_view source;
  std::vector<Token> tokens;
  std::string brackets; // closers that are still due
  size_t position = 0;
  int line = 1;
  bool lineStarts = true; // the previous token ended with a newline, or there was none
};

} // namespace

Lexer::Lexer(std::string_view text) {
  storage.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\r')
      storage += text[i];
    else if (i + 1 >= text.size() || text[i + 1] != '\n')
      storage += '\n';
  if (!storage.empty() && storage.back() == '\n')
    storage.pop_back();
  source = storage;
}

void Lexer::moveTo(size_t at) {
  at = std::min(at, source.size());
  line += static_cast<int>(std::count(source.begin() + position, source.begin() + at, '\n'));
  if (at > position)
    lineStarts = source[at - 1] == '\n';
  position = at;
}

size_t Lexer::skipSpace(size_t at) const {
  while (at < source.size()) {
    CodePoint c = decode(source, at);
    if (!isSpace(c.value))
      break;
    at += c.size;
  }
  return at;
}

size_t Lexer::matchWordTag(size_t at, std::string_view word) const {
  if (!startsWith(at, "{%"))
    return std::string_view::npos;
  at += 2;
  if (peek(at) == '-' || peek(at) == '+')
    ++at;
  at = skipSpace(at);
  if (!startsWith(at, word))
    return std::string_view::npos;
  at = skipSpace(at + word.size());
  if (startsWith(at, "-%}"))
    return skipSpace(at + 3);
  if (word == "raw")
    return startsWith(at, "%}") ? at + 2 : std::string_view::npos;
  if (startsWith(at, "+%}"))
    return at + 3;
  if (!startsWith(at, "%}"))
    return std::string_view::npos;
  return at + (peek(at + 2) == '\n' ? 3 : 2);
}

void Lexer::emitText(size_t begin, size_t tag, bool isOutput) {
  std::string_view before = source.substr(begin, tag - begin);
  char sign = peek(tag + 2);
  if (sign == '-') {
    before = strip(before, Side::Right);
  } else if (sign != '+' && !isOutput) {
    size_t lineBegin = before.rfind('\n') + 1; // npos + 1 is 0
    if ((lineBegin > 0 || lineStarts) && strip(before.substr(lineBegin), Side::Left).empty())
      before = before.substr(0, lineBegin);
  }
  if (!before.empty())
    emit(TokenKind::Text, std::string(before));
}

Status Lexer::text() {
  size_t begin = position, tag = begin;
  for (;; ++tag) {
    tag = source.find('{', tag);
    char kind = tag == std::string_view::npos ? '\0' : peek(tag + 1);
    if (tag == std::string_view::npos || kind == '{' || kind == '%' || kind == '#')
      break;
  }
  if (tag == std::string_view::npos) {
    emit(TokenKind::Text, std::string(source.substr(begin)));
    moveTo(source.size());
    return {};
  }
  char kind = peek(tag + 1);
  emitText(begin, tag, kind == '{');
  if (size_t after = matchWordTag(tag, "raw"); after != std::string_view::npos) {
    moveTo(after);
    return raw(after);
  }
  size_t after = tag + 2;
  if (peek(after) == '-' || peek(after) == '+')
    ++after;
  moveTo(after);
  if (kind == '#')
    return comment(after);
  emit(kind == '%' ? TokenKind::BlockBegin : TokenKind::OutputBegin, "");
  return code(kind == '%');
}

Status Lexer::comment(size_t begin) {
  if (begin >= source.size()) // jinja2 accepts a comment that opens at the very end
    return {};
  size_t end = source.find("#}", begin);
  if (end == std::string_view::npos)
    return error("a comment is not closed: expected '#}'");
  char sign = end > begin ? source[end - 1] : '\0';
  size_t after = end + 2;
  if (sign == '-')
    after = skipSpace(after);
  else if (sign != '+' && peek(after) == '\n')
    ++after;
  moveTo(after);
  return {};
}

Status Lexer::raw(size_t begin) {
  if (begin >= source.size())
    return {};
  for (size_t tag = source.find("{%", begin); tag != std::string_view::npos;
       tag = source.find("{%", tag + 1)) {
    size_t after = matchWordTag(tag, "endraw");
    if (after == std::string_view::npos)
      continue;
    emitText(begin, tag, false);
    moveTo(after);
    return {};
  }
  return error("a raw block is not closed: expected '{% endraw %}'");
}

size_t Lexer::endOfCode(bool isBlock) const {
  std::string_view close = isBlock ? "%}" : "}}";
  if (peek(position) == '-' && startsWith(position + 1, close))
    return skipSpace(position + 3);
  if (isBlock && peek(position) == '+' && startsWith(position + 1, close))
    return position + 3;
  if (!startsWith(position, close))
    return std::string_view::npos;
  return position + (isBlock && peek(position + 2) == '\n' ? 3 : 2);
}

Status Lexer::code(bool isBlock) {
  brackets.clear();
  while (position < source.size()) {
    if (brackets.empty()) {
      if (size_t after = endOfCode(isBlock); after != std::string_view::npos) {
        emit(isBlock ? TokenKind::BlockEnd : TokenKind::OutputEnd, "");
        moveTo(after);
        return {};
      }
    }
    if (size_t after = skipSpace(position); after != position)
      moveTo(after);
    else if (Status status = codeToken(); !status)
      return status;
  }
  return {}; // the parser reports the end of the template
}

Status Lexer::codeToken() {
  char c = source[position];
  bool digit = c >= '0' && c <= '9';
  if (digit)
    return number();
  if (c == '"' || c == '\'')
    return string();
  size_t end = position;
  while (end < source.size()) {
    CodePoint point = decode(source, end);
    if (!isWord(point.value))
      break;
    end += point.size;
  }
  if (end == position)
    return symbol();
  emit(TokenKind::Name, std::string(source.substr(position, end - position)));
  moveTo(end);
  return {};
}

/// Digits with single underscores between them, as in 1_000.
static size_t digitsEnd(std::string_view source, size_t at, const char *digits) {
  auto isDigit = [&](size_t i) {
    return i < source.size() && source[i] != '\0' &&
           std::string_view(digits).find(source[i]) != std::string_view::npos;
  };
  while (isDigit(at) || (at < source.size() && source[at] == '_' && isDigit(at + 1)))
    ++at;
  return at;
}

Status Lexer::number() {
  static constexpr const char *decimal = "0123456789";
  size_t whole = digitsEnd(source, position, decimal), end = whole;
  bool afterDot = position > 0 && source[position - 1] == '.'; // x.1.2 is two subscripts
  if (!afterDot) {
    if (peek(end) == '.') {
      size_t fraction = digitsEnd(source, end + 1, decimal);
      if (peek(end + 1) != '_' && fraction > end + 1)
        end = fraction;
    }
    if (peek(end) == 'e' || peek(end) == 'E') {
      size_t exponent = end + 1;
      if (peek(exponent) == '+' || peek(exponent) == '-')
        ++exponent;
      size_t after = digitsEnd(source, exponent, decimal);
      if (peek(exponent) != '_' && after > exponent)
        end = after;
    }
  }
  TokenKind kind = end > whole ? TokenKind::Float : TokenKind::Integer;
  if (kind == TokenKind::Integer && source[position] == '0') {
    char base = peek(position + 1) | 0x20;
    const char *digits = base == 'x'   ? "0123456789abcdefABCDEF"
                         : base == 'o' ? "01234567"
                         : base == 'b' ? "01"
                                       : "";
    if (size_t after = digitsEnd(source, position + 2, digits); *digits && after > position + 2)
      end = after;
    else // a leading zero stands alone
      end = digitsEnd(source, position, "0");
  }
  std::string value(source.substr(position, end - position));
  std::erase(value, '_');
  emit(kind, std::move(value));
  moveTo(end);
  return {};
}

/// Reads up to `count` digits of `base` at `at` into `value`; returns how many there were.
static size_t readDigits(std::string_view text, size_t at, size_t count, int base, int32_t &value) {
  size_t read = 0;
  for (value = 0; read < count && at + read < text.size(); ++read) {
    char c = text[at + read];
    int digit = c >= '0' && c <= '9'                     ? c - '0'
                : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                         : 99;
    if (digit >= base)
      break;
    value = static_cast<int32_t>(static_cast<uint32_t>(value) * base + digit);
  }
  return read;
}

Status Lexer::string() {
  char quote = source[position];
  std::string value;
  size_t at = position + 1;
  while (at < source.size() && source[at] != quote) {
    char c = source[at++];
    if (c != '\\') {
      value += c;
      continue;
    }
    if (at >= source.size())
      break;
    char escape = source[at++];
    static constexpr std::string_view letters = "abfnrtv\\'\"", meanings = "\a\b\f\n\r\t\v\\'\"";
    size_t known = letters.find(escape);
    if (known != std::string_view::npos) {
      value += meanings[known];
    } else if (escape == 'x' || escape == 'u' || escape == 'U') {
      size_t wanted = escape == 'x' ? 2 : escape == 'u' ? 4 : 8;
      int32_t code = 0;
      size_t read = readDigits(source, at, wanted, 16, code);
      if (read < wanted || code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return error(std::string("the escape \\") + escape + " needs " + std::to_string(wanted) +
                     " hexadecimal digits that name a character");
      encode(code, value);
      at += wanted;
    } else if (escape >= '0' && escape <= '7') {
      int32_t code = 0;
      size_t read = readDigits(source, at - 1, 3, 8, code);
      encode(code, value);
      at += read - 1;
    } else if (escape != '\n') { // an escaped line end disappears, an unknown escape stays
      value += '\\';
      value += escape;
    }
  }
  if (at >= source.size())
    return error(std::string("a string is not closed: expected ") + quote);
  emit(TokenKind::String, std::move(value));
  moveTo(at + 1);
  return {};
}

Status Lexer::symbol() {
  static constexpr std::string_view doubles[] = {"//", "**", "==", "!=", ">=", "<="};
  size_t size = 1;
  for (std::string_view two : doubles)
    if (startsWith(position, two))
      size = 2;
  std::string_view symbol = source.substr(position, size);
  char c = symbol[0];
  if (size == 1 && std::string_view("+-*/%~[](){}<>=.:|,;").find(c) == std::string_view::npos)
    return error("unexpected character '" +
                 std::string(source.substr(position, decode(source, position).size)) + "'");
  if (c == '(' || c == '[' || c == '{')
    brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
  if (c == ')' || c == ']' || c == '}') {
    if (brackets.empty())
      return error(std::string("unexpected '") + c + "'");
    if (brackets.back() != c)
      return error(std::string("unexpected '") + c + "', expected '" + brackets.back() + "'");
    brackets.pop_back();
  }
  emit(TokenKind::Operator, std::string(symbol));
  moveTo(position + size);
  return {};
}

tl::expected<std::vector<Token>, SourceError> Lexer::run() {
  while (position < source.size())
    if (Status status = text(); !status)
      return tl::unexpected(status.error());
  emit(TokenKind::End, "");
  return std::move(tokens);
}

tl::expected<std::vector<Token>, SourceError> tokenize(std::string_view source) {
  return Lexer(source).run();
}

} // namespace nibble::jinja
