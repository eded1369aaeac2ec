//===- Numbers.cpp - Numbers of a range, as automata ------------------------------------------===//

#include "Numbers.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

static constexpr uint32_t integerDigits = 18, fractionDigits = 15, exponentDigits = 2;
static constexpr uint32_t significantDigits = 15; // that a double keeps
static constexpr uint64_t largestMultiple = 2000; // states of its automaton

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal result;
  size_t at = 0;
  if (text.starts_with('-')) {
    result.negative = true;
    ++at;
  }
  auto isDigit = [&] { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  std::string digits;
  int64_t point = 0; // digits before the point
  for (; isDigit(); ++at, ++point)
    digits += text[at];
  if (at < text.size() && text[at] == '.')
    for (++at; isDigit(); ++at)
      digits += text[at];
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    bool minus = at + 1 < text.size() && text[at + 1] == '-';
    at += at + 1 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+') ? 2 : 1;
    int64_t exponent = 0;
    for (; isDigit(); ++at)
      exponent = std::min<int64_t>(exponent * 10 + (text[at] - '0'), 10000);
    point += minus ? -exponent : exponent;
  }
  size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, zeros);
  point -= static_cast<int64_t>(zeros);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.empty())
    return Decimal();
  if (point > 40 || point < -40)
    return std::nullopt;
  if (point < 0) {
    digits.insert(0, static_cast<size_t>(-point), '0');
    point = 0;
  }
  if (digits.size() < static_cast<size_t>(point))
    digits.append(static_cast<size_t>(point) - digits.size(), '0');
  result.whole = digits.substr(0, static_cast<size_t>(point));
  result.fraction = digits.substr(static_cast<size_t>(point));
  if (result.fraction.size() > 40)
    return std::nullopt;
  return result;
}

int Decimal::compareMagnitudes(const Decimal &a, const Decimal &b) {
  auto sign = [](int order) { return order < 0 ? -1 : order > 0; };
  if (a.whole.size() != b.whole.size())
    return a.whole.size() < b.whole.size() ? -1 : 1;
  if (int order = a.whole.compare(b.whole))
    return sign(order);
  return sign(a.fraction.compare(b.fraction)); // no trailing zeros: as decimals compare
}

namespace {

Expr digit() { return range('0', '9'); }
Expr digits(uint32_t least = 0, uint32_t most = unbounded) { return repeat(digit(), least, most); }
Expr nothing() { return oneOf(CodePointSet()); }
Expr anyFraction() { return optional(sequence({literal("."), digits(1)})); }
Expr anyWhole() { return choice({literal("0"), sequence({range('1', '9'), digits()})}); }

Expr between(char first, char last) { return first <= last ? range(first, last) : nothing(); }

/// Digits that are above `bound` (or below), and then `anything`; or that begin like it, and then `equal`. Of
/// a whole number as many digits as the bound has, of which the first is at least `first`.
Expr tight(std::string_view bound, bool above, bool whole, char first, const Expr &anything,
           const Expr &equal) {
  Expr result = equal;
  for (size_t i = bound.size(); i-- > 0;) {
    char least = i == 0 ? first : '0';
    auto rest = static_cast<uint32_t>(whole ? bound.size() - i - 1 : 0);
    Expr strict = above ? between(static_cast<char>(bound[i] + 1), '9')
                        : between(least, static_cast<char>(bound[i] - 1));
    result = choice({sequence({std::move(strict), digits(rest, rest), anything}),
                     sequence({literal(bound.substr(i, 1)), std::move(result)})});
  }
  return result;
}

/// What may follow the whole part where that is the bound's: fractions at least, or above, the bound's.
Expr fractionFrom(const std::string &bound, bool exclusive) {
  Expr rest = exclusive ? sequence({digits(), range('1', '9'), digits()}) : digits();
  if (bound.empty())
    return exclusive ? sequence({literal("."), rest}) : anyFraction();
  return sequence({literal("."), tight(bound, true, false, '0', digits(), rest)});
}

/// Fractions at most, or below, the bound's; digits that are left out are zeros.
Expr fractionTo(const std::string &bound, bool exclusive) {
  Expr zeros = repeat(literal("0"), 0);
  if (bound.empty())
    return exclusive ? nothing() : optional(sequence({literal("."), repeat(literal("0"), 1)}));
  std::vector<Expr> ways{tight(bound, false, false, '0', digits(), exclusive ? nothing() : zeros)};
  for (size_t i = 1; i < bound.size(); ++i) // shorter ones that begin like the bound are below it
    ways.push_back(literal(bound.substr(0, i)));
  return optional(sequence({literal("."), choice(std::move(ways))}));
}

/// Magnitudes of at least (or above) a bound that is not negative.
Expr magnitudeFrom(const Decimal &bound, bool exclusive) {
  Expr fraction = fractionFrom(bound.fraction, exclusive);
  if (bound.whole.empty())
    return choice({sequence({literal("0"), std::move(fraction)}),
                   sequence({range('1', '9'), digits(), anyFraction()})});
  auto length = static_cast<uint32_t>(bound.whole.size());
  return choice({tight(bound.whole, true, true, '1', anyFraction(), fraction),
                 sequence({range('1', '9'), digits(length), anyFraction()})});
}

/// Magnitudes of at most (or below) a bound that is not negative.
Expr magnitudeTo(const Decimal &bound, bool exclusive) {
  Expr fraction = fractionTo(bound.fraction, exclusive);
  if (bound.whole.empty())
    return sequence({literal("0"), std::move(fraction)});
  auto length = static_cast<uint32_t>(bound.whole.size());
  std::vector<Expr> ways{tight(bound.whole, false, true, '1', anyFraction(), fraction),
                         sequence({literal("0"), anyFraction()})};
  if (length > 1)
    ways.push_back(sequence({range('1', '9'), digits(0, length - 2), anyFraction()}));
  return choice(std::move(ways));
}

Expr signedNumber(Expr positive, Expr negative) {
  return choice({std::move(positive), sequence({literal("-"), std::move(negative)})});
}

Expr any() { return sequence({anyWhole(), anyFraction()}); }

Expr from(const NumberForm::Bound &bound) {
  bool above = !bound.value.isZero() && !bound.value.negative;
  if (above)
    return magnitudeFrom(bound.value, bound.exclusive);
  Expr positive = bound.value.isZero() ? magnitudeFrom(bound.value, bound.exclusive) : any();
  return signedNumber(std::move(positive), magnitudeTo(bound.value, bound.exclusive));
}

Expr to(const NumberForm::Bound &bound) {
  if (bound.value.negative)
    return sequence({literal("-"), magnitudeFrom(bound.value, bound.exclusive)});
  Expr negative = bound.value.isZero() ? magnitudeFrom(bound.value, bound.exclusive) : any();
  return signedNumber(magnitudeTo(bound.value, bound.exclusive), std::move(negative));
}

/// The numbers that are multiples of `step`: states are remainders of the digits so far, which are all read
/// as one whole number; behind the point the value of a remainder depends on the digits that may follow.
Result<Dfa> multiplesOf(const Decimal &step) {
  uint64_t modulus = 0;
  for (char c : step.whole + step.fraction)
    if ((modulus = modulus * 10 + uint64_t(c - '0')) > largestMultiple)
      return failure("multiples of a number with more digits than " + std::to_string(largestMultiple) +
                     " are not supported");
  auto places = static_cast<uint32_t>(step.fraction.size());
  auto m = static_cast<uint32_t>(modulus);
  if (uint64_t(m) * (places + 1) > 20'000)
    return failure("multiples of a number with so many digits are not supported");
  Dfa dfa;
  dfa.classOf.fill(12);
  for (uint8_t d = 0; d < 10; ++d)
    dfa.classOf[size_t('0') + d] = d;
  dfa.classOf['-'] = 10;
  dfa.classOf['.'] = 11;
  dfa.classes = 13;
  // 0 the start, 1 behind the sign, then (places read, remainder).
  auto state = [&](uint32_t read, uint32_t remainder) {
    return static_cast<uint16_t>(2 + read * m + remainder);
  };
  uint32_t states = 2 + (places + 1) * m * 2;
  // The second half is behind the point, the first before it (places read: 0 only).
  auto behindPoint = [&](uint32_t read, uint32_t remainder) {
    return static_cast<uint16_t>(2 + (places + 1) * m + read * m + remainder);
  };
  dfa.next.assign(size_t(states) * dfa.classes, Dfa::dead);
  dfa.accepting.assign(states, 0);
  auto set = [&](uint16_t from, uint32_t column, uint16_t to) { dfa.next[from * dfa.classes + column] = to; };
  uint32_t scale = 1; // 10^places mod m
  std::vector<uint32_t> scales(places + 1);
  for (uint32_t p = 0; p <= places; ++p, scale = scale * 10 % m)
    scales[p] = scale % m;
  set(0, 10, 1);
  for (uint32_t d = 0; d < 10; ++d) {
    set(0, d, state(0, d % m));
    set(1, d, state(0, d % m));
  }
  for (uint32_t r = 0; r < m; ++r) {
    dfa.accepting[state(0, r)] = r * scales[places] % m == 0;
    set(state(0, r), 11, behindPoint(0, r));
    for (uint32_t d = 0; d < 10; ++d)
      set(state(0, r), d, state(0, (r * 10 + d) % m));
    for (uint32_t p = 0; p <= places; ++p) {
      dfa.accepting[behindPoint(p, r)] = r * scales[places - p] % m == 0;
      for (uint32_t d = 0; d < 10; ++d)
        if (p < places)
          set(behindPoint(p, r), d, behindPoint(p + 1, (r * 10 + d) % m));
        else if (d == 0)
          set(behindPoint(p, r), d, behindPoint(p, r));
    }
  }
  return dfa;
}

} // namespace

bool NumberForm::Bound::operator<(const Bound &other) const {
  if (value.negative != other.value.negative)
    return value.negative;
  int order = Decimal::compareMagnitudes(value, other.value);
  return value.negative ? order > 0 : order < 0;
}

/// The form of all numbers that are generated.
static Expr shapeOf(const NumberForm &form) {
  bool restricted = !form.lower.empty() || !form.upper.empty() || !form.multiples.empty();
  uint32_t whole = 1, fraction = fractionDigits;
  for (const auto *bounds : {&form.lower, &form.upper})
    for (const NumberForm::Bound &bound : *bounds)
      whole = std::max(whole, static_cast<uint32_t>(bound.value.whole.size()));
  if (restricted)
    fraction = whole < significantDigits ? significantDigits - whole : 1;
  Expr positive = choice({literal("0"), sequence({range('1', '9'), digits(0, integerDigits - 1)})});
  if (form.integer)
    return choice(
        {literal("0"), sequence({optional(literal("-")), range('1', '9'), digits(0, integerDigits - 1)})});
  std::vector<Expr> parts{optional(literal("-")), positive,
                          optional(sequence({literal("."), digits(1, fraction)}))};
  if (!restricted) {
    CodePointSet e('e', 'e'), sign('+', '+');
    e.add('E', 'E');
    sign.add('-', '-');
    parts.push_back(optional(sequence({oneOf(e), optional(oneOf(sign)), digits(1, exponentDigits)})));
  }
  return sequence(std::move(parts));
}

Result<std::optional<Dfa>> nibble::grammar::compileNumber(const NumberForm &form, Budget &budget) {
  NIBBLE_TRY(auto number, compile(shapeOf(form), Spelling::Plain, false, budget));
  auto restrict = [&](const Dfa &other) -> Result<void> {
    NIBBLE_TRY(number, intersect(*number, other, budget));
    return {};
  };
  for (int side = 0; side < 2; ++side)
    for (const NumberForm::Bound &bound : side ? form.upper : form.lower) {
      NIBBLE_TRY(auto within, compile(side ? to(bound) : from(bound), Spelling::Plain, false, budget));
      if (!number || !within)
        return std::optional<Dfa>();
      NIBBLE_CHECK(restrict(*within));
    }
  for (const Decimal &step : form.multiples) {
    NIBBLE_TRY(Dfa table, multiplesOf(step));
    NIBBLE_TRY(auto multiples, finish(std::move(table), budget));
    if (!number || !multiples)
      return std::optional<Dfa>();
    NIBBLE_CHECK(restrict(*multiples));
  }
  return number;
}
