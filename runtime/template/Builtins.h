//===- Builtins.h - Filters, tests, methods and global functions --------------------*- C++ -*-===//
//
// Fixed tables: what is not in them does not exist for a template. All functions follow jinja2 3.1 and
// Python, including what they do with undefined values, because checkpoints rely on it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Syntax.h"
#include "runtime/template/Value.h"

#include <optional>
#include <span>
#include <string_view>

namespace nibble::jinja {

struct FunctionEntry {
  std::string_view name;
  Function function;
};

struct TestEntry {
  std::string_view name;
  Test test;
  size_t arity; // arguments beside the subject
};

/// Null where there is no such thing.
Function findFilter(std::string_view name);
const TestEntry *findTest(std::string_view name);
Function findGlobal(std::string_view name);

/// What attribute access finds before it looks into a dict: `d.items` is the method even where a key has that
/// name. `forbidden`: a method that changes its object; transformers' sandbox hides it.
struct Method {
  Function function = nullptr;
  bool forbidden = false;
};
Method findMethod(const Value &object, std::string_view name);

/// The parts of the filter table, each from the file of its name.
std::span<const FunctionEntry> textFilters();
std::span<const FunctionEntry> sequenceFilters();
std::span<const FunctionEntry> numberFilters();

/// json.dumps as transformers' tojson filter calls it.
Result<Value> toJson(Evaluator &evaluator, const Value &value, const Arguments &arguments);
/// Python's `text % arguments`.
Result<Value> formatPercent(Evaluator &evaluator, std::string_view text, const Value &arguments);
/// `text.format(...)` with {}, {0} and {name}.
Result<Value> formatBraces(Evaluator &evaluator, const Value &self, const Arguments &arguments);
/// strftime_now(format).
Result<Value> strftimeNow(Evaluator &evaluator, const Value &self, const Arguments &arguments);
/// repr(float): the shortest digits that read back as the same number.
std::string floatText(double value);
std::string integerText(Integer value);
/// int(text), with surrounding white space, a sign and underscores, as Python reads it; nothing where it
/// refuses.
std::optional<Integer> parseInteger(std::string_view text, int base = 10);
std::optional<double> parseFloat(std::string_view text);

/// The values of a call by parameter name: positional ones first, then keywords; absent ones are empty. Fails
/// for unknown keywords, too many arguments, and where one of the first `required` is absent.
Result<std::vector<std::optional<Value>>> bind(const Arguments &arguments, std::string_view function,
                                               std::initializer_list<std::string_view> parameters,
                                               size_t required = 0);

/// Readers of bound arguments: the default where the argument is absent, an error where its type does not
/// fit.
Result<Integer> integerOr(const std::optional<Value> &value, Integer otherwise, std::string_view what);
bool truthOr(const std::optional<Value> &value, bool otherwise);

} // namespace nibble::jinja
