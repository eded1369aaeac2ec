//===- Value.h - The values of a template -------------------------------------------*- C++ -*-===//
//
// Python's values as far as templates see them. All but namespaces are immutable, as in transformers' sandbox
// (which forbids append and its kin), so values never form cycles. Heap counts what is alive and what was
// done.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/ChatTemplate.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace nibble::jinja {

class Evaluator;
class Heap;
class Value;
struct Arguments;
struct Dict;
struct LoopState;
struct MacroStatement;
struct Namespace;
struct Scope;
struct Sequence;

/// Python's integers have no bounds; 128 bits hold all that JSON brings. Overflow is an error.
using Integer = __int128;

/// Nesting of lists and dicts that a value may reach, so that recursion over values is safe.
inline constexpr uint32_t maxValueDepth = 200;

/// Bytes charged to a heap for as long as the object lives.
struct Charged {
  Charged() = default;
  Charged(const Charged &) = delete;
  Charged &operator=(const Charged &) = delete;
  ~Charged();

  Heap *heap = nullptr;
  uint64_t bytes = 0;
};

struct String : Charged {
  std::string text; // UTF-8
};

/// Why a name or an attribute has no value; shown when the template uses it.
struct Missing {
  std::string message;
};

/// A filter, a global function, a method (`self` is its object), or a macro.
using Function = Result<Value> (*)(Evaluator &, const Value &self, const Arguments &);

struct Callable;

class Value {
public:
  struct None {};

  Value() : data(None{}) {}
  Value(bool value) : data(value) {}
  Value(Integer value) : data(value) {}
  Value(int value) : data(Integer(value)) {}
  Value(uint64_t value) : data(Integer(value)) {}
  Value(double value) : data(value) {}
  Value(const char *) = delete; // would become a bool; strings are made by Heap::string
  Value(std::shared_ptr<const String> value) : data(std::move(value)) {}
  Value(std::shared_ptr<const Sequence> value) : data(std::move(value)) {}
  Value(std::shared_ptr<const Dict> value) : data(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : data(std::move(value)) {}
  Value(std::shared_ptr<LoopState> value) : data(std::move(value)) {}
  Value(Namespace *value) : data(value) {}
  static Value undefined(std::string message);

  bool isNone() const { return std::holds_alternative<None>(data); }
  bool isBool() const { return std::holds_alternative<bool>(data); }
  bool isInteger() const { return std::holds_alternative<Integer>(data); }
  bool isFloat() const { return std::holds_alternative<double>(data); }
  bool isNumber() const { return isBool() || isInteger() || isFloat(); } // Python: bool is an int
  bool isString() const { return std::holds_alternative<std::shared_ptr<const String>>(data); }
  bool isUndefined() const { return std::holds_alternative<std::shared_ptr<const Missing>>(data); }

  /// The payload, or null where the value is of another kind.
  const Missing *asUndefined() const { return pointee<const Missing>(); }
  const Sequence *asSequence() const { return pointee<const Sequence>(); }
  const Dict *asDict() const { return pointee<const Dict>(); }
  const Callable *asCallable() const { return pointee<const Callable>(); }
  LoopState *asLoop() const { return pointee<LoopState>(); }
  Namespace *asNamespace() const {
    const auto *held = std::get_if<Namespace *>(&data);
    return held ? *held : nullptr;
  }

  bool boolean() const { return std::get<bool>(data); }
  std::string_view string() const { return std::get<std::shared_ptr<const String>>(data)->text; }
  /// For bools and integers (true is 1).
  Integer integer() const { return isBool() ? Integer(boolean()) : std::get<Integer>(data); }
  /// For every number.
  double number() const { return isFloat() ? std::get<double>(data) : static_cast<double>(integer()); }

  /// Python's truth: empty strings and containers, zeros, None and undefined values are false.
  bool truthy() const;
  /// 0 for scalars, 1 + the deepest element's for containers.
  uint32_t depth() const;
  /// Work of one walk over the whole value, in steps: shared parts count as often as they are reached.
  uint64_t weight() const;
  /// "str", "int", "NoneType", "list", ... as Python names the type.
  std::string typeName() const;
  /// The same object, as Python's `is` sees it for constants.
  bool identical(const Value &other) const;

private:
  template <typename T> T *pointee() const {
    const auto *held = std::get_if<std::shared_ptr<T>>(&data);
    return held ? held->get() : nullptr;
  }

  std::variant<None, bool, Integer, double, std::shared_ptr<const String>, std::shared_ptr<const Sequence>,
               std::shared_ptr<const Dict>, std::shared_ptr<const Callable>, std::shared_ptr<LoopState>,
               Namespace *, std::shared_ptr<const Missing>>
      data;
};

/// Lists, tuples, and what Python shows as views or generators (`dict.keys()`, `x | map(...)`).
enum class SequenceKind : uint8_t { List, Tuple, Range, View };

struct Sequence : Charged {
  std::vector<Value> items;
  SequenceKind kind = SequenceKind::List;
  uint32_t depth = 1;
  uint64_t weight = 1;
  std::string label; // how a Range or View prints: "range(0, 3)", "dict_keys"
};

using DictEntry = std::pair<Value, Value>;

struct Dict : Charged {
  std::vector<DictEntry> entries; // in order of insertion, keys distinct
  uint32_t depth = 1;
  uint64_t weight = 1;

  const Value *find(std::string_view key) const;
  const Value *find(const Value &key) const;
  void buildIndex();

private:
  static constexpr size_t indexFrom = 12; // entries; below, a scan is faster
  std::unordered_map<std::string_view, size_t> index;
};

/// Owned by the evaluator; lives as long as the rendering, so that namespaces may refer to each other.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  Value *find(std::string_view name);
};

/// A function with its object, or a macro with the scope that it was defined in.
struct Callable : Charged {
  std::string name;
  Function function = nullptr;
  Value self;
  const MacroStatement *macro = nullptr;
  std::shared_ptr<Scope> scope;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Sums that stay at the largest value where they would wrap.
inline uint64_t saturatingAdd(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

/// Python's `==`. 1 == 1.0 == True; an undefined value equals undefined values only.
bool equal(const Value &a, const Value &b);

/// -1, 0 or 1 for numbers, strings and lists; an error for what Python refuses to order. `op` is for the
/// message.
Result<int> compare(const Value &a, const Value &b, std::string_view op);

/// Lists and dicts cannot be keys.
bool isHashable(const Value &value);

/// Counts the bytes of living values and the steps done; every failure of a limit comes from here.
class Heap {
public:
  explicit Heap(const RenderLimits &limits) : limits(limits) {}

  /// Accounts for work; fails when the rendering has done too much.
  Result<void> spend(uint64_t steps);
  /// Fails where `bytes` more would not fit. Call before building something large.
  Result<void> require(uint64_t bytes) const;
  uint64_t room() const { return live < limits.memoryBytes ? limits.memoryBytes - live : 0; }
  void charge(Charged &object, uint64_t bytes);
  void release(uint64_t bytes) { live -= bytes; }
  void discharge(Charged &object) { release(std::exchange(object.bytes, 0)); }

  Result<Value> string(std::string text);
  Result<Value> string(std::string_view text) { return string(std::string(text)); }
  Result<Value> string(const char *text) { return string(std::string(text)); }
  Result<Value> sequence(std::vector<Value> items, SequenceKind kind = SequenceKind::List,
                         std::string label = "");
  /// Later duplicates of a key replace the value of the first, as in Python.
  Result<Value> dict(std::vector<DictEntry> entries);
  Result<Value> callable(std::string name, Function function, Value self);

  const RenderLimits limits;

private:
  uint64_t live = 0;
  uint64_t spent = 0;
};

/// Builds a string piece by piece; once it would not fit, it stops growing and `finish` fails.
class TextBuilder {
public:
  explicit TextBuilder(Heap &heap) : heap(heap) {}

  void append(std::string_view piece);
  void append(char c) { append(std::string_view(&c, 1)); }
  bool full() const { return overflow; }
  const std::string &view() const { return text; }
  Result<Value> finish();

private:
  Heap &heap;
  Charged held;
  uint64_t pieces = 0; // appended; short ones cost more than their bytes
  std::string text;
  bool overflow = false;
};

/// The same for lists.
class ListBuilder {
public:
  explicit ListBuilder(Heap &heap) : heap(heap) {}

  void push(Value value);
  /// A string element; costs are counted when the list is built.
  Result<void> pushText(std::string_view text);
  size_t size() const { return items.size(); }
  bool full() const { return overflow; }
  Result<Value> finish(SequenceKind kind = SequenceKind::List, std::string label = "");
  std::vector<Value> take() { return std::move(items); }

private:
  Heap &heap;
  Charged held;
  std::vector<Value> items;
  bool overflow = false;
};

} // namespace nibble::jinja
