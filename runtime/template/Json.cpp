//===- Json.cpp - The tojson filter -----------------------------------------------------------===//
//
// Python's json.dumps(value, ensure_ascii=False, indent=..., separators=..., sort_keys=...), which
// transformers puts in the place of jinja2's filter: no HTML escapes, non-ASCII text as it is.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nibble::jinja {

namespace {

struct JsonWriter {
  Evaluator &evaluator;
  TextBuilder out;
  bool ascii = false;
  bool pretty = false;
  bool sorted = false;
  std::string margin = {};
  std::string itemSeparator = ", ", keySeparator = ": ";

  Result<void> write(const Value &value, size_t level);
  Result<void> writeDict(const Dict &dict, size_t level);
  Result<std::string> keyText(const Value &key);
  void writeString(std::string_view text);
  void newLine(size_t level) {
    out.append('\n');
    for (size_t i = 0; i < level && !out.full(); ++i)
      out.append(margin);
  }
};

std::string numberText(const Value &value) {
  if (!value.isFloat())
    return integerText(value.integer());
  double number = value.number();
  if (std::isnan(number))
    return "NaN";
  if (std::isinf(number))
    return number < 0 ? "-Infinity" : "Infinity";
  return floatText(number);
}

} // namespace

void JsonWriter::writeString(std::string_view text) {
  out.append('"');
  auto unit = [&](unsigned code) {
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\u%04x", code & 0xffff);
    out.append(buffer);
  };
  for (size_t at = 0; at < text.size() && !out.full();) {
    CodePoint c = decode(text, at);
    static constexpr std::string_view special = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
    size_t known = c.size == 1 ? special.find(text[at]) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out.append('\\');
      out.append(letters[known]);
    } else if (c.value >= 0 && c.value < 0x20) {
      unit(static_cast<unsigned>(c.value));
    } else if (ascii && c.value >= 0x7f && c.value < 0x10000) {
      unit(static_cast<unsigned>(c.value));
    } else if (ascii && c.value >= 0x10000) {
      unit(0xd800 + ((static_cast<unsigned>(c.value) - 0x10000) >> 10));
      unit(0xdc00 + ((static_cast<unsigned>(c.value) - 0x10000) & 0x3ff));
    } else {
      out.append(text.substr(at, c.size));
    }
    at += c.size;
  }
  out.append('"');
}

Result<std::string> JsonWriter::keyText(const Value &key) {
  if (key.isString())
    return std::string(key.string());
  if (key.isNone())
    return "null";
  if (key.isBool())
    return key.boolean() ? "true" : "false";
  if (key.isNumber())
    return numberText(key);
  return failure("tojson: keys must be str, int, float, bool or None, not " + key.typeName());
}

Result<void> JsonWriter::writeDict(const Dict &dict, size_t level) {
  std::vector<size_t> order(dict.entries.size());
  std::iota(order.begin(), order.end(), 0);
  if (sorted) {
    NIBBLE_CHECK(evaluator.heap.spend(dict.entries.size() * 16));
    bool strings =
        std::ranges::all_of(dict.entries, [](const DictEntry &entry) { return entry.first.isString(); });
    bool numbers =
        std::ranges::all_of(dict.entries, [](const DictEntry &entry) { return entry.first.isNumber(); });
    if (!strings && !numbers)
      return failure("tojson: keys of several types cannot be sorted");
    std::ranges::sort(order, [&](size_t a, size_t b) { // keys are distinct: no order among equals to keep
      const Value &left = dict.entries[a].first, &right = dict.entries[b].first;
      return strings ? left.string() < right.string() : left.number() < right.number();
    });
  }
  out.append('{');
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0)
      out.append(itemSeparator);
    if (pretty)
      newLine(level + 1);
    NIBBLE_TRY(std::string key, keyText(dict.entries[order[i]].first));
    writeString(key);
    out.append(keySeparator);
    NIBBLE_CHECK(write(dict.entries[order[i]].second, level + 1));
  }
  if (pretty && !order.empty())
    newLine(level);
  out.append('}');
  return {};
}

Result<void> JsonWriter::write(const Value &value, size_t level) {
  NIBBLE_CHECK(evaluator.heap.spend(1));
  const Sequence *sequence = value.asSequence();
  if (value.isString()) {
    writeString(value.string());
  } else if (value.isNone()) {
    out.append("null");
  } else if (value.isBool()) {
    out.append(value.boolean() ? "true" : "false");
  } else if (value.isNumber()) {
    out.append(numberText(value));
  } else if (const Dict *dict = value.asDict()) {
    return writeDict(*dict, level);
  } else if (sequence && sequence->kind <= SequenceKind::Tuple) {
    out.append('[');
    for (size_t i = 0; i < sequence->items.size() && !out.full(); ++i) {
      if (i > 0)
        out.append(itemSeparator);
      if (pretty)
        newLine(level + 1);
      NIBBLE_CHECK(write(sequence->items[i], level + 1));
    }
    if (pretty && !sequence->items.empty())
      newLine(level);
    out.append(']');
  } else if (const Missing *missing = value.asUndefined()) {
    return failure("tojson: " + missing->message);
  } else {
    return failure("tojson: an object of type " + value.typeName() + " is not JSON serializable");
  }
  return {};
}

Result<Value> toJson(Evaluator &evaluator, const Value &value, const Arguments &arguments) {
  NIBBLE_TRY(auto bound, bind(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonWriter writer{evaluator, TextBuilder(evaluator.heap), truthOr(bound[0], false), false,
                    truthOr(bound[3], false)};
  if (bound[1] && !bound[1]->isNone()) {
    writer.pretty = true;
    writer.itemSeparator = ",";
    if (bound[1]->isString()) {
      writer.margin = bound[1]->string();
    } else {
      NIBBLE_TRY(Integer width, integerOr(bound[1], 0, "indent"));
      if (width > 1024)
        return failure("tojson: an indent over 1024 makes no sense");
      writer.margin.assign(width > 0 ? static_cast<size_t>(width) : 0, ' ');
    }
  }
  if (bound[2] && !bound[2]->isNone()) {
    NIBBLE_TRY(std::vector<Value> pair, evaluator.iterate(*bound[2]));
    if (pair.size() != 2 || !pair[0].isString() || !pair[1].isString())
      return failure("tojson: separators must be two strings");
    writer.itemSeparator = pair[0].string();
    writer.keySeparator = pair[1].string();
  }
  NIBBLE_CHECK(writer.write(value, 0));
  return writer.out.finish();
}

} // namespace nibble::jinja
