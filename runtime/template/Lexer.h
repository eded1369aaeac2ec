//===- Lexer.h - Tokens of a Jinja template -----------------------------------------*- C++ -*-===//
//
// White space control happens here: trim_blocks (a block or comment eats the newline after it), lstrip_blocks
// (and the blanks before it on its line), and the signs in {%- -%} {%+ +%}. One newline at the end of a file
// is dropped.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <string>
#include <string_view>
#include <vector>

namespace nibble::jinja {

enum class TokenKind {
  Text,
  OutputBegin,
  OutputEnd,
  BlockBegin,
  BlockEnd,
  Name,
  Integer,
  Float,
  String,
  Operator,
  End
};

struct Token {
  TokenKind kind;
  std::string text; // of a String: its value, escapes resolved
  int line;
};

struct SourceError {
  int line;
  std::string message;
};

tl::expected<std::vector<Token>, SourceError> tokenize(std::string_view source);

} // namespace nibble::jinja
