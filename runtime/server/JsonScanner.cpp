//===- JsonScanner.cpp - JSON that comes byte by byte -----------------------------------------===//
#include "runtime/server/JsonScanner.h"
#include <string_view>

namespace nibble::server {

static bool isSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }
static bool isDigit(char byte) { return byte >= '0' && byte <= '9'; }
static bool isHexDigit(char byte) {
  return isDigit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

JsonScanner::Step JsonScanner::endValue() {
  if (open.empty())
    return Step::Done;
  state = State::AfterValue;
  return Step::More;
}

JsonScanner::Step JsonScanner::endNumber(char byte) {
  if (open.empty())
    return Step::DoneBefore;
  state = State::AfterValue;
  return feed(byte);
}

JsonScanner::Step JsonScanner::beginValue(char byte) {
  switch (byte) {
  case '{':
  case '[':
    if (open.size() == maxDepth)
      return Step::Broken;
    open += byte;
    state = byte == '{' ? State::FirstKey : State::FirstElement;
    return Step::More;
  case '"':
    isKey = false;
    state = State::String;
    return Step::More;
  case '-':
    state = State::Minus;
    return Step::More;
  case '0':
    state = State::Zero;
    return Step::More;
  case 't':
  case 'f':
  case 'n':
    rest = byte == 't' ? "rue" : byte == 'f' ? "alse" : "ull";
    state = State::Literal;
    return Step::More;
  default:
    if (!isDigit(byte))
      return Step::Broken;
    state = State::Integer;
    return Step::More;
  }
}

JsonScanner::Step JsonScanner::number(char byte) {
  auto go = [&](State next) {
    state = next;
    return Step::More;
  };
  bool digit = isDigit(byte), exponent = byte == 'e' || byte == 'E';
  switch (state) {
  case State::Minus:
    return byte == '0' ? go(State::Zero) : digit ? go(State::Integer) : Step::Broken;
  case State::Zero:
  case State::Integer:
    if (byte == '.')
      return go(State::Point);
    if (exponent)
      return go(State::Exponent);
    return digit ? (state == State::Integer ? Step::More : Step::Broken) : endNumber(byte);
  case State::Point:
    return digit ? go(State::Fraction) : Step::Broken;
  case State::Fraction:
    return digit ? Step::More : exponent ? go(State::Exponent) : endNumber(byte);
  case State::Exponent:
    if (byte == '+' || byte == '-')
      return go(State::ExponentSign);
    [[fallthrough]];
  case State::ExponentSign:
    return digit ? go(State::ExponentDigits) : Step::Broken;
  default: // ExponentDigits
    return digit ? Step::More : endNumber(byte);
  }
}

JsonScanner::Step JsonScanner::feed(char byte) {
  bool space = isSpace(byte);
  switch (state) {
  case State::Value:
    return space ? Step::More : beginValue(byte);
  case State::FirstElement:
    if (space)
      return Step::More;
    if (byte != ']')
      return beginValue(byte);
    open.pop_back();
    return endValue();
  case State::FirstKey:
    if (byte == '}') {
      open.pop_back();
      return endValue();
    }
    [[fallthrough]];
  case State::Key:
    if (space)
      return Step::More;
    if (byte != '"')
      return Step::Broken;
    isKey = true;
    state = State::String;
    return Step::More;
  case State::Colon:
    if (space)
      return Step::More;
    state = State::Value;
    return byte == ':' ? Step::More : Step::Broken;
  case State::AfterValue:
    if (space)
      return Step::More;
    if (byte == ',') {
      state = open.back() == '{' ? State::Key : State::Value;
      return Step::More;
    }
    if (byte != (open.back() == '{' ? '}' : ']'))
      return Step::Broken;
    open.pop_back();
    return endValue();
  case State::String:
    if (byte == '\\') {
      state = State::Escape;
      return Step::More;
    }
    if (byte != '"')
      return static_cast<unsigned char>(byte) < 0x20 ? Step::Broken : Step::More;
    if (!isKey)
      return endValue();
    state = State::Colon;
    return Step::More;
  case State::Escape:
    if (byte == 'u') {
      hexDigits = 4;
      state = State::Hex;
      return Step::More;
    }
    state = State::String;
    return std::string_view("\"\\/bfnrt").find(byte) != std::string_view::npos ? Step::More : Step::Broken;
  case State::Hex:
    if (!isHexDigit(byte))
      return Step::Broken;
    if (--hexDigits == 0)
      state = State::String;
    return Step::More;
  case State::Literal:
    if (byte != *rest)
      return Step::Broken;
    return *++rest ? Step::More : endValue();
  default:
    return number(byte);
  }
}

} // namespace nibble::server
