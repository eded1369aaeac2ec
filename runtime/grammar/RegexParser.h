//===- RegexParser.h - The regular expressions that are understood ------------------*- C++ -*-===//
//
// ECMA-262's syntax, as JSON schemas use it, less what no finite automaton expresses:
//   characters, . (all but line ends), [...] and [^...] with ranges, ^ and $ (start and end of the text),
//   \d \D \w \W \s \S, \n \r \t \f \v \0, \xHH, \uHHHH, \u{H...}, \x{H...}, \p{Lu} \P{L} (general
//   categories), \ before punctuation, (...), (?:...), (?<name>...), |, * + ? {n} {n,} {n,m}, each also lazy.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Expression.h"
#include "nibble/runtime/Result.h"

namespace nibble::grammar {

inline constexpr size_t longestPattern = 1 << 14;    // bytes
inline constexpr uint32_t deepestPattern = 100;      // groups in groups
inline constexpr uint32_t mostRepetitions = 100'000; // in {n,m}; what they unroll to is bounded in Dfa.h

/// Anything else is refused by name and position (in characters from 1).
Result<Expr> parseRegex(std::string_view pattern);

} // namespace nibble::grammar
