//===- TextFilters.cpp - Filters on strings ---------------------------------------------------===//
//
// Their input is str(value), as jinja2's soft_str makes it: an undefined value is the empty string.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

namespace nibble::jinja {

namespace {

using Bound = std::vector<std::optional<Value>>;

Result<Value> toText(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "string", {}));
  if (input.isString())
    return input;
  NIBBLE_TRY(std::string text, evaluator.text(input));
  return evaluator.heap.string(std::move(text));
}

template <Case to>
Result<Value> caseFilter(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "a filter of case", {}));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  NIBBLE_CHECK(evaluator.heap.spend(1 + text.size() / 8));
  return evaluator.heap.string(convertCase(text, to));
}

/// jinja2's own: a word begins after white space, a hyphen or an opening bracket.
Result<Value> title(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "title", {}));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  NIBBLE_CHECK(evaluator.heap.spend(1 + text.size() / 8));
  TextBuilder out(evaluator.heap);
  size_t begin = 0;
  auto flush = [&](size_t end) {
    if (end == begin)
      return;
    size_t first = decode(text, begin).size;
    out.append(convertCase(std::string_view(text).substr(begin, first), Case::Upper));
    out.append(convertCase(std::string_view(text).substr(begin + first, end - begin - first), Case::Lower));
  };
  for (size_t at = 0; at < text.size();) {
    CodePoint c = decode(text, at);
    if (isSpace(c.value) || std::string_view("-({[<").find(text[at]) != std::string_view::npos) {
      flush(at);
      out.append(std::string_view(text).substr(at, c.size));
      begin = at + c.size;
    }
    at += c.size;
  }
  flush(text.size());
  return out.finish();
}

Result<Value> trim(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "trim", {"chars"}));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  NIBBLE_CHECK(evaluator.heap.spend(text.size() / 16));
  if (!bound[0] || bound[0]->isNone())
    return evaluator.heap.string(strip(text, Side::Both));
  if (!bound[0]->isString())
    return failure("the argument of trim must be a string, not " + bound[0]->typeName());
  NIBBLE_CHECK(evaluator.heap.spend(text.size() / 16 * (1 + bound[0]->string().size() / 16)));
  return evaluator.heap.string(strip(text, Side::Both, bound[0]->string()));
}

Result<Value> replace(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "replace", {"old", "new", "count"}, 2));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  NIBBLE_TRY(std::string from, evaluator.text(*bound[0]));
  NIBBLE_TRY(std::string to, evaluator.text(*bound[1]));
  NIBBLE_TRY(Integer limit,
             integerOr(bound[2] && !bound[2]->isNone() ? bound[2] : std::nullopt, -1, "count"));
  return replaceAll(evaluator.heap, text, from, to,
                    limit < 0 || limit > (Integer(1) << 60) ? SIZE_MAX : static_cast<size_t>(limit));
}

Result<Value> indent(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "indent", {"width", "first", "blank"}));
  std::string margin;
  if (bound[0] && bound[0]->isString()) {
    margin = bound[0]->string();
  } else {
    NIBBLE_TRY(Integer width, integerOr(bound[0], 4, "width"));
    if (width > (Integer(1) << 20))
      return failure("indent: the width is over 1048576");
    margin.assign(width > 0 ? static_cast<size_t>(width) : 0, ' ');
  }
  bool blank = truthOr(bound[2], false);
  NIBBLE_TRY(std::string text, evaluator.text(input));
  text += '\n'; // as in jinja2: it makes the last line end like the others
  NIBBLE_CHECK(evaluator.heap.require(text.size() * sizeof(std::string_view)));
  std::vector<std::string_view> lines = splitLines(text);
  TextBuilder out(evaluator.heap);
  if (truthOr(bound[1], false))
    out.append(margin);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0)
      out.append('\n');
    if (i > 0 && (blank || !lines[i].empty()))
      out.append(margin);
    out.append(lines[i]);
  }
  return out.finish();
}

Result<Value> escape(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "escape", {}));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  TextBuilder out(evaluator.heap);
  for (char c : text)
    switch (c) {
    case '&':
      out.append("&amp;");
      break;
    case '<':
      out.append("&lt;");
      break;
    case '>':
      out.append("&gt;");
      break;
    case '\'':
      out.append("&#39;");
      break;
    case '"':
      out.append("&#34;");
      break;
    default:
      out.append(c);
    }
  return out.finish();
}

Result<Value> format(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    return failure("format takes positional arguments or keywords, not both");
  NIBBLE_TRY(std::string text, evaluator.text(input));
  Value values;
  if (arguments.named.empty()) {
    NIBBLE_TRY(values, evaluator.heap.sequence(arguments.positional, SequenceKind::Tuple));
  } else {
    std::vector<DictEntry> entries;
    for (const auto &[name, value] : arguments.named) {
      NIBBLE_TRY(Value key, evaluator.heap.string(name));
      entries.emplace_back(std::move(key), value);
    }
    NIBBLE_TRY(values, evaluator.heap.dict(std::move(entries)));
  }
  return formatPercent(evaluator, text, values);
}

Result<Value> center(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "center", {"width"}));
  NIBBLE_TRY(Value text, toText(evaluator, input, {}));
  return findMethod(text, "center").function(evaluator, text, {{bound[0].value_or(Value(80))}, {}});
}

Result<Value> truncate(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "truncate", {"length", "killwords", "end", "leeway"}));
  NIBBLE_TRY(Integer wanted, integerOr(bound[0], 255, "length"));
  NIBBLE_TRY(Integer leeway,
             integerOr(bound[3] && !bound[3]->isNone() ? bound[3] : std::nullopt, 5, "leeway"));
  std::string end = "...";
  if (bound[2]) {
    NIBBLE_TRY(end, evaluator.text(*bound[2]));
  }
  NIBBLE_TRY(std::string text, evaluator.text(input));
  auto endSize = static_cast<Integer>(length(end));
  if (wanted < endSize || leeway < 0)
    return failure("truncate needs a length of at least " + integerText(endSize) +
                   " and a leeway of at least 0");
  auto size = static_cast<Integer>(length(text));
  if (leeway >= size || wanted >= size - leeway)
    return evaluator.heap.string(std::move(text));
  std::string_view kept =
      std::string_view(text).substr(0, byteOffset(text, static_cast<size_t>(wanted - endSize)));
  if (!truthOr(bound[1], false))
    kept = kept.substr(0, kept.rfind(' '));
  return evaluator.heap.string(std::string(kept) + end);
}

Result<Value> wordCount(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "wordcount", {}));
  NIBBLE_TRY(std::string text, evaluator.text(input));
  NIBBLE_CHECK(evaluator.heap.spend(text.size() / 8));
  uint64_t words = 0;
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = decode(text, at);
    bool word = isWord(c.value);
    words += word && !inWord;
    inWord = word;
    at += c.size;
  }
  return Value(words);
}

constexpr FunctionEntry table[] = {
    {"string", toText},
    {"safe", toText},
    {"upper", caseFilter<Case::Upper>},
    {"lower", caseFilter<Case::Lower>},
    {"capitalize", caseFilter<Case::Capitalize>},
    {"title", title},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"escape", escape},
    {"e", escape},
    {"forceescape", escape},
    {"format", format},
    {"center", center},
    {"truncate", truncate},
    {"wordcount", wordCount},
    {"tojson", toJson},
};

} // namespace

std::span<const FunctionEntry> textFilters() { return table; }

} // namespace nibble::jinja
