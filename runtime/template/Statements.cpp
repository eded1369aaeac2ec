//===- Statements.cpp - Text, loops, assignments and macros -----------------------------------===//
//
// Loops, macros, call, set and filter blocks open a scope; `if` does not. Assignments never leave their
// scope: only namespaces carry values out of a loop.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace nibble::jinja {

namespace {

/// Ends a loop: it pulls no more items and lets go of what loop.changed() kept, which may hold the loop
/// itself.
class LoopEnd {
public:
  explicit LoopEnd(LoopState &loop) : loop(loop) {}
  ~LoopEnd() {
    loop.finished = true;
    loop.lastChecked.reset();
  }

private:
  LoopState &loop;
};

/// Puts a member back to what it was.
template <typename T> class Restore {
public:
  Restore(T &target, T value) : target(target), saved(std::exchange(target, std::move(value))) {}
  ~Restore() { target = std::move(saved); }

private:
  T &target;
  T saved;
};

} // namespace

Evaluator::Evaluator(const Program &program, const RenderOptions &options)
    : heap(options.limits), options(options), program(program), scope(std::make_shared<Scope>()) {}

Evaluator::~Evaluator() {
  // Macros hold the scopes that hold them: take the values out first, while every scope is still owned here.
  for (const auto &owned : captured)
    owned->variables.clear();
  scope->variables.clear();
  for (Namespace &space : namespaces)
    space.attributes.clear();
}

Result<std::string> Evaluator::run(const nlohmann::ordered_json &variables) {
  auto named = [&](const Error &error) {
    std::string where = errorLine > 0 ? "line " + std::to_string(errorLine) + ": " : "";
    return failure(program.name + ": " + where + error.message);
  };
  if (!variables.is_object())
    return named({"the variables of a chat template must be a JSON object, not " +
                  std::string(variables.type_name())});
  for (const auto &[name, json] : variables.items()) {
    Result<Value> value = fromJson(json);
    if (!value)
      return named({"variable '" + name + "': " + value.error().message});
    scope->variables.emplace_back(name, *std::move(value));
  }
  if (Result<Flow> done = execute(program.body); !done)
    return named(done.error());
  return std::move(output);
}

Result<Value> Evaluator::fromJson(const nlohmann::ordered_json &json, uint32_t depth) {
  if (depth > maxValueDepth)
    return failure("JSON is nested more than " + std::to_string(maxValueDepth) + " deep");
  using Type = nlohmann::ordered_json::value_t;
  switch (json.type()) {
  case Type::boolean:
    return Value(json.get<bool>());
  case Type::number_integer:
    return Value(Integer(json.get<int64_t>()));
  case Type::number_unsigned:
    return Value(Integer(json.get<uint64_t>()));
  case Type::number_float:
    return Value(json.get<double>());
  case Type::string:
    return heap.string(json.get_ref<const std::string &>());
  case Type::array: {
    ListBuilder items(heap);
    for (const auto &item : json) {
      NIBBLE_TRY(Value value, fromJson(item, depth + 1));
      items.push(std::move(value));
    }
    return items.finish();
  }
  case Type::object: {
    std::vector<DictEntry> entries;
    entries.reserve(json.size());
    for (const auto &[key, item] : json.items()) {
      NIBBLE_TRY(Value name, heap.string(key));
      NIBBLE_TRY(Value value, fromJson(item, depth + 1));
      entries.emplace_back(std::move(name), std::move(value));
    }
    return heap.dict(std::move(entries));
  }
  default:
    return Value();
  }
}

Result<void> Evaluator::write(std::string_view text) {
  if (capturing) {
    capturing->append(text);
    if (capturing->full())
      NIBBLE_CHECK(heap.require(UINT64_MAX));
    return {};
  }
  if (text.size() > options.limits.outputBytes - output.size())
    return failure("the template writes more than " + std::to_string(options.limits.outputBytes) + " bytes");
  NIBBLE_CHECK(heap.spend(text.size() / 64));
  output += text;
  return {};
}

Result<Flow> Evaluator::execute(const Body &body) {
  for (const Statement &statement : body) {
    NIBBLE_TRY(Flow flow, execute(statement));
    if (flow != Flow::Normal)
      return flow;
  }
  return Flow::Normal;
}

Result<Flow> Evaluator::execute(const Statement &statement) {
  DepthGuard guard(*this);
  Result<Flow> result = Flow::Normal;
  if (auto status = guard.check(); !status)
    result = failure(std::move(status.error().message));
  else if (auto status = heap.spend(1); !status)
    result = failure(std::move(status.error().message));
  else
    result = std::visit([this](const auto &node) { return visit(node); }, statement.node);
  if (!result && errorLine == 0)
    errorLine = statement.line;
  return result;
}

Result<Flow> Evaluator::visit(const TextStatement &node) {
  NIBBLE_CHECK(write(node.text));
  return Flow::Normal;
}

Result<Flow> Evaluator::visit(const OutputStatement &node) {
  NIBBLE_TRY(Value value, evaluate(*node.value));
  if (value.isString()) {
    NIBBLE_CHECK(write(value.string()));
    return Flow::Normal;
  }
  NIBBLE_TRY(std::string shown, text(value));
  NIBBLE_CHECK(write(shown));
  return Flow::Normal;
}

Result<Flow> Evaluator::visit(const IfStatement &node) {
  for (const auto &[condition, body] : node.branches) {
    NIBBLE_TRY(Value value, evaluate(*condition));
    if (value.truthy())
      return execute(body);
  }
  return execute(node.otherwise);
}

Result<bool> Evaluator::pull(LoopState &loop) {
  while (loop.nextSource < loop.source.size()) {
    Value item = loop.source[loop.nextSource++];
    if (loop.statement->filter) {
      NIBBLE_CHECK(heap.spend(1));
      auto inner = std::make_shared<Scope>();
      inner->parent = loop.scope;
      Restore<std::shared_ptr<Scope>> restore(scope, std::move(inner));
      NIBBLE_CHECK(assign(loop.statement->target, item));
      NIBBLE_TRY(Value passes, evaluate(*loop.statement->filter));
      if (!passes.truthy())
        continue;
    }
    loop.items.push_back(std::move(item));
    return true;
  }
  return false;
}

Result<Flow> Evaluator::visit(const ForStatement &node) {
  NIBBLE_TRY(Value iterable, evaluate(*node.iterable));
  auto loop = std::make_shared<LoopState>();
  NIBBLE_TRY(loop->source, iterate(iterable));
  loop->depth = 1 + iterable.depth();
  if (loop->depth > maxValueDepth)
    return failure("loops over loops are nested too deep");
  uint64_t bytes = sizeof(LoopState) + 2 * loop->source.size() * sizeof(Value);
  NIBBLE_CHECK(heap.require(bytes));
  heap.charge(*loop, bytes);
  loop->statement = &node;
  loop->scope = scope;
  loop->nesting = loopNesting + 1;
  Restore<std::shared_ptr<Scope>> restore(scope, scope);
  Restore<uint32_t> restoreNesting(loopNesting, loop->nesting);
  LoopEnd end(*loop);
  constexpr uint64_t stepsOfAnIteration = 4; // a scope and its variables
  for (;; ++loop->index) {
    NIBBLE_CHECK(heap.spend(stepsOfAnIteration));
    if (loop->items.size() <= loop->index) {
      NIBBLE_TRY(bool found, pull(*loop));
      if (!found)
        break;
    }
    scope = std::make_shared<Scope>();
    scope->parent = loop->scope;
    scope->set("loop", Value(loop));
    NIBBLE_CHECK(assign(node.target, loop->items[loop->index]));
    NIBBLE_TRY(Flow flow, execute(node.body));
    if (flow == Flow::Break)
      break;
  }
  loop->finished = true;
  if (!loop->items.empty())
    return Flow::Normal;
  scope = std::make_shared<Scope>();
  scope->parent = loop->scope;
  return execute(node.otherwise);
}

Result<Value> Evaluator::loopAttribute(LoopState &loop, std::string_view name) {
  auto index = static_cast<Integer>(loop.index);
  auto pullAll = [&]() -> Result<Integer> {
    for (bool more = !loop.finished; more;) {
      NIBBLE_TRY(more, pull(loop));
    }
    return static_cast<Integer>(loop.items.size());
  };
  auto hasNext = [&]() -> Result<bool> {
    if (loop.items.size() > loop.index + 1)
      return true;
    if (loop.finished)
      return false;
    return pull(loop);
  };
  if (name == "index")
    return Value(index + 1);
  if (name == "index0")
    return Value(index);
  if (name == "first")
    return Value(index == 0);
  if (name == "depth" || name == "depth0") // only recursive loops count higher
    return Value(Integer(name == "depth" ? 1 : 0));
  if (name == "length" || name == "revindex" || name == "revindex0") {
    NIBBLE_TRY(Integer size, pullAll());
    return Value(name == "length" ? size : name == "revindex" ? size - index : size - index - 1);
  }
  if (name == "last" || name == "nextitem") {
    NIBBLE_TRY(bool more, hasNext());
    if (name == "last")
      return Value(!more);
    return more ? loop.items[loop.index + 1] : Value::undefined("there is no next item");
  }
  if (name == "previtem")
    return index > 0 ? loop.items[loop.index - 1] : Value::undefined("there is no previous item");
  return Value::undefined("the loop has no attribute '" + std::string(name) + "'");
}

Result<void> Evaluator::assign(const Target &target, const Value &value) {
  if (!target.elements.empty()) {
    NIBBLE_TRY(std::vector<Value> items, iterate(value));
    if (value.isUndefined())
      return failure(value.asUndefined()->message);
    if (items.size() != target.elements.size())
      return failure("cannot unpack " + std::to_string(items.size()) + " values into " +
                     std::to_string(target.elements.size()) + " names");
    for (size_t i = 0; i < items.size(); ++i)
      NIBBLE_CHECK(assign(target.elements[i], items[i]));
    return {};
  }
  if (target.attribute.empty()) {
    NIBBLE_CHECK(heap.require(sizeof(std::pair<std::string_view, Value>)));
    NIBBLE_CHECK(heap.spend(scope->variables.size() / 16));
    scope->set(target.name, value);
    return {};
  }
  NIBBLE_TRY(const Value *object, lookUp(target.name));
  Namespace *space = object ? object->asNamespace() : nullptr;
  if (!space)
    return failure("cannot assign attribute '" + target.attribute + "': '" + target.name +
                   "' is not a namespace (make it with namespace())");
  if (Value *known = space->find(target.attribute))
    *known = value;
  else
    space->attributes.emplace_back(target.attribute, value);
  return {};
}

Result<Flow> Evaluator::visit(const SetStatement &node) {
  NIBBLE_TRY(Value value, evaluate(*node.value));
  NIBBLE_CHECK(assign(node.target, value));
  return Flow::Normal;
}

Result<Value> Evaluator::capture(const Body &body) {
  TextBuilder text(heap);
  auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  Restore<std::shared_ptr<Scope>> restoreScope(scope, std::move(inner));
  Restore<TextBuilder *> restoreOutput(capturing, &text);
  NIBBLE_CHECK(execute(body));
  return text.finish();
}

Result<Flow> Evaluator::visit(const SetBlockStatement &node) {
  NIBBLE_TRY(Value value, capture(node.body));
  if (node.filter) {
    NIBBLE_TRY(value, applyFilters(*node.filter, std::move(value)));
  }
  NIBBLE_CHECK(assign(node.target, value));
  return Flow::Normal;
}

Result<Flow> Evaluator::visit(const FilterBlockStatement &node) {
  NIBBLE_TRY(Value value, capture(node.body));
  NIBBLE_TRY(value, applyFilters(*node.filter, std::move(value)));
  NIBBLE_TRY(std::string shown, text(value));
  NIBBLE_CHECK(write(shown));
  return Flow::Normal;
}

Result<Flow> Evaluator::visit(const WithStatement &node) {
  auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  std::vector<Value> values; // all are evaluated outside of the block
  for (const auto &[target, expression] : node.assignments) {
    NIBBLE_TRY(Value value, evaluate(*expression));
    values.push_back(std::move(value));
  }
  Restore<std::shared_ptr<Scope>> restore(scope, std::move(inner));
  for (size_t i = 0; i < values.size(); ++i)
    NIBBLE_CHECK(assign(node.assignments[i].first, values[i]));
  return execute(node.body);
}

Result<Flow> Evaluator::visit(const GenerationStatement &node) {
  auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  Restore<std::shared_ptr<Scope>> restore(scope, std::move(inner));
  return execute(node.body);
}

Result<Value *> Evaluator::lookUp(std::string_view name) {
  uint64_t passed = 0;
  for (Scope *at = scope.get(); at; at = at->parent.get())
    for (auto &[key, value] : at->variables) {
      if (key == name) {
        NIBBLE_CHECK(heap.spend(passed / 16));
        return &value;
      }
      ++passed;
    }
  NIBBLE_CHECK(heap.spend(passed / 16));
  return nullptr;
}

Result<Value> Evaluator::makeMacro(const MacroStatement &node) {
  constexpr uint64_t bytes = sizeof(Callable) + sizeof(Scope) + 64;
  NIBBLE_CHECK(heap.require(bytes));
  auto macro = std::make_shared<Callable>();
  heap.charge(*macro, bytes);
  macro->name = node.name.empty() ? "caller" : node.name;
  macro->macro = &node;
  macro->scope = scope;
  if (captured.size() >= 1'000'000)
    return failure("the template defines more than 1000000 macros");
  if (captured.empty() || captured.back() != scope)
    captured.push_back(scope);
  return Value(std::shared_ptr<const Callable>(std::move(macro)));
}

Result<Flow> Evaluator::visit(const MacroStatement &node) {
  NIBBLE_TRY(Value macro, makeMacro(node));
  scope->set(node.name, std::move(macro));
  return Flow::Normal;
}

Result<Flow> Evaluator::visit(const CallBlockStatement &node) {
  NIBBLE_TRY(Value caller, makeMacro(node.caller));
  const auto &callNode = std::get<CallNode>(node.call->node);
  NIBBLE_TRY(Value function, evaluate(*callNode.function));
  NIBBLE_TRY(Arguments values, arguments(callNode.arguments));
  values.named.emplace_back("caller", std::move(caller));
  NIBBLE_TRY(Value result, call(function, values));
  NIBBLE_TRY(std::string shown, text(result));
  NIBBLE_CHECK(write(shown));
  return Flow::Normal;
}

Result<Value> Evaluator::callMacro(const Callable &callable, const Arguments &arguments) {
  const MacroStatement &macro = *callable.macro;
  auto inner = std::make_shared<Scope>();
  inner->parent = callable.scope;
  NIBBLE_CHECK(
      heap.spend(macro.parameters.size() * (1 + macro.parameters.size() / 16 + arguments.named.size() / 16)));
  std::vector<DictEntry> extraNamed;
  std::vector<bool> given(macro.parameters.size(), false);
  bool hasCaller = false;
  for (size_t i = 0; i < std::min(arguments.positional.size(), macro.parameters.size()); ++i) {
    inner->set(macro.parameters[i].first, arguments.positional[i]);
    given[i] = true;
  }
  for (const auto &[name, value] : arguments.named) {
    size_t i = 0;
    while (i < macro.parameters.size() && macro.parameters[i].first != name)
      ++i;
    if (i < macro.parameters.size()) {
      if (given[i])
        return failure("macro '" + callable.name + "' got two values for argument '" + name + "'");
      inner->set(macro.parameters[i].first, value);
      given[i] = true;
    } else if (name == "caller" && macro.usesCaller) {
      inner->set("caller", value);
      hasCaller = true;
    } else if (macro.usesKwargs) {
      NIBBLE_TRY(Value key, heap.string(name));
      extraNamed.emplace_back(std::move(key), value);
    } else {
      return failure("macro '" + callable.name + "' takes no keyword argument '" + name + "'");
    }
  }
  if (arguments.positional.size() > macro.parameters.size()) {
    if (!macro.usesVarargs)
      return failure("macro '" + callable.name + "' takes not more than " +
                     std::to_string(macro.parameters.size()) + " arguments");
  }
  if (macro.usesVarargs) {
    size_t named = std::min(arguments.positional.size(), macro.parameters.size());
    NIBBLE_TRY(Value extra, heap.sequence({arguments.positional.begin() + static_cast<ptrdiff_t>(named),
                                           arguments.positional.end()},
                                          SequenceKind::Tuple));
    inner->set("varargs", std::move(extra));
  }
  if (macro.usesKwargs) {
    NIBBLE_TRY(Value extra, heap.dict(std::move(extraNamed)));
    inner->set("kwargs", std::move(extra));
  }
  if (macro.usesCaller && !hasCaller)
    inner->set("caller", Value::undefined("No caller defined"));
  Restore<std::shared_ptr<Scope>> restoreScope(scope, std::move(inner));
  Restore<uint32_t> restoreNesting(loopNesting, 0);
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    if (given[i])
      continue;
    const auto &[name, expression] = macro.parameters[i];
    if (!expression) {
      scope->set(name, Value::undefined("parameter '" + name + "' was not provided"));
      continue;
    }
    NIBBLE_TRY(Value value, evaluate(*expression));
    scope->set(name, std::move(value));
  }
  TextBuilder text(heap);
  Restore<TextBuilder *> restoreOutput(capturing, &text);
  NIBBLE_CHECK(execute(macro.body));
  return text.finish();
}

} // namespace nibble::jinja
