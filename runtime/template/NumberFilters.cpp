//===- NumberFilters.cpp - Filters on numbers -------------------------------------------------===//
//
// int and float read text as Python does and fall back to a default; round rounds halves to even, on the
// exact binary value.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <charconv>
#include <cmath>

namespace nibble::jinja {

/// Longer texts are no numbers to us; converting them could take very long.
static constexpr size_t maxNumberLength = 4000;

std::optional<Integer> parseInteger(std::string_view text, int base) {
  text = strip(text, Side::Both);
  if (text.size() > maxNumberLength)
    return std::nullopt;
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+'))
    text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0') {
    char mark = static_cast<char>(text[1] | 0x20);
    int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == marked || base == 0)) {
      text.remove_prefix(text[2] == '_' ? 3 : 2);
      base = marked;
    }
  }
  if (base == 0)
    base = 10;
  Integer value = 0;
  bool afterDigit = false;
  for (char c : text) {
    if (c == '_' && afterDigit) {
      afterDigit = false;
      continue;
    }
    int digit = c >= '0' && c <= '9'                     ? c - '0'
                : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                         : 99;
    if (digit >= base || __builtin_mul_overflow(value, Integer(base), &value) ||
        __builtin_add_overflow(value, Integer(digit), &value))
      return std::nullopt;
    afterDigit = true;
  }
  if (!afterDigit)
    return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parseFloat(std::string_view text) {
  text = strip(text, Side::Both);
  if (text.size() > maxNumberLength)
    return std::nullopt;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    auto isDigit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_' && i > 0 && isDigit(i - 1) && isDigit(i + 1))
      continue;
    digits += text[i];
  }
  std::string_view rest = digits;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+'))
    rest.remove_prefix(1);
  std::string lower = convertCase(rest, Case::Lower);
  double value = 0;
  if (lower == "inf" || lower == "infinity") {
    value = HUGE_VAL;
  } else if (lower == "nan") {
    value = std::nan("");
  } else {
    if (rest.empty() || !((rest[0] >= '0' && rest[0] <= '9') || rest[0] == '.'))
      return std::nullopt;
    auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (end != rest.data() + rest.size() || status == std::errc::invalid_argument)
      return std::nullopt;
    if (status == std::errc::result_out_of_range)
      value = std::strtod(std::string(rest).c_str(), nullptr); // infinity or zero, as Python has it
  }
  return negative ? -value : value;
}

namespace {

using Bound = std::vector<std::optional<Value>>;

/// Towards zero, where it fits.
std::optional<Integer> truncated(double value) {
  if (!std::isfinite(value) || std::fabs(value) >= 0x1p126)
    return std::nullopt;
  return static_cast<Integer>(value);
}

Result<Value> toInteger(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "int", {"default", "base"}));
  NIBBLE_CHECK(evaluator.heap.spend(4 * input.weight()));
  NIBBLE_TRY(Integer base, integerOr(bound[1], 10, "base"));
  Value otherwise = bound[0].value_or(Value(0));
  if (const Missing *missing = input.asUndefined())
    return failure(missing->message);
  std::optional<Integer> value;
  if (input.isString()) {
    if (base != 0 && (base < 2 || base > 36))
      return otherwise;
    value = parseInteger(input.string(), static_cast<int>(base));
    if (!value)
      if (std::optional<double> number = parseFloat(input.string()))
        value = truncated(*number);
  } else if (input.isNumber()) {
    value = input.isFloat() ? truncated(input.number()) : input.integer();
  }
  return value ? Value(*value) : otherwise;
}

Result<Value> toFloat(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "float", {"default"}));
  NIBBLE_CHECK(evaluator.heap.spend(4 * input.weight()));
  if (const Missing *missing = input.asUndefined())
    return failure(missing->message);
  if (input.isNumber())
    return Value(input.number());
  if (input.isString())
    if (std::optional<double> value = parseFloat(input.string()))
      return Value(*value);
  return bound[0].value_or(Value(0.0));
}

Result<void> mustBeNumber(const Value &value, std::string_view filter) {
  if (const Missing *missing = value.asUndefined())
    return failure(missing->message);
  if (!value.isNumber())
    return failure(std::string(filter) + " needs a number, not " + value.typeName());
  return {};
}

Result<Value> absolute(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "abs", {}));
  NIBBLE_CHECK(mustBeNumber(input, "abs"));
  if (input.isFloat())
    return Value(std::fabs(input.number()));
  return input.integer() < 0 ? evaluator.binary("-", Value(0), input) : Value(input.integer());
}

/// round(value, digits) of a float: correctly rounded in decimal, halves to even.
double roundDecimal(double value, int digits) {
  if (!std::isfinite(value) || digits > 330)
    return value;
  if (digits < -310)
    return std::copysign(0.0, value);
  if (digits < 0) {
    double unit = std::pow(10.0, -digits);
    return std::nearbyint(value / unit) * unit;
  }
  char text[800];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return std::strtod(text, nullptr);
}

Result<Value> round(Evaluator &, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "round", {"precision", "method"}));
  NIBBLE_TRY(Integer precision, integerOr(bound[0], 0, "precision"));
  NIBBLE_CHECK(mustBeNumber(input, "round"));
  std::string_view method = bound[1] && bound[1]->isString() ? bound[1]->string() : "common";
  int digits = static_cast<int>(std::clamp<Integer>(precision, -400, 400));
  if (method == "common") {
    if (input.isFloat())
      return Value(roundDecimal(input.number(), digits));
    if (digits >= 0)
      return Value(input.integer());
    Integer unit = 1; // halves to even, as Python rounds integers
    for (int i = 0; i < -digits; ++i)
      if (__builtin_mul_overflow(unit, Integer(10), &unit))
        return Value(0);
    Integer value = input.integer(), remainder = ((value % unit) + unit) % unit, down = value - remainder;
    bool up = remainder > unit / 2 || (remainder == unit / 2 && (down / unit) % 2 != 0);
    return Value(up ? down + unit : down);
  }
  if (method != "ceil" && method != "floor")
    return failure("the method of round must be common, ceil or floor");
  double unit = std::pow(10.0, digits), scaled = input.number() * unit;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

constexpr FunctionEntry table[] = {
    {"int", toInteger},
    {"float", toFloat},
    {"abs", absolute},
    {"round", round},
};

} // namespace

std::span<const FunctionEntry> numberFilters() { return table; }

} // namespace nibble::jinja
