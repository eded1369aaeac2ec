//===- Operators.cpp - Arithmetic, comparison and printing ------------------------------------===//
//
// Python's rules: / always gives a float, // and % round towards minus infinity, bools are integers, True ==
// 1, and containers print their elements by repr.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <charconv>
#include <cmath>

namespace nibble::jinja {

static tl::unexpected<Error> overflow() { return failure("an integer is out of range (128 bits)"); }

static Result<Value> integerPower(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0)
      return failure("0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  Integer result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
      return overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
      return overflow();
  }
  return Value(result);
}

static Result<Value> integerArithmetic(std::string_view op, Integer a, Integer b) {
  Integer result = 0;
  if (op == "+")
    return __builtin_add_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
  if (op == "-")
    return __builtin_sub_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
  if (op == "*")
    return __builtin_mul_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
  if (op == "**")
    return integerPower(a, b);
  if (b == 0)
    return failure(op == "/" ? "division by zero" : "integer division or modulo by zero");
  if (op == "/")
    return Value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) // the only quotient that can overflow
    return op == "%" ? Result<Value>(Value(0)) : integerArithmetic("-", 0, a);
  Integer quotient = a / b, remainder = a % b;
  bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  return op == "%" ? Value(adjust ? remainder + b : remainder) : Value(adjust ? quotient - 1 : quotient);
}

static Result<Value> floatArithmetic(std::string_view op, double a, double b) {
  if (op == "+")
    return Value(a + b);
  if (op == "-")
    return Value(a - b);
  if (op == "*")
    return Value(a * b);
  if (op == "**") {
    if (a == 0 && b < 0)
      return failure("0.0 cannot be raised to a negative power");
    if (a < 0 && std::isfinite(b) && b != std::floor(b))
      return failure("a negative number cannot be raised to a fractional power");
    return Value(std::pow(a, b));
  }
  if (b == 0)
    return failure(op == "/" ? "float division by zero" : "float floor division or modulo by zero");
  if (op == "/")
    return Value(a / b);
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    remainder += b;
    quotient -= 1;
  } else if (remainder == 0) {
    remainder = std::copysign(0.0, b);
  }
  if (op == "%")
    return Value(remainder);
  double whole = quotient == 0 ? std::copysign(0.0, a / b) : std::floor(quotient);
  return Value(quotient != 0 && quotient - whole > 0.5 ? whole + 1 : whole);
}

static Result<Value> repeat(Heap &heap, const Value &value, Integer times) {
  uint64_t unit = value.isString() ? value.string().size() : value.asSequence()->items.size() * sizeof(Value);
  uint64_t count = times <= 0                   ? 0
                   : times > (Integer(1) << 40) ? uint64_t(1) << 40
                                                : static_cast<uint64_t>(times);
  if (unit == 0)
    count = 0;
  if (count > 0 && unit > UINT64_MAX / count)
    return heap.require(UINT64_MAX).map([] { return Value(); });
  NIBBLE_CHECK(heap.require(unit * count));
  NIBBLE_CHECK(heap.spend(unit * count / 64));
  if (value.isString()) {
    std::string text;
    text.reserve(unit * count);
    for (uint64_t i = 0; i < count; ++i)
      text += value.string();
    return heap.string(std::move(text));
  }
  std::vector<Value> items;
  for (uint64_t i = 0; i < count; ++i)
    items.insert(items.end(), value.asSequence()->items.begin(), value.asSequence()->items.end());
  return heap.sequence(std::move(items), value.asSequence()->kind);
}

static bool isListOrTuple(const Value &value) {
  const Sequence *sequence = value.asSequence();
  return sequence && sequence->kind <= SequenceKind::Tuple;
}

Result<Value> Evaluator::binary(std::string_view op, const Value &left, const Value &right) {
  if (op == "%" && left.isString())
    return formatPercent(*this, left.string(), right);
  for (const Value *side : {&left, &right})
    if (const Missing *missing = side->asUndefined())
      return failure(missing->message);
  if (left.isNumber() && right.isNumber())
    return left.isFloat() || right.isFloat() ? floatArithmetic(op, left.number(), right.number())
                                             : integerArithmetic(op, left.integer(), right.integer());
  if (op == "+" && left.isString() && right.isString()) {
    TextBuilder text(heap);
    text.append(left.string());
    text.append(right.string());
    return text.finish();
  }
  if (op == "+" && isListOrTuple(left) && isListOrTuple(right) &&
      left.asSequence()->kind == right.asSequence()->kind) {
    ListBuilder items(heap);
    for (const Value *side : {&left, &right})
      for (const Value &item : side->asSequence()->items)
        items.push(item);
    return items.finish(left.asSequence()->kind);
  }
  if (op == "*" && (left.isString() || isListOrTuple(left)) && right.isNumber() && !right.isFloat())
    return repeat(heap, left, right.integer());
  if (op == "*" && (right.isString() || isListOrTuple(right)) && left.isNumber() && !left.isFloat())
    return repeat(heap, right, left.integer());
  if (op == "+" && left.isString())
    return failure("can only concatenate str (not \"" + right.typeName() + "\") to str");
  return failure("unsupported operand types for " + std::string(op) + ": '" + left.typeName() + "' and '" +
                 right.typeName() + "'");
}

Result<bool> Evaluator::contains(const Value &container, const Value &item) {
  if (container.isString()) {
    if (!item.isString())
      return failure("'in <string>' requires a string on the left, not " + item.typeName());
    NIBBLE_CHECK(heap.spend(container.weight()));
    return findText(container.string(), item.string()) != std::string_view::npos;
  }
  if (const Dict *dict = container.asDict()) {
    if (!isHashable(item))
      return failure("unhashable type: '" + item.typeName() + "'");
    NIBBLE_CHECK(heap.spend(saturatingAdd(item.weight(), item.isString() ? 0 : dict->entries.size())));
    return dict->find(item) != nullptr;
  }
  if (const Sequence *sequence = container.asSequence()) {
    for (const Value &member : sequence->items) {
      NIBBLE_CHECK(heap.spend(1 + std::min(member.weight(), item.weight()) / 4));
      if (equal(member, item))
        return true;
    }
    return false;
  }
  if (container.isUndefined())
    return false;
  return failure("argument of type '" + container.typeName() + "' is not iterable");
}

Result<bool> Evaluator::compareOp(std::string_view op, const Value &left, const Value &right) {
  if (op == "in" || op == "not in") {
    NIBBLE_TRY(bool found, contains(right, left));
    return found == (op == "in");
  }
  NIBBLE_CHECK(heap.spend(std::min(left.weight(), right.weight())));
  if (op == "==")
    return equal(left, right);
  if (op == "!=")
    return !equal(left, right);
  for (const Value *side : {&left, &right})
    if (side->isFloat() && std::isnan(side->number()) && left.isNumber() && right.isNumber())
      return false;
  NIBBLE_TRY(int order, compare(left, right, op));
  return op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
}

std::string integerText(Integer value) {
  if (value == 0)
    return "0";
  bool negative = value < 0;
  auto magnitude = negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string digits;
  for (; magnitude > 0; magnitude /= 10)
    digits += static_cast<char>('0' + static_cast<int>(magnitude % 10));
  if (negative)
    digits += '-';
  return {digits.rbegin(), digits.rend()};
}

std::string floatText(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  char buffer[40];
  auto [end, status] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view scientific(buffer, static_cast<size_t>(end - buffer));
  size_t mark = scientific.find('e');
  int exponent = std::stoi(std::string(scientific.substr(mark + 1)));
  if (exponent < -4 || exponent >= 16)
    return std::string(scientific);
  std::string sign = value < 0 || std::signbit(value) ? "-" : "";
  std::string digits;
  for (char c : scientific.substr(0, mark))
    if (c >= '0' && c <= '9')
      digits += c;
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole)
    return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

static void appendQuoted(std::string_view text, TextBuilder &out) {
  bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  char quote = single ? '\'' : '"';
  out.append(quote);
  for (size_t at = 0; at < text.size() && !out.full();) {
    CodePoint c = decode(text, at);
    std::string_view bytes = text.substr(at, c.size);
    char buffer[16];
    if (c.value == quote || c.value == '\\') {
      out.append('\\');
      out.append(bytes);
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out.append(c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t");
    } else if (c.value < 0 || isPrintable(c.value)) {
      out.append(bytes);
    } else {
      const char *format = c.value < 0x100 ? "\\x%02x" : c.value < 0x10000 ? "\\u%04x" : "\\U%08x";
      std::snprintf(buffer, sizeof buffer, format, static_cast<unsigned>(c.value));
      out.append(buffer);
    }
    at += c.size;
  }
  out.append(quote);
}

Result<void> Evaluator::appendText(const Value &value, bool quoted, TextBuilder &out, uint32_t depth) {
  NIBBLE_CHECK(heap.spend(1));
  if (depth > 2 * maxValueDepth) // namespaces may contain themselves
    return failure("a value is nested too deep to be printed");
  auto appendDict = [&](const auto &entries, auto &&appendKey) -> Result<void> {
    out.append('{');
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0)
        out.append(", ");
      NIBBLE_CHECK(appendKey(entries[i].first));
      out.append(": ");
      NIBBLE_CHECK(appendText(entries[i].second, true, out, depth + 1));
    }
    out.append('}');
    return {};
  };
  if (value.isString()) {
    if (quoted)
      appendQuoted(value.string(), out);
    else
      out.append(value.string());
  } else if (value.isUndefined()) {
    out.append(quoted ? "Undefined" : "");
  } else if (value.isNone()) {
    out.append("None");
  } else if (value.isBool()) {
    out.append(value.boolean() ? "True" : "False");
  } else if (value.isInteger()) {
    out.append(integerText(value.integer()));
  } else if (value.isFloat()) {
    out.append(floatText(value.number()));
  } else if (const Dict *dict = value.asDict()) {
    return appendDict(dict->entries, [&](const Value &key) { return appendText(key, true, out, depth + 1); });
  } else if (const Namespace *space = value.asNamespace()) {
    out.append("<Namespace ");
    NIBBLE_CHECK(appendDict(space->attributes, [&](std::string_view key) -> Result<void> {
      appendQuoted(key, out);
      return {};
    }));
    out.append('>');
  } else if (const Callable *callable = value.asCallable()) {
    out.append(callable->macro ? "<Macro '" : "<function '");
    out.append(callable->name);
    out.append("'>");
  } else if (const LoopState *loop = value.asLoop()) {
    out.append("<LoopContext " + std::to_string(loop->index + 1) + ">");
  } else if (const Sequence *sequence = value.asSequence()) {
    bool isTuple = sequence->kind == SequenceKind::Tuple, isView = sequence->kind == SequenceKind::View;
    if (sequence->kind == SequenceKind::Range || (isView && sequence->label == "generator")) {
      out.append(isView ? "<generator>" : sequence->label);
      return {};
    }
    if (isView)
      out.append(sequence->label + "(");
    out.append(isTuple ? '(' : '[');
    for (size_t i = 0; i < sequence->items.size() && !out.full(); ++i) {
      if (i > 0)
        out.append(", ");
      NIBBLE_CHECK(appendText(sequence->items[i], true, out, depth + 1));
    }
    if (isTuple)
      out.append(sequence->items.size() == 1 ? ",)" : ")");
    else
      out.append(isView ? "])" : "]");
  }
  return {};
}

Result<std::string> Evaluator::text(const Value &value) {
  if (value.isString()) {
    NIBBLE_CHECK(heap.spend(value.weight()));
    NIBBLE_CHECK(heap.require(value.string().size()));
    return std::string(value.string());
  }
  TextBuilder out(heap);
  NIBBLE_CHECK(appendText(value, false, out));
  if (out.full())
    NIBBLE_CHECK(heap.require(UINT64_MAX));
  return out.view();
}

} // namespace nibble::jinja
