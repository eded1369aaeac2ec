//===- JsonScanner.h - JSON that comes byte by byte ---------------------------------*- C++ -*-===//
//
// Tells at each byte whether what came so far is the beginning of a JSON value, the whole of it, or nothing
// that JSON allows. It keeps no text: a few bytes of state however long the value is.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nibble::server {

/// Follows one value by the grammar of RFC 8259, to a depth of `maxDepth`. Bytes above 0x7f pass in strings.
class JsonScanner {
public:
  static constexpr size_t maxDepth = 256;

  enum class Step : uint8_t {
    More,       // the byte fits, and more must come
    Done,       // the byte fits, and ends the value
    DoneBefore, // the value (a number) ended before this byte, which is not part of it
    Broken,     // the byte does not fit
  };
  /// Nothing may be fed behind Done, DoneBefore or Broken.
  Step feed(char byte);

private:
  enum class State : uint8_t {
    Value,
    FirstElement, // of an array, or its end
    FirstKey,     // of an object, or its end
    Key,
    Colon,
    AfterValue,
    String,
    Escape,
    Hex,
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    Literal,
  };

  Step beginValue(char byte);
  Step number(char byte);
  /// A value inside of the innermost container, or the outermost one, is complete.
  Step endValue();
  Step endNumber(char byte);

  State state = State::Value;
  bool isKey = false;    // the string that is read
  int hexDigits = 0;     // left of \uXXXX
  const char *rest = ""; // of a literal
  std::string open;      // '{' or '[', outermost first
};

} // namespace nibble::server
