//===- Numbers.h - Numbers of a range, as automata ----------------------------------*- C++ -*-===//
//
// JSON numbers are compared digit by digit, in exact decimal arithmetic. So that a model cannot write digits
// for ever, and every number is the same in the double-precision floats of whoever reads it, they are
// bounded: 18 digits of an integer, 15 of a fraction and 2 of an exponent; 15 significant ones where a bound
// is set.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Dfa.h"

namespace nibble::grammar {

/// A decimal number without an exponent: no leading zeros, no trailing zeros of the fraction.
struct Decimal {
  bool negative = false;
  std::string whole, fraction; // digits; both empty for zero

  bool isZero() const { return whole.empty() && fraction.empty(); }
  /// From a JSON number. None where it has more than 40 digits before or behind the point: `huge` or tiny.
  static std::optional<Decimal> parse(std::string_view text);
  /// How the magnitudes compare: -1, 0 or 1.
  static int compareMagnitudes(const Decimal &a, const Decimal &b);
};

struct NumberForm {
  struct Bound {
    Decimal value;
    bool exclusive;
    bool operator<(const Bound &other) const;
  };
  bool integer = false;
  std::vector<Bound> lower, upper;
  std::vector<Decimal> multiples; // positive
};

/// None where no number is left. Bounds apply in exact decimal arithmetic; no exponent where there are any.
Result<std::optional<Dfa>> compileNumber(const NumberForm &form, Budget &budget);

} // namespace nibble::grammar
