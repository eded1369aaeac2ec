//===- Functions.cpp - Global functions, and how calls bind their arguments -------------------===//
//
// range, dict, namespace as in jinja2; raise_exception and strftime_now as transformers adds them.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"

namespace nibble::jinja {

Result<std::vector<std::optional<Value>>> bind(const Arguments &arguments, std::string_view function,
                                               std::initializer_list<std::string_view> parameters,
                                               size_t required) {
  std::vector<std::optional<Value>> bound(parameters.size());
  std::string name(function);
  if (arguments.positional.size() > parameters.size())
    return failure(name + " takes at most " + std::to_string(parameters.size()) + " arguments, not " +
                   std::to_string(arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    bound[i] = arguments.positional[i];
  for (const auto &[keyword, value] : arguments.named) {
    size_t i = 0;
    while (i < parameters.size() && parameters.begin()[i] != keyword)
      ++i;
    if (i == parameters.size())
      return failure(name + " has no argument '" + keyword + "'");
    if (bound[i])
      return failure(name + " got two values for '" + keyword + "'");
    bound[i] = value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!bound[i])
      return failure(name + " needs the argument '" + std::string(parameters.begin()[i]) + "'");
  return bound;
}

Result<Integer> integerOr(const std::optional<Value> &value, Integer otherwise, std::string_view what) {
  if (!value)
    return otherwise;
  if (const Missing *missing = value->asUndefined())
    return failure(missing->message);
  if (!value->isInteger() && !value->isBool())
    return failure(std::string(what) + " must be an integer, not " + value->typeName());
  return value->integer();
}

bool truthOr(const std::optional<Value> &value, bool otherwise) {
  return value ? value->truthy() : otherwise;
}

namespace {

/// jinja2's sandbox has the same bound.
constexpr Integer maxRange = 100'000;

Result<Value> range(Evaluator &evaluator, const Value &, const Arguments &arguments) {
  NIBBLE_TRY(auto bound, bind(arguments, "range", {"start", "stop", "step"}, 1));
  NIBBLE_TRY(Integer first, integerOr(bound[0], 0, "an argument of range"));
  NIBBLE_TRY(Integer second, integerOr(bound[1], 0, "an argument of range"));
  NIBBLE_TRY(Integer step, integerOr(bound[2], 1, "an argument of range"));
  Integer start = bound[1] ? first : 0, stop = bound[1] ? second : first;
  constexpr Integer large = Integer(1) << 100;
  if (step == 0)
    return failure("the step of range must not be zero");
  for (Integer value : {start, stop, step})
    if (value > large || value < -large)
      return failure("an argument of range is out of range");
  Integer span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
  Integer count = span <= 0 ? 0 : (span + stride - 1) / stride;
  if (count > maxRange)
    return failure("a range of more than 100000 numbers is not allowed");
  ListBuilder items(evaluator.heap);
  for (Integer i = 0; i < count; ++i)
    items.push(Value(start + i * step));
  std::string label = "range(" + integerText(start) + ", " + integerText(stop);
  return items.finish(SequenceKind::Range, label + (step == 1 ? "" : ", " + integerText(step)) + ")");
}

/// The entries of dict(...) and namespace(...): a dict or a list of pairs, then keywords.
Result<std::vector<DictEntry>> entriesOf(Evaluator &evaluator, const Arguments &arguments,
                                         std::string_view function) {
  std::vector<DictEntry> entries;
  if (arguments.positional.size() > 1)
    return failure(std::string(function) + " takes at most one positional argument");
  if (!arguments.positional.empty()) {
    const Value &source = arguments.positional[0];
    if (const Dict *dict = source.asDict()) {
      entries = dict->entries;
    } else {
      NIBBLE_TRY(std::vector<Value> pairs, evaluator.iterate(source));
      for (const Value &pair : pairs) {
        NIBBLE_TRY(std::vector<Value> parts, evaluator.iterate(pair));
        if (parts.size() != 2)
          return failure(std::string(function) + " needs a dict or pairs of a key and a value");
        entries.emplace_back(parts[0], parts[1]);
      }
    }
  }
  for (const auto &[name, value] : arguments.named) {
    NIBBLE_TRY(Value key, evaluator.heap.string(name));
    entries.emplace_back(std::move(key), value);
  }
  return entries;
}

Result<Value> dict(Evaluator &evaluator, const Value &, const Arguments &arguments) {
  NIBBLE_TRY(std::vector<DictEntry> entries, entriesOf(evaluator, arguments, "dict"));
  return evaluator.heap.dict(std::move(entries));
}

Result<Value> makeNamespace(Evaluator &evaluator, const Value &, const Arguments &arguments) {
  NIBBLE_TRY(std::vector<DictEntry> entries, entriesOf(evaluator, arguments, "namespace"));
  NIBBLE_CHECK(evaluator.heap.spend(entries.size()));
  std::vector<std::pair<std::string, Value>> attributes;
  if (entries.size() > 1000)
    return failure("a namespace holds at most 1000 attributes");
  for (const auto &[key, value] : entries) {
    NIBBLE_TRY(std::string name, evaluator.text(key));
    attributes.emplace_back(std::move(name), value);
  }
  return evaluator.newNamespace(std::move(attributes));
}

Result<Value> raiseException(Evaluator &evaluator, const Value &, const Arguments &arguments) {
  NIBBLE_TRY(auto bound, bind(arguments, "raise_exception", {"message"}, 1));
  NIBBLE_TRY(std::string message, evaluator.text(*bound[0]));
  return failure("the template refuses these messages: " + message);
}

constexpr FunctionEntry globals[] = {
    {"range", range},
    {"dict", dict},
    {"namespace", makeNamespace},
    {"raise_exception", raiseException},
    {"strftime_now", strftimeNow},
};

Function lookUp(std::span<const FunctionEntry> table, std::string_view name) {
  for (const FunctionEntry &entry : table)
    if (entry.name == name)
      return entry.function;
  return nullptr;
}

} // namespace

Function findGlobal(std::string_view name) { return lookUp(globals, name); }

Function findFilter(std::string_view name) {
  for (std::span<const FunctionEntry> table : {textFilters(), sequenceFilters(), numberFilters()})
    if (Function function = lookUp(table, name))
      return function;
  return nullptr;
}

} // namespace nibble::jinja
