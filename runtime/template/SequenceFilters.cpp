//===- SequenceFilters.cpp - Filters on lists and dicts ---------------------------------------===//
//
// Where jinja2 returns a generator the result is a View: true even when empty, as a generator is. Orders
// ignore case unless told otherwise.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

#include <algorithm>

namespace nibble::jinja {

namespace {

using Bound = std::vector<std::optional<Value>>;

/// What `attribute=` names: "a.b.0" is three steps. The default replaces an undefined result of any of them.
Result<Value> attributeOf(Evaluator &evaluator, const Value &item, const Value &attribute,
                          const std::optional<Value> &otherwise = {}) {
  auto orDefault = [&](Value value) { return value.isUndefined() && otherwise ? *otherwise : value; };
  if (!attribute.isString())
    return evaluator.subscript(item, attribute).map(orDefault);
  Value value = item;
  std::string_view rest = attribute.string();
  for (bool more = true; more;) {
    size_t dot = rest.find('.');
    std::string_view part = rest.substr(0, dot);
    more = dot != std::string_view::npos;
    rest = more ? rest.substr(dot + 1) : "";
    std::optional<Integer> index;
    if (!part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; }))
      index = parseInteger(part);
    Value key;
    if (index) {
      key = Value(*index);
    } else {
      NIBBLE_TRY(key, evaluator.heap.string(part));
    }
    NIBBLE_TRY(value, evaluator.subscript(value, key).map(orDefault));
  }
  return value;
}

/// What an element is ordered by: one of its attributes or several ("a,b"), in lower case unless case
/// matters.
struct SortKey {
  std::optional<Value> attribute;
  bool caseSensitive = false;

  Result<Value> fold(Evaluator &evaluator, Value value) const {
    if (caseSensitive || !value.isString())
      return value;
    NIBBLE_CHECK(evaluator.heap.spend(8 * value.weight()));
    return evaluator.heap.string(convertCase(value.string(), Case::Lower));
  }

  Result<Value> operator()(Evaluator &evaluator, const Value &item) const {
    if (!attribute || attribute->isNone())
      return fold(evaluator, item);
    if (!attribute->isString() || attribute->string().find(',') == std::string_view::npos) {
      NIBBLE_TRY(Value value, attributeOf(evaluator, item, *attribute));
      return fold(evaluator, std::move(value));
    }
    NIBBLE_TRY(Value names, split(evaluator.heap, attribute->string(), ",", SIZE_MAX, false));
    ListBuilder keys(evaluator.heap);
    for (const Value &name : names.asSequence()->items) {
      NIBBLE_TRY(Value value, attributeOf(evaluator, item, name));
      NIBBLE_TRY(value, fold(evaluator, std::move(value)));
      keys.push(std::move(value));
    }
    return keys.finish();
  }
};

/// A stable merge sort of positions; comparisons may fail, which std::stable_sort cannot express.
Result<std::vector<size_t>> sortedOrder(Evaluator &evaluator, const std::vector<Value> &keys, bool reverse) {
  std::vector<size_t> order(keys.size()), next(keys.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      size_t middle = std::min(begin + width, order.size()), end = std::min(begin + 2 * width, order.size());
      size_t left = begin, right = middle;
      for (size_t to = begin; to < end; ++to) {
        bool takeRight = left == middle;
        if (left < middle && right < end) {
          const Value &a = keys[order[left]], &b = keys[order[right]];
          NIBBLE_CHECK(evaluator.heap.spend(std::min(a.weight(), b.weight())));
          takeRight = false; // equal keys keep their order, and need no order: None, dicts, undefined values
          if (!equal(a, b)) {
            NIBBLE_TRY(takeRight, evaluator.compareOp("<", reverse ? a : b, reverse ? b : a));
          }
        }
        next[to] = order[takeRight ? right++ : left++];
      }
    }
    order.swap(next);
  }
  return order;
}

Result<Value> sortItems(Evaluator &evaluator, const std::vector<Value> &items, const SortKey &key,
                        bool reverse) {
  std::vector<Value> keys;
  for (const Value &item : items) {
    NIBBLE_TRY(Value value, key(evaluator, item));
    keys.push_back(std::move(value));
  }
  NIBBLE_TRY(std::vector<size_t> order, sortedOrder(evaluator, keys, reverse));
  ListBuilder list(evaluator.heap);
  for (size_t position : order)
    list.push(items[position]);
  return list.finish();
}

Result<Value> sort(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "sort", {"reverse", "case_sensitive", "attribute"}));
  NIBBLE_TRY(std::vector<Value> items, evaluator.iterate(input));
  return sortItems(evaluator, items, {bound[2], truthOr(bound[1], false)}, truthOr(bound[0], false));
}

Result<Value> pairsOf(Evaluator &evaluator, const Value &input) {
  ListBuilder list(evaluator.heap);
  for (const auto &[key, value] : input.asDict()->entries) {
    NIBBLE_TRY(Value pair, evaluator.heap.sequence({key, value}, SequenceKind::Tuple));
    list.push(std::move(pair));
  }
  return list.finish(SequenceKind::View, "generator");
}

Result<Value> dictSort(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "dictsort", {"case_sensitive", "by", "reverse"}));
  if (const Missing *missing = input.asUndefined())
    return failure(missing->message);
  if (!input.asDict())
    return failure("dictsort needs a dict, not " + input.typeName());
  std::string_view by = bound[1] && bound[1]->isString() ? bound[1]->string() : "key";
  if (by != "key" && by != "value")
    return failure("dictsort: 'by' must be 'key' or 'value'");
  NIBBLE_TRY(Value pairs, pairsOf(evaluator, input));
  return sortItems(evaluator, pairs.asSequence()->items,
                   {Value(by == "key" ? 0 : 1), truthOr(bound[0], false)}, truthOr(bound[2], false));
}

Result<Value> items(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "items", {}));
  if (input.isUndefined())
    return evaluator.heap.sequence({}, SequenceKind::View, "generator");
  if (!input.asDict())
    return failure("items needs a dict, not " + input.typeName());
  return pairsOf(evaluator, input);
}

Result<Value> unique(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "unique", {"case_sensitive", "attribute"}));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  SortKey key{bound[1], truthOr(bound[0], false)};
  std::vector<DictEntry> seen;
  for (const Value &item : all) {
    NIBBLE_TRY(Value value, key(evaluator, item));
    seen.emplace_back(std::move(value), Value());
  }
  NIBBLE_TRY(Value keys, evaluator.heap.dict(seen));
  // The dict keeps the first of equal keys in order: walk both.
  ListBuilder list(evaluator.heap);
  size_t next = 0;
  for (size_t i = 0; i < all.size() && next < keys.asDict()->entries.size(); ++i)
    if (equal(seen[i].first, keys.asDict()->entries[next].first)) {
      list.push(all[i]);
      ++next;
    }
  return list.finish(SequenceKind::View, "generator");
}

template <bool greatest>
Result<Value> extreme(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, greatest ? "max" : "min", {"case_sensitive", "attribute"}));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  if (all.empty())
    return Value::undefined("No aggregated item, sequence was empty.");
  SortKey key{bound[1], truthOr(bound[0], false)};
  NIBBLE_TRY(Value best, key(evaluator, all[0]));
  size_t at = 0;
  for (size_t i = 1; i < all.size(); ++i) {
    NIBBLE_TRY(Value candidate, key(evaluator, all[i]));
    NIBBLE_TRY(bool better, evaluator.compareOp(greatest ? ">" : "<", candidate, best));
    if (better) {
      best = std::move(candidate);
      at = i;
    }
  }
  return all[at];
}

Result<Value> sum(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "sum", {"attribute", "start"}));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  Value total = bound[1].value_or(Value(0));
  if (total.isString())
    return failure("sum cannot add strings; use join");
  for (const Value &item : all) {
    Value value = item;
    if (bound[0] && !bound[0]->isNone()) {
      NIBBLE_TRY(value, attributeOf(evaluator, item, *bound[0]));
    }
    NIBBLE_TRY(total, evaluator.binary("+", total, value));
  }
  return total;
}

Result<Value> joinItems(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "join", {"d", "attribute"}));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  std::string separator;
  if (bound[0]) {
    NIBBLE_TRY(separator, evaluator.text(*bound[0]));
  }
  TextBuilder out(evaluator.heap);
  for (size_t i = 0; i < all.size(); ++i) {
    Value value = all[i];
    if (bound[1] && !bound[1]->isNone()) {
      NIBBLE_TRY(value, attributeOf(evaluator, value, *bound[1]));
    }
    if (i > 0)
      out.append(separator);
    NIBBLE_CHECK(evaluator.appendText(value, false, out));
  }
  return out.finish();
}

Result<Value> lengthOf(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "length", {}));
  NIBBLE_CHECK(evaluator.heap.spend(input.isString() ? 4 * input.weight() : 1));
  if (input.isString())
    return Value(static_cast<uint64_t>(length(input.string())));
  if (const Sequence *sequence = input.asSequence())
    return Value(static_cast<uint64_t>(sequence->items.size()));
  if (const Dict *dict = input.asDict())
    return Value(static_cast<uint64_t>(dict->entries.size()));
  if (input.isUndefined())
    return Value(0);
  if (input.asLoop())
    return evaluator.attribute(input, "length");
  return failure("an object of type " + input.typeName() + " has no length");
}

Result<Value> toList(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "list", {}));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  return evaluator.heap.sequence(std::move(all));
}

template <bool atStart>
Result<Value> end(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, atStart ? "first" : "last", {}));
  if (input.isString() && !input.string().empty()) // without making every character a value
    return evaluator.subscript(input, Value(atStart ? 0 : -1));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  if (all.empty())
    return Value::undefined(atStart ? "No first item, sequence was empty."
                                    : "No last item, sequence was empty.");
  return atStart ? all.front() : all.back();
}

Result<Value> reverse(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_CHECK(bind(arguments, "reverse", {}));
  if (input.isString())
    return evaluator.slice(input, Value(), Value(), Value(-1));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  std::ranges::reverse(all);
  return evaluator.heap.sequence(std::move(all), SequenceKind::View, "generator");
}

Result<Value> defaultTo(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "default", {"default_value", "boolean"}));
  if (!input.isUndefined() && !(truthOr(bound[1], false) && !input.truthy()))
    return input;
  if (bound[0])
    return *bound[0];
  return evaluator.heap.string("");
}

/// The arguments after the first `count`.
Arguments rest(const Arguments &arguments, size_t count) {
  return {{arguments.positional.begin() + static_cast<ptrdiff_t>(count), arguments.positional.end()},
          arguments.named};
}

Result<Value> mapItems(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  ListBuilder list(evaluator.heap);
  if (arguments.positional.empty()) {
    NIBBLE_TRY(Bound bound, bind(arguments, "map", {"attribute", "default"}, 1));
    for (const Value &item : all) {
      std::optional<Value> otherwise = bound[1] && !bound[1]->isNone() ? bound[1] : std::nullopt;
      NIBBLE_TRY(Value value, attributeOf(evaluator, item, *bound[0], otherwise));
      list.push(std::move(value));
    }
    return list.finish(SequenceKind::View, "generator");
  }
  if (!arguments.positional[0].isString())
    return failure("map needs the name of a filter or attribute=...");
  std::string_view name = arguments.positional[0].string();
  Function filter = findFilter(name);
  if (!filter)
    return failure("no filter named '" + std::string(name) + "'");
  Arguments inner = rest(arguments, 1);
  for (const Value &item : all) {
    NIBBLE_CHECK(evaluator.heap.spend(1));
    NIBBLE_TRY(Value value, filter(evaluator, item, inner));
    list.push(std::move(value));
  }
  return list.finish(SequenceKind::View, "generator");
}

/// select, reject, selectattr, rejectattr: keeps items whose test (truth where there is none) is `wanted`.
template <bool byAttribute, bool wanted>
Result<Value> selectItems(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  size_t used = byAttribute ? 1 : 0;
  if (arguments.positional.size() < used)
    return failure("selectattr and rejectattr need the name of an attribute");
  const TestEntry *test = nullptr;
  std::vector<Value> testArguments;
  if (arguments.positional.size() > used) {
    const Value &name = arguments.positional[used];
    test = name.isString() ? findTest(name.string()) : nullptr;
    if (!test) {
      NIBBLE_TRY(std::string shown, evaluator.text(name));
      return failure("no test named '" + shown + "'");
    }
    testArguments = rest(arguments, used + 1).positional;
    if (testArguments.size() != test->arity)
      return failure("test '" + std::string(test->name) + "' takes " + std::to_string(test->arity) +
                     " arguments, not " + std::to_string(testArguments.size()));
  }
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  ListBuilder list(evaluator.heap);
  for (const Value &item : all) {
    NIBBLE_CHECK(evaluator.heap.spend(1));
    Value subject = item;
    if (byAttribute) {
      NIBBLE_TRY(subject, attributeOf(evaluator, item, arguments.positional[0]));
    }
    bool holds = subject.truthy();
    if (test) {
      NIBBLE_TRY(holds, test->test(evaluator, subject, testArguments));
    }
    if (holds == wanted)
      list.push(item);
  }
  return list.finish(SequenceKind::View, "generator");
}

Result<Value> batch(Evaluator &evaluator, const Value &input, const Arguments &arguments) {
  NIBBLE_TRY(Bound bound, bind(arguments, "batch", {"linecount", "fill_with"}, 1));
  NIBBLE_TRY(Integer size, integerOr(bound[0], 1, "linecount"));
  NIBBLE_TRY(std::vector<Value> all, evaluator.iterate(input));
  if (size < 1)
    return failure("batch needs a positive number of items");
  bool fill = bound[1] && !bound[1]->isNone();
  ListBuilder list(evaluator.heap);
  for (size_t begin = 0; begin < all.size();) {
    ListBuilder row(evaluator.heap);
    for (; begin < all.size() && static_cast<Integer>(row.size()) < size; ++begin)
      row.push(all[begin]);
    while (fill && !row.full() && static_cast<Integer>(row.size()) < size)
      row.push(*bound[1]);
    NIBBLE_TRY(Value made, row.finish());
    list.push(std::move(made));
  }
  return list.finish(SequenceKind::View, "generator");
}

constexpr FunctionEntry table[] = {
    {"length", lengthOf},
    {"count", lengthOf},
    {"list", toList},
    {"first", end<true>},
    {"last", end<false>},
    {"join", joinItems},
    {"default", defaultTo},
    {"d", defaultTo},
    {"items", items},
    {"dictsort", dictSort},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"reverse", reverse},
    {"map", mapItems},
    {"select", selectItems<false, true>},
    {"reject", selectItems<false, false>},
    {"selectattr", selectItems<true, true>},
    {"rejectattr", selectItems<true, false>},
    {"batch", batch},
};

} // namespace

std::span<const FunctionEntry> sequenceFilters() { return table; }

} // namespace nibble::jinja
