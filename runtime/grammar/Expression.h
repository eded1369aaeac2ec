//===- Expression.h - Regular expressions as trees ----------------------------------*- C++ -*-===//
//
// Over characters, not bytes: how a character is spelled (plainly, or inside of a JSON string) is decided
// when a tree becomes an automaton (Dfa.h). Users' patterns, formats, numbers and literal text all pass
// through here.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "CodePoints.h"
#include <memory>
#include <string_view>
#include <vector>

namespace nibble::grammar {

struct Expression;
using Expr = std::shared_ptr<const Expression>;

inline constexpr uint32_t unbounded = UINT32_MAX; // of a repetition

struct Expression {
  enum class Kind {
    Class,    // one character of `set`; nothing at all where the set is empty
    Sequence, // `parts`, one behind the other; empty: the empty text
    Choice,   // one of `parts`
    Repeat,   // parts[0], `least` to `most` times
    Begin,    // only where the text begins
    End,      // only where it ends
  };
  Kind kind;
  CodePointSet set = {};
  std::vector<Expr> parts = {};
  uint32_t least = 0, most = 0;
};

Expr oneOf(CodePointSet set);
/// `text` must be UTF-8.
Expr literal(std::string_view text);
/// The characters from `first` to `last`, which are ASCII.
Expr range(char first, char last);
Expr sequence(std::vector<Expr> parts);
Expr choice(std::vector<Expr> parts);
Expr repeat(Expr part, uint32_t least, uint32_t most = unbounded);
Expr optional(Expr part);
Expr begin();
Expr end();

} // namespace nibble::grammar
