//===- Evaluator.h - Runs a template ------------------------------------------------*- C++ -*-===//
//
// Walks the tree. One evaluator serves one rendering: it owns the heap's accounts, the namespaces, and the
// scopes that macros captured. Statements are in Statements.cpp, expressions in Evaluator.cpp, operators in
// Operators.cpp.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Syntax.h"
#include "runtime/template/Value.h"

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace nibble::jinja {

/// Names of one block. Lookups go outwards through `parent`, assignments stay here.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string_view, Value>>
      variables; // names belong to the tree or to the caller's JSON

  void set(std::string_view name, Value value);
};

/// The `loop` variable. Items that pass the loop's filter are found as late as possible, because the filter
/// may depend on what the body does.
struct LoopState : Charged {
  std::vector<Value> source;
  size_t nextSource = 0;
  std::vector<Value> items; // that passed so far
  size_t index = 0;         // of the present item
  const ForStatement *statement = nullptr;
  std::shared_ptr<Scope> scope; // outside of the loop
  uint32_t depth = 1;           // as Value::depth
  uint32_t nesting = 1;         // loops around, this one included
  bool finished = false;
  std::optional<Value> lastChecked; // argument of the last loop.changed()
};

enum class Flow { Normal, Break, Continue };

class Evaluator {
public:
  Evaluator(const Program &program, const RenderOptions &options);
  ~Evaluator();

  Result<std::string> run(const nlohmann::ordered_json &variables);

  // What builtins need.
  Result<Value> attribute(const Value &object, std::string_view name);
  Result<Value> subscript(const Value &object, const Value &key);
  Result<Value> slice(const Value &object, const Value &start, const Value &stop, const Value &step);
  Result<Value> call(const Value &function, const Arguments &arguments);
  Result<Value> binary(std::string_view op, const Value &left, const Value &right);
  Result<bool> contains(const Value &container, const Value &item);
  Result<bool> compareOp(std::string_view op, const Value &left, const Value &right);
  /// Python's iteration: items, characters, keys; nothing for an undefined value.
  Result<std::vector<Value>> iterate(const Value &value);
  /// str(value); the text of a string as it is.
  Result<std::string> text(const Value &value);
  Result<void> appendText(const Value &value, bool quoted, TextBuilder &out, uint32_t depth = 0);
  Result<Value> newNamespace(std::vector<std::pair<std::string, Value>> attributes);

  Heap heap;
  const RenderOptions &options;

private:
  friend class DepthGuard;

  Result<Value> evaluate(const Expression &expression);
  Result<Value> visit(const ConstantNode &node);
  Result<Value> visit(const NameNode &node);
  Result<Value> visit(const ListNode &node);
  Result<Value> visit(const DictNode &node);
  Result<Value> visit(const AttributeNode &node);
  Result<Value> visit(const SubscriptNode &node);
  Result<Value> visit(const SliceNode &node);
  Result<Value> visit(const CallNode &node);
  Result<Value> visit(const FilterNode &node);
  Result<Value> visit(const TestNode &node);
  Result<Value> visit(const UnaryNode &node);
  Result<Value> visit(const BinaryNode &node);
  Result<Value> visit(const LogicNode &node);
  Result<Value> visit(const ConcatNode &node);
  Result<Value> visit(const CompareNode &node);
  Result<Value> visit(const ConditionalNode &node);
  Result<Arguments> arguments(const ArgumentList &list);
  Result<Value> applyFilters(const Expression &chain, Value input);
  Result<Value> callMacro(const Callable &callable, const Arguments &arguments);
  Result<Value> loopAttribute(LoopState &loop, std::string_view name);

  Result<Flow> execute(const Body &body);
  Result<Flow> execute(const Statement &statement);
  Result<Flow> visit(const TextStatement &node);
  Result<Flow> visit(const OutputStatement &node);
  Result<Flow> visit(const IfStatement &node);
  Result<Flow> visit(const ForStatement &node);
  Result<Flow> visit(const SetStatement &node);
  Result<Flow> visit(const SetBlockStatement &node);
  Result<Flow> visit(const MacroStatement &node);
  Result<Flow> visit(const CallBlockStatement &node);
  Result<Flow> visit(const FilterBlockStatement &node);
  Result<Flow> visit(const WithStatement &node);
  Result<Flow> visit(const GenerationStatement &node);
  Result<Flow> visit(const BreakStatement &) { return Flow::Break; }
  Result<Flow> visit(const ContinueStatement &) { return Flow::Continue; }

  /// Renders a body into a string of its own, in a scope inside of the present one.
  Result<Value> capture(const Body &body);
  Result<Value> makeMacro(const MacroStatement &node);
  /// The variable of the innermost scope that has it; null where none does.
  Result<Value *> lookUp(std::string_view name);
  Result<void> assign(const Target &target, const Value &value);
  /// Looks for one more item that passes the filter; false at the end.
  Result<bool> pull(LoopState &loop);
  Result<void> write(std::string_view text);
  Result<Value> fromJson(const nlohmann::ordered_json &json, uint32_t depth = 0);

  const Program &program;
  std::shared_ptr<Scope> scope;
  std::vector<std::shared_ptr<Scope>> captured; // by macros; emptied at the end, as they may form cycles
  std::deque<Namespace> namespaces;
  std::string output;               // of the template itself
  TextBuilder *capturing = nullptr; // where output goes instead, inside of macros and set blocks
  uint32_t depth = 0;
  uint32_t loopNesting = 0;
  int errorLine = 0; // of the innermost construct that failed; 0: none yet
};

/// Counts nested calls for as long as it lives; `ok` is false past the limit.
class DepthGuard {
public:
  explicit DepthGuard(Evaluator &evaluator) : evaluator(evaluator) { ++evaluator.depth; }
  ~DepthGuard() { --evaluator.depth; }
  Result<void> check() const;

private:
  Evaluator &evaluator;
};

} // namespace nibble::jinja
