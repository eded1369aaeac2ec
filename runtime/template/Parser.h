//===- Parser.h - From tokens to the syntax tree ------------------------------------*- C++ -*-===//
//
// The grammar and the precedences of Jinja 3.1 with its loop controls and transformers' generation blocks.
// Template inheritance, includes and imports are refused: a chat template is one text.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Lexer.h"
#include "runtime/template/Syntax.h"

namespace nibble::jinja {

/// Fills `program.body` and `program.names`.
tl::expected<void, SourceError> parseProgram(std::string_view source, Program &program);

} // namespace nibble::jinja
