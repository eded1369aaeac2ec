//===- Format.cpp - "%s" % x and "{}".format(x) -----------------------------------------------===//
//
// Python's two format languages, as far as templates use them: strings and numbers with width, precision,
// sign, fill and alignment.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <algorithm>
#include <cmath>

namespace nibble::jinja {

namespace {

/// What both languages say about one value.
struct Spec {
  std::string fill = " ";
  char align = '\0'; // < > ^ =, or none
  char sign = '-';
  bool alternate = false, grouped = false;
  size_t width = 0;
  int precision = -1;
  char type = '\0';
};

constexpr size_t maxWidth = 10'000;

/// Digits at `at`; fails where a template asks for absurd widths.
Result<size_t> readNumber(std::string_view text, size_t &at) {
  size_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + static_cast<size_t>(text[at] - '0');
    if (value > maxWidth)
      return failure("a format asks for a width or precision over " + std::to_string(maxWidth));
  }
  return value;
}

std::string group(std::string digits) {
  size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t at = end; at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

std::string inBase(Integer magnitude, unsigned base, bool upper) {
  std::string digits;
  for (auto rest = static_cast<unsigned __int128>(magnitude); rest > 0 || digits.empty(); rest /= base)
    digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[static_cast<size_t>(rest % base)];
  std::ranges::reverse(digits);
  return digits;
}

/// The digits of a number without its sign.
Result<std::string> magnitudeText(const Value &value, const Spec &spec) {
  bool integer = !value.isFloat();
  Integer magnitude = integer ? (value.integer() < 0 ? -value.integer() : value.integer()) : 0;
  switch (spec.type) {
  case 'd':
  case '\0':
    if (integer)
      return spec.grouped ? group(integerText(magnitude)) : integerText(magnitude);
    if (spec.type == 'd')
      return failure("format code 'd' needs an integer, not float");
    break;
  case 'x':
  case 'X':
  case 'o':
  case 'b': {
    if (!integer)
      return failure("an integer format needs an integer, not float");
    unsigned base = spec.type == 'o' ? 8 : spec.type == 'b' ? 2 : 16;
    std::string prefix = spec.alternate ? std::string("0") + spec.type : "";
    return prefix + inBase(magnitude, base, spec.type == 'X');
  }
  case 'e':
  case 'E':
  case 'f':
  case 'F':
  case 'g':
  case 'G':
  case '%':
    break;
  default:
    return failure(std::string("unknown format code '") + spec.type + "' for a number");
  }
  double number = std::fabs(value.number()) * (spec.type == '%' ? 100 : 1);
  if (spec.type == '\0' && spec.precision < 0)
    return floatText(number);
  char kind = spec.type == '%' ? 'f' : spec.type == '\0' ? 'g' : spec.type;
  char format[] = {'%', '.', '*', kind, '\0'};
  int precision = std::min(spec.precision < 0 ? 6 : spec.precision, 1000);
  std::string text(1400, '\0');
  text.resize(static_cast<size_t>(std::snprintf(text.data(), text.size(), format, precision, number)));
  if (spec.grouped)
    text = group(std::move(text));
  return spec.type == '%' ? text + "%" : text;
}

void pad(std::string_view sign, std::string_view text, const Spec &spec, char defaultAlign,
         TextBuilder &out) {
  size_t size = length(sign) + length(text), missing = spec.width > size ? spec.width - size : 0;
  char align = spec.align ? spec.align : defaultAlign;
  size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  auto fill = [&](size_t count) {
    for (size_t i = 0; i < count; ++i)
      out.append(spec.fill);
  };
  if (align == '=')
    out.append(sign);
  fill(left);
  if (align != '=')
    out.append(sign);
  out.append(text);
  fill(missing - left);
}

Result<void> formatValue(Evaluator &evaluator, const Value &value, const Spec &spec, TextBuilder &out) {
  bool asText = spec.type == 's' || (spec.type == '\0' && (!value.isNumber() || value.isBool()));
  if (asText) {
    NIBBLE_TRY(std::string text, evaluator.text(value));
    std::string_view shown = text;
    if (spec.precision >= 0)
      shown = shown.substr(0, byteOffset(shown, static_cast<size_t>(spec.precision)));
    pad("", shown, spec, '<', out);
    return {};
  }
  if (const Missing *missing = value.asUndefined())
    return failure(missing->message);
  if (!value.isNumber())
    return failure(std::string("format code '") + spec.type + "' needs a number, not " + value.typeName());
  NIBBLE_TRY(std::string digits, magnitudeText(value, spec));
  bool negative = value.isFloat() ? std::signbit(value.number()) : value.integer() < 0;
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  pad(sign, digits, spec, '>', out);
  return {};
}

/// [[fill]align][sign][#][0][width][,][.precision][type]
Result<Spec> parseSpec(std::string_view text) {
  Spec spec;
  size_t at = 0;
  auto isAlign = [&](size_t i) {
    return i < text.size() && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
  };
  size_t fill = text.empty() ? 0 : decode(text, 0).size;
  if (fill > 0 && isAlign(fill)) {
    spec.fill = text.substr(0, fill);
    spec.align = text[fill];
    at = fill + 1;
  } else if (isAlign(0)) {
    spec.align = text[at++];
  }
  auto accept = [&](char c) { return at < text.size() && text[at] == c ? (++at, true) : false; };
  for (char sign : {'+', '-', ' '})
    if (accept(sign))
      spec.sign = sign;
  spec.alternate = accept('#');
  if (accept('0') && !spec.align) {
    spec.fill = "0";
    spec.align = '=';
  }
  NIBBLE_TRY(spec.width, readNumber(text, at));
  spec.grouped = accept(',');
  if (accept('.')) {
    NIBBLE_TRY(size_t precision, readNumber(text, at));
    spec.precision = static_cast<int>(precision);
  }
  if (at < text.size())
    spec.type = text[at++];
  if (at < text.size())
    return failure("the format '" + std::string(text) + "' is not understood");
  return spec;
}

/// The value of "name.key[0]" for str.format.
Result<Value> fieldValue(Evaluator &evaluator, std::string_view field, const Arguments &arguments,
                         size_t &next) {
  size_t end = std::min(field.find_first_of(".["), field.size());
  std::string_view name = field.substr(0, end);
  Value value;
  std::optional<Integer> index = name.empty() ? std::optional<Integer>(next++) : parseInteger(name);
  if (index) {
    if (*index < 0 || *index >= static_cast<Integer>(arguments.positional.size()))
      return failure("format has no argument " + integerText(*index));
    value = arguments.positional[static_cast<size_t>(*index)];
  } else {
    auto found =
        std::ranges::find_if(arguments.named, [&](const auto &entry) { return entry.first == name; });
    if (found == arguments.named.end())
      return failure("format has no argument '" + std::string(name) + "'");
    value = found->second;
  }
  while (end < field.size()) {
    if (field[end] == '.') {
      size_t stop = std::min(field.find_first_of(".[", end + 1), field.size());
      NIBBLE_TRY(value, evaluator.attribute(value, field.substr(end + 1, stop - end - 1)));
      end = stop;
    } else {
      size_t stop = field.find(']', end);
      if (stop == std::string_view::npos)
        return failure("format: ']' is missing");
      std::string_view part = field.substr(end + 1, stop - end - 1);
      std::optional<Integer> position = parseInteger(part);
      Value key;
      if (position) {
        key = Value(*position);
      } else {
        NIBBLE_TRY(key, evaluator.heap.string(part));
      }
      NIBBLE_TRY(value, evaluator.subscript(value, key));
      end = stop + 1;
    }
  }
  return value;
}

Result<Value> convert(Evaluator &evaluator, Value value, char conversion) {
  if (conversion == '\0')
    return value;
  TextBuilder text(evaluator.heap);
  NIBBLE_CHECK(evaluator.appendText(value, conversion != 's', text));
  return text.finish();
}

} // namespace

Result<Value> formatBraces(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  std::string_view text = self.string();
  TextBuilder out(evaluator.heap);
  size_t next = 0;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
      out.append(c);
      at += 2;
      continue;
    }
    if (c != '{') {
      if (c == '}')
        return failure("format: a single '}' in the string");
      out.append(c);
      ++at;
      continue;
    }
    size_t close = text.find('}', at);
    if (close == std::string_view::npos)
      return failure("format: a '{' is not closed");
    std::string_view field = text.substr(at + 1, close - at - 1);
    at = close + 1;
    size_t colon = std::min(field.find(':'), field.size());
    NIBBLE_TRY(Spec spec, parseSpec(field.substr(std::min(colon + 1, field.size()))));
    std::string_view name = field.substr(0, colon);
    char conversion = '\0';
    if (name.size() >= 2 && name[name.size() - 2] == '!') {
      conversion = name.back();
      name.remove_suffix(2);
    }
    NIBBLE_TRY(Value value, fieldValue(evaluator, name, arguments, next));
    NIBBLE_TRY(value, convert(evaluator, std::move(value), conversion));
    NIBBLE_CHECK(formatValue(evaluator, value, spec, out));
  }
  return out.finish();
}

Result<Value> formatPercent(Evaluator &evaluator, std::string_view text, const Value &arguments) {
  const Sequence *tuple = arguments.asSequence();
  if (tuple && tuple->kind != SequenceKind::Tuple)
    tuple = nullptr;
  size_t next = 0, count = tuple ? tuple->items.size() : 1;
  TextBuilder out(evaluator.heap);
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      out.append(text[at++]);
      continue;
    }
    ++at;
    std::optional<Value> value;
    if (at < text.size() && text[at] == '(') {
      size_t close = text.find(')', at);
      if (close == std::string_view::npos || !arguments.asDict())
        return failure("a format with names needs a dict");
      const Value *found = arguments.asDict()->find(text.substr(at + 1, close - at - 1));
      if (!found)
        return failure("the format's dict has no key '" + std::string(text.substr(at + 1, close - at - 1)) +
                       "'");
      value = *found;
      next = count;
      at = close + 1;
    }
    Spec spec;
    spec.align = '>';
    for (; at < text.size() && std::string_view("-+ #0").find(text[at]) != std::string_view::npos; ++at) {
      if (text[at] == '-')
        spec.align = '<';
      else if (text[at] == '0' && spec.align != '<')
        spec.fill = "0";
      else if (text[at] == '+' || text[at] == ' ')
        spec.sign = text[at];
      else
        spec.alternate = true;
    }
    NIBBLE_TRY(spec.width, readNumber(text, at));
    if (at < text.size() && text[at] == '.') {
      NIBBLE_TRY(size_t precision, readNumber(text, ++at));
      spec.precision = static_cast<int>(precision);
    }
    if (at >= text.size())
      return failure("incomplete format");
    spec.type = text[at++];
    if (spec.type == '%') {
      out.append('%');
      continue;
    }
    if (!value) {
      if (next >= count)
        return failure("not enough arguments for the format string");
      value = tuple ? tuple->items[next] : arguments;
      ++next;
    }
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a') {
      NIBBLE_TRY(value, convert(evaluator, *value, spec.type));
      spec.type = 's';
      spec.fill = " ";
    } else if (spec.type == 'i' || spec.type == 'u' || spec.type == 'd') {
      spec.type = 'd';
      if (value->isFloat() && std::isfinite(value->number()) && std::fabs(value->number()) < 0x1p126)
        value = Value(static_cast<Integer>(value->number()));
    }
    if (spec.fill == "0")
      spec.align = spec.align == '<' ? '<' : '=';
    NIBBLE_CHECK(formatValue(evaluator, *value, spec, out));
  }
  if (next < count && !arguments.asDict())
    return failure("not all arguments converted during string formatting");
  return out.finish();
}

} // namespace nibble::jinja
