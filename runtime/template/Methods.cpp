//===- Methods.cpp - Methods of strings, dicts, lists and loops -------------------------------===//
//
// The methods that templates call as x.split(...). Those that would change x are named, so that they hide a
// dict's keys as in Python, but they are forbidden, as in transformers' immutable sandbox.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <algorithm>

namespace nibble::jinja {

namespace {

using Bound = std::vector<std::optional<Value>>;

Result<std::string_view> stringArgument(const Value &value, std::string_view what) {
  if (!value.isString())
    return failure(std::string(what) + " must be a string, not " + value.typeName());
  return value.string();
}

/// An argument that may be absent or None.
Result<std::optional<std::string_view>> optionalString(const std::optional<Value> &value,
                                                       std::string_view what) {
  if (!value || value->isNone())
    return std::nullopt;
  NIBBLE_TRY(std::string_view text, stringArgument(*value, what));
  return text;
}

template <Side side>
Result<Value> stripMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "strip", {"chars"}));
  NIBBLE_TRY(auto chars, optionalString(bound[0], "the argument of strip"));
  NIBBLE_CHECK(evaluator.heap.spend(4 * self.weight()));
  if (chars && chars->size() > 16)
    NIBBLE_CHECK(evaluator.heap.spend(self.string().size() / 16 * (chars->size() / 16)));
  return evaluator.heap.string(strip(self.string(), side, chars));
}

template <Case to>
Result<Value> caseMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "a method of case", {}));
  NIBBLE_CHECK(evaluator.heap.spend(8 * self.weight()));
  NIBBLE_CHECK(evaluator.heap.require(self.string().size()));
  return evaluator.heap.string(convertCase(self.string(), to));
}

template <bool fromRight>
Result<Value> splitMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "split", {"sep", "maxsplit"}));
  NIBBLE_TRY(auto separator, optionalString(bound[0], "the separator"));
  NIBBLE_TRY(Integer limit, integerOr(bound[1], -1, "maxsplit"));
  size_t times = limit < 0 || limit > (Integer(1) << 60) ? SIZE_MAX : static_cast<size_t>(limit);
  NIBBLE_CHECK(evaluator.heap.spend(self.weight()));
  return split(evaluator.heap, self.string(), separator, times, fromRight);
}

Result<Value> splitLinesMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "splitlines", {"keepends"}));
  bool keep = truthOr(bound[0], false);
  NIBBLE_CHECK(evaluator.heap.require(self.string().size() * sizeof(std::string_view)));
  std::vector<std::string_view> lines = splitLines(self.string());
  ListBuilder list(evaluator.heap);
  const char *end = self.string().data() + self.string().size();
  for (size_t i = 0; i < lines.size(); ++i) {
    const char *next = i + 1 < lines.size() ? lines[i + 1].data() : end;
    NIBBLE_CHECK(list.pushText(keep ? std::string_view(lines[i].data(), next - lines[i].data()) : lines[i]));
  }
  return list.finish();
}

template <bool atStart>
Result<Value> endMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound,
             bind(arguments, atStart ? "startswith" : "endswith", {"prefix", "start", "end"}, 1));
  NIBBLE_TRY(Value part,
             evaluator.slice(self, bound[1].value_or(Value()), bound[2].value_or(Value()), Value()));
  std::vector<Value> candidates{*bound[0]};
  if (const Sequence *tuple = bound[0]->asSequence(); tuple && tuple->kind == SequenceKind::Tuple)
    candidates = tuple->items;
  if (!part.isString())
    return failure("the bounds of startswith and endswith must be integers");
  for (const Value &candidate : candidates) {
    NIBBLE_TRY(std::string_view text, stringArgument(candidate, "the argument of startswith and endswith"));
    if (atStart ? part.string().starts_with(text) : part.string().ends_with(text))
      return Value(true);
  }
  return Value(false);
}

template <bool atStart>
Result<Value> removeEndMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "removeprefix", {"prefix"}, 1));
  NIBBLE_TRY(std::string_view part,
             stringArgument(*bound[0], "the argument of removeprefix and removesuffix"));
  std::string_view text = self.string();
  if (atStart && text.starts_with(part))
    text.remove_prefix(part.size());
  if (!atStart && text.ends_with(part))
    text.remove_suffix(part.size());
  return evaluator.heap.string(text);
}

Result<Value> replaceMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "replace", {"old", "new", "count"}, 2));
  NIBBLE_TRY(std::string_view from, stringArgument(*bound[0], "the first argument of replace"));
  NIBBLE_TRY(std::string_view to, stringArgument(*bound[1], "the second argument of replace"));
  NIBBLE_TRY(Integer limit, integerOr(bound[2], -1, "count"));
  NIBBLE_CHECK(evaluator.heap.spend(self.weight()));
  return replaceAll(evaluator.heap, self.string(), from, to,
                    limit < 0 || limit > (Integer(1) << 60) ? SIZE_MAX : static_cast<size_t>(limit));
}

Result<Value> joinMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "join", {"iterable"}, 1));
  NIBBLE_TRY(std::vector<Value> items, evaluator.iterate(*bound[0]));
  TextBuilder out(evaluator.heap);
  for (size_t i = 0; i < items.size(); ++i) {
    NIBBLE_TRY(std::string_view text, stringArgument(items[i], "every item that a string joins"));
    if (i > 0)
      out.append(self.string());
    out.append(text);
  }
  return out.finish();
}

/// find, rfind, index, rindex: positions in characters.
template <bool fromRight, bool mustExist>
Result<Value> findMethodOf(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "find", {"sub", "start", "end"}, 1));
  NIBBLE_TRY(std::string_view part, stringArgument(*bound[0], "the argument of find"));
  NIBBLE_TRY(Value piece,
             evaluator.slice(self, bound[1].value_or(Value()), bound[2].value_or(Value()), Value()));
  if (!piece.isString())
    return failure("the bounds of find must be integers");
  NIBBLE_CHECK(evaluator.heap.spend(self.weight() * (fromRight ? 1 + part.size() / 8 : 1)));
  size_t at = fromRight ? piece.string().rfind(part) : findText(piece.string(), part);
  if (at == std::string_view::npos) {
    if (mustExist)
      return failure("substring not found");
    return Value(-1);
  }
  NIBBLE_TRY(Integer start, integerOr(bound[1] && !bound[1]->isNone() ? bound[1] : std::nullopt, 0, "start"));
  auto size = static_cast<Integer>(length(self.string()));
  start = std::clamp<Integer>(start < 0 ? start + size : start, 0, size);
  return Value(start + static_cast<Integer>(length(piece.string().substr(0, at))));
}

Result<Value> countMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "count", {"sub"}, 1));
  NIBBLE_TRY(std::string_view part, stringArgument(*bound[0], "the argument of count"));
  NIBBLE_CHECK(evaluator.heap.spend(4 * self.weight()));
  return Value(static_cast<uint64_t>(countOccurrences(self.string(), part)));
}

enum class CharacterClass { Digit, Letter, LetterOrDigit, Space, Upper, Lower };

template <CharacterClass wanted>
Result<Value> classMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "a method of character class", {}));
  NIBBLE_CHECK(evaluator.heap.spend(8 * self.weight()));
  std::string_view text = self.string();
  if (wanted == CharacterClass::Upper || wanted == CharacterClass::Lower) {
    std::string same = convertCase(text, wanted == CharacterClass::Upper ? Case::Upper : Case::Lower);
    std::string other = convertCase(text, wanted == CharacterClass::Upper ? Case::Lower : Case::Upper);
    return Value(same == text && other != text);
  }
  bool all = !text.empty();
  for (size_t at = 0; at < text.size() && all;) {
    CodePoint c = decode(text, at);
    bool digit = c.value >= '0' && c.value <= '9';
    bool letter = isWord(c.value) && c.value != '_' && !digit;
    all = wanted == CharacterClass::Space    ? isSpace(c.value)
          : wanted == CharacterClass::Digit  ? digit
          : wanted == CharacterClass::Letter ? letter
                                             : letter || digit;
    at += c.size;
  }
  return Value(all);
}

enum class Align { Left, Right, Center };

template <Align align>
Result<Value> padMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "a method of padding", {"width", "fillchar"}, 1));
  NIBBLE_TRY(Integer width, integerOr(bound[0], 0, "width"));
  std::string_view fill = " ";
  if (bound[1]) {
    NIBBLE_TRY(fill, stringArgument(*bound[1], "fillchar"));
  }
  if (length(fill) != 1)
    return failure("fillchar must be one character");
  auto size = static_cast<Integer>(length(self.string()));
  Integer missing = std::max<Integer>(0, width - size);
  if (missing > (Integer(1) << 40))
    NIBBLE_CHECK(evaluator.heap.require(UINT64_MAX));
  // Python puts the odd blank of center to the left where the width is odd.
  Integer left = align == Align::Left    ? Integer(0)
                 : align == Align::Right ? missing
                                         : missing / 2 + (missing & width & 1);
  TextBuilder out(evaluator.heap);
  for (Integer i = 0; i < left && !out.full(); ++i)
    out.append(fill);
  out.append(self.string());
  for (Integer i = left; i < missing && !out.full(); ++i)
    out.append(fill);
  return out.finish();
}

Result<Value> zeroFillMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "zfill", {"width"}, 1));
  NIBBLE_TRY(Integer width, integerOr(bound[0], 0, "width"));
  std::string_view text = self.string();
  Integer missing = std::max<Integer>(0, width - static_cast<Integer>(length(text)));
  if (missing > (Integer(1) << 40))
    NIBBLE_CHECK(evaluator.heap.require(UINT64_MAX));
  bool sign = text.starts_with('-') || text.starts_with('+');
  TextBuilder out(evaluator.heap);
  out.append(text.substr(0, sign));
  for (Integer i = 0; i < missing && !out.full(); ++i)
    out.append('0');
  out.append(text.substr(sign));
  return out.finish();
}

Result<Value> getMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "get", {"key", "default"}, 1));
  if (!isHashable(*bound[0]))
    return failure("unhashable type: '" + bound[0]->typeName() + "'");
  const Dict *dict = self.asDict();
  NIBBLE_CHECK(evaluator.heap.spend(bound[0]->weight() + (bound[0]->isString() ? 0 : dict->entries.size())));
  const Value *found = dict->find(*bound[0]);
  return found ? *found : bound[1].value_or(Value());
}

enum class View { Keys, Values, Items };

template <View view>
Result<Value> viewMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "a view of a dict", {}));
  ListBuilder list(evaluator.heap);
  for (const auto &[key, value] : self.asDict()->entries) {
    if (view == View::Items) {
      NIBBLE_TRY(Value pair, evaluator.heap.sequence({key, value}, SequenceKind::Tuple));
      list.push(std::move(pair));
    } else {
      list.push(view == View::Keys ? key : value);
    }
  }
  return list.finish(SequenceKind::View, view == View::Items  ? "dict_items"
                                         : view == View::Keys ? "dict_keys"
                                                              : "dict_values");
}

Result<Value> copyMethod(Evaluator &, const Value &self, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "copy", {}));
  return self;
}

template <bool position>
Result<Value> listSearchMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, position ? "index" : "count", {"value"}, 1));
  Integer count = 0;
  const std::vector<Value> &items = self.asSequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    NIBBLE_TRY(bool same, evaluator.compareOp("==", items[i], *bound[0]));
    if (same && position)
      return Value(static_cast<uint64_t>(i));
    count += same;
  }
  if (position)
    return failure("the value is not in the list");
  return Value(count);
}

Result<Value> cycleMethod(Evaluator &, const Value &self, const Arguments &arguments) {
  if (arguments.positional.empty())
    return failure("no items for cycling given");
  return arguments.positional[self.asLoop()->index % arguments.positional.size()];
}

Result<Value> changedMethod(Evaluator &evaluator, const Value &self, const Arguments &arguments) {
  LoopState *loop = self.asLoop();
  NIBBLE_TRY(Value present, evaluator.heap.sequence(arguments.positional, SequenceKind::Tuple));
  if (present.depth() + 1 > maxValueDepth / 2)
    return failure("the arguments of loop.changed are nested too deep");
  if (loop->lastChecked && equal(*loop->lastChecked, present))
    return Value(false);
  if (!loop->finished) // afterwards nobody would take it out again
    loop->lastChecked = present;
  return Value(true);
}

struct MethodEntry {
  std::string_view name;
  Function function; // null: forbidden
};

constexpr MethodEntry stringMethods[] = {
    {"split", splitMethod<false>},
    {"rsplit", splitMethod<true>},
    {"splitlines", splitLinesMethod},
    {"strip", stripMethod<Side::Both>},
    {"lstrip", stripMethod<Side::Left>},
    {"rstrip", stripMethod<Side::Right>},
    {"startswith", endMethod<true>},
    {"endswith", endMethod<false>},
    {"removeprefix", removeEndMethod<true>},
    {"removesuffix", removeEndMethod<false>},
    {"replace", replaceMethod},
    {"join", joinMethod},
    {"upper", caseMethod<Case::Upper>},
    {"lower", caseMethod<Case::Lower>},
    {"casefold", caseMethod<Case::Lower>},
    {"title", caseMethod<Case::Title>},
    {"capitalize", caseMethod<Case::Capitalize>},
    {"swapcase", caseMethod<Case::Swap>},
    {"find", findMethodOf<false, false>},
    {"rfind", findMethodOf<true, false>},
    {"index", findMethodOf<false, true>},
    {"rindex", findMethodOf<true, true>},
    {"count", countMethod},
    {"isdigit", classMethod<CharacterClass::Digit>},
    {"isdecimal", classMethod<CharacterClass::Digit>},
    {"isnumeric", classMethod<CharacterClass::Digit>},
    {"isalpha", classMethod<CharacterClass::Letter>},
    {"isalnum", classMethod<CharacterClass::LetterOrDigit>},
    {"isspace", classMethod<CharacterClass::Space>},
    {"isupper", classMethod<CharacterClass::Upper>},
    {"islower", classMethod<CharacterClass::Lower>},
    {"ljust", padMethod<Align::Left>},
    {"rjust", padMethod<Align::Right>},
    {"center", padMethod<Align::Center>},
    {"zfill", zeroFillMethod},
    {"format", formatBraces},
};

constexpr MethodEntry dictMethods[] = {
    {"get", getMethod},
    {"keys", viewMethod<View::Keys>},
    {"values", viewMethod<View::Values>},
    {"items", viewMethod<View::Items>},
    {"copy", copyMethod},
    {"clear", nullptr},
    {"pop", nullptr},
    {"popitem", nullptr},
    {"setdefault", nullptr},
    {"update", nullptr},
};

constexpr MethodEntry listMethods[] = {
    {"index", listSearchMethod<true>},
    {"count", listSearchMethod<false>},
    {"copy", copyMethod},
    {"append", nullptr},
    {"clear", nullptr},
    {"extend", nullptr},
    {"insert", nullptr},
    {"pop", nullptr},
    {"remove", nullptr},
    {"reverse", nullptr},
    {"sort", nullptr},
};

constexpr MethodEntry loopMethods[] = {
    {"cycle", cycleMethod},
    {"changed", changedMethod},
};

} // namespace

Method findMethod(const Value &object, std::string_view name) {
  std::span<const MethodEntry> table;
  if (object.isString())
    table = stringMethods;
  else if (object.asDict())
    table = dictMethods;
  else if (const Sequence *sequence = object.asSequence(); sequence && sequence->kind == SequenceKind::List)
    table = listMethods;
  else if (sequence && sequence->kind == SequenceKind::Tuple)
    table = std::span(listMethods).first(2);
  else if (object.asLoop())
    table = loopMethods;
  for (const MethodEntry &entry : table)
    if (entry.name == name)
      return {entry.function, entry.function == nullptr};
  return {};
}

} // namespace nibble::jinja
