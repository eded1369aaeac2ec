//===- Evaluator.cpp - Expressions ------------------------------------------------------------===//
//
// Attribute access follows jinja2: `a.b` is a method of a's type first and a key second, `a["b"]` the other
// way round, and what does not exist is an undefined value that fails only when it is used.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Evaluator.h"

#include "runtime/template/Builtins.h"
#include "runtime/template/Text.h"

#include <algorithm>

namespace nibble::jinja {

void Scope::set(std::string_view name, Value value) {
  for (auto &[key, old] : variables)
    if (key == name) {
      old = std::move(value);
      return;
    }
  variables.emplace_back(name, std::move(value));
}

Result<void> DepthGuard::check() const {
  uint32_t limit = evaluator.options.limits.depth;
  if (evaluator.depth > limit)
    return failure("more than " + std::to_string(limit) +
                   " nested statements, expressions and macro calls; does a macro call itself forever?");
  return {};
}

Result<Value> Evaluator::evaluate(const Expression &expression) {
  DepthGuard guard(*this);
  Result<Value> result = failure("");
  if (auto status = guard.check(); !status)
    result = failure(std::move(status.error().message));
  else if (auto status = heap.spend(1); !status)
    result = failure(std::move(status.error().message));
  else
    result = std::visit([this](const auto &node) { return visit(node); }, expression.node);
  if (!result && errorLine == 0)
    errorLine = expression.line;
  return result;
}

Result<Value> Evaluator::visit(const ConstantNode &node) { return node.value; }

Result<Value> Evaluator::visit(const NameNode &node) {
  NIBBLE_TRY(const Value *value, lookUp(node.name));
  if (value)
    return *value;
  if (Function function = findGlobal(node.name))
    return heap.callable(node.name, function, Value());
  return Value::undefined("'" + node.name + "' is undefined");
}

Result<Value> Evaluator::visit(const ListNode &node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr &item : node.items) {
    NIBBLE_TRY(Value value, evaluate(*item));
    items.push_back(std::move(value));
  }
  return heap.sequence(std::move(items), node.isTuple ? SequenceKind::Tuple : SequenceKind::List);
}

Result<Value> Evaluator::visit(const DictNode &node) {
  std::vector<DictEntry> entries;
  entries.reserve(node.entries.size());
  for (const auto &[key, value] : node.entries) {
    NIBBLE_TRY(Value keyValue, evaluate(*key));
    NIBBLE_TRY(Value valueValue, evaluate(*value));
    entries.emplace_back(std::move(keyValue), std::move(valueValue));
  }
  return heap.dict(std::move(entries));
}

Result<Value> Evaluator::visit(const AttributeNode &node) {
  NIBBLE_TRY(Value object, evaluate(*node.object));
  return attribute(object, node.name);
}

Result<Value> Evaluator::visit(const SubscriptNode &node) {
  NIBBLE_TRY(Value object, evaluate(*node.object));
  NIBBLE_TRY(Value key, evaluate(*node.key));
  return subscript(object, key);
}

Result<Value> Evaluator::visit(const SliceNode &node) {
  NIBBLE_TRY(Value object, evaluate(*node.object));
  Value bounds[3];
  const ExpressionPtr *expressions[3] = {&node.start, &node.stop, &node.step};
  for (size_t i = 0; i < 3; ++i)
    if (*expressions[i]) {
      NIBBLE_TRY(bounds[i], evaluate(**expressions[i]));
    }
  return slice(object, bounds[0], bounds[1], bounds[2]);
}

Result<Arguments> Evaluator::arguments(const ArgumentList &list) {
  Arguments result;
  for (const ExpressionPtr &argument : list.positional) {
    NIBBLE_TRY(Value value, evaluate(*argument));
    result.positional.push_back(std::move(value));
  }
  for (const auto &[name, argument] : list.named) {
    NIBBLE_TRY(Value value, evaluate(*argument));
    result.named.emplace_back(name, std::move(value));
  }
  if (list.spread) {
    NIBBLE_TRY(Value value, evaluate(*list.spread));
    NIBBLE_TRY(std::vector<Value> items, iterate(value));
    result.positional.insert(result.positional.end(), items.begin(), items.end());
  }
  if (list.spreadNamed) {
    NIBBLE_TRY(Value value, evaluate(*list.spreadNamed));
    const Dict *dict = value.asDict();
    if (!dict)
      return failure("the value after ** must be a dict, not " + value.typeName());
    for (const auto &[key, item] : dict->entries) {
      if (!key.isString())
        return failure("keywords must be strings, not " + key.typeName());
      result.named.emplace_back(std::string(key.string()), item);
    }
  }
  return result;
}

Result<Value> Evaluator::visit(const CallNode &node) {
  NIBBLE_TRY(Value function, evaluate(*node.function));
  NIBBLE_TRY(Arguments values, arguments(node.arguments));
  return call(function, values);
}

Result<Value> Evaluator::visit(const FilterNode &node) {
  if (!node.function)
    return failure("no filter named '" + node.name + "'");
  NIBBLE_TRY(Value input, evaluate(*node.input));
  NIBBLE_TRY(Arguments values, arguments(node.arguments));
  return node.function(*this, input, values);
}

Result<Value> Evaluator::applyFilters(const Expression &chain, Value input) {
  const auto &node = std::get<FilterNode>(chain.node);
  if (!node.function)
    return failure("no filter named '" + node.name + "'");
  if (node.input) {
    NIBBLE_TRY(input, applyFilters(*node.input, std::move(input)));
  }
  NIBBLE_TRY(Arguments values, arguments(node.arguments));
  return node.function(*this, input, values);
}

Result<Value> Evaluator::visit(const TestNode &node) {
  if (!node.test)
    return failure("no test named '" + node.name + "'");
  NIBBLE_TRY(Value subject, evaluate(*node.subject));
  NIBBLE_TRY(Arguments values, arguments(node.arguments));
  for (auto &[name, value] : values.named)
    values.positional.push_back(std::move(value));
  if (values.positional.size() != node.arity)
    return failure("test '" + node.name + "' takes " + std::to_string(node.arity) + " arguments, not " +
                   std::to_string(values.positional.size()));
  NIBBLE_TRY(bool answer, node.test(*this, subject, values.positional));
  return Value(answer);
}

Result<Value> Evaluator::visit(const UnaryNode &node) {
  NIBBLE_TRY(Value operand, evaluate(*node.operand));
  if (node.op == UnaryOperator::Not)
    return Value(!operand.truthy());
  if (const Missing *missing = operand.asUndefined())
    return failure(missing->message);
  if (!operand.isNumber())
    return failure("bad operand type for a sign: '" + operand.typeName() + "'");
  if (operand.isFloat())
    return Value(node.op == UnaryOperator::Minus ? -operand.number() : operand.number());
  return binary(node.op == UnaryOperator::Minus ? "-" : "+", Value(0), operand);
}

Result<Value> Evaluator::visit(const BinaryNode &node) {
  NIBBLE_TRY(Value left, evaluate(*node.left));
  NIBBLE_TRY(Value right, evaluate(*node.right));
  return binary(node.op, left, right);
}

Result<Value> Evaluator::visit(const LogicNode &node) {
  NIBBLE_TRY(Value left, evaluate(*node.left));
  if (left.truthy() != node.isAnd)
    return left;
  return evaluate(*node.right);
}

Result<Value> Evaluator::visit(const ConcatNode &node) {
  TextBuilder text(heap);
  for (const ExpressionPtr &part : node.parts) {
    NIBBLE_TRY(Value value, evaluate(*part));
    NIBBLE_CHECK(appendText(value, false, text));
  }
  return text.finish();
}

Result<Value> Evaluator::visit(const CompareNode &node) {
  NIBBLE_TRY(Value left, evaluate(*node.first));
  for (const auto &[op, operand] : node.rest) {
    NIBBLE_TRY(Value right, evaluate(*operand));
    NIBBLE_TRY(bool holds, compareOp(op, left, right));
    if (!holds)
      return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Evaluator::visit(const ConditionalNode &node) {
  NIBBLE_TRY(Value condition, evaluate(*node.condition));
  if (condition.truthy())
    return evaluate(*node.then);
  if (node.otherwise)
    return evaluate(*node.otherwise);
  return Value::undefined("the inline if-expression evaluated to false and no else section was defined");
}

static std::string describe(const Value &object) {
  return object.isNone() ? "'None'" : "'" + object.typeName() + " object'";
}

static Value noAttribute(const Value &object, std::string_view name) {
  return Value::undefined(describe(object) + " has no attribute '" + std::string(name) + "'");
}

/// A method as a value, an undefined value where the sandbox hides it, nothing where there is none.
static Result<std::optional<Value>> method(Heap &heap, const Value &object, std::string_view name) {
  Method found = findMethod(object, name);
  if (found.forbidden || (name.size() > 4 && name.starts_with("__") && name.ends_with("__")))
    return Value::undefined("access to attribute '" + std::string(name) + "' of '" + object.typeName() +
                            "' object is unsafe: templates cannot change their values");
  if (!found.function)
    return std::nullopt;
  NIBBLE_TRY(Value callable, heap.callable(std::string(name), found.function, object));
  return callable;
}

Result<Value> Evaluator::attribute(const Value &object, std::string_view name) {
  if (const Missing *missing = object.asUndefined())
    return failure(missing->message);
  if (Namespace *space = object.asNamespace()) {
    const Value *value = space->find(name);
    return value ? *value : noAttribute(object, name);
  }
  NIBBLE_TRY(std::optional<Value> bound, method(heap, object, name));
  if (bound)
    return *bound;
  if (LoopState *loop = object.asLoop())
    return loopAttribute(*loop, name);
  if (const Dict *dict = object.asDict())
    if (const Value *value = dict->find(name))
      return *value;
  return noAttribute(object, name);
}

Result<Value> Evaluator::subscript(const Value &object, const Value &key) {
  if (const Missing *missing = object.asUndefined())
    return failure(missing->message);
  NIBBLE_CHECK(heap.spend(key.weight()));
  if (const Dict *dict = object.asDict()) {
    if (!key.isString()) {
      NIBBLE_CHECK(heap.spend(dict->entries.size()));
    }
    if (isHashable(key))
      if (const Value *value = dict->find(key))
        return *value;
  } else if ((key.isInteger() || key.isBool()) && (object.isString() || object.asSequence())) {
    const Sequence *sequence = object.asSequence();
    if (!sequence) {
      NIBBLE_CHECK(heap.spend(object.weight() * (isAscii(object.string()) ? 1 : 4)));
    }
    auto size = static_cast<Integer>(sequence ? sequence->items.size() : length(object.string()));
    Integer index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index >= 0 && index < size && !(sequence && sequence->kind == SequenceKind::View)) {
      if (sequence)
        return sequence->items[static_cast<size_t>(index)];
      std::string_view text = object.string();
      size_t begin =
          isAscii(text) ? static_cast<size_t>(index) : byteOffset(text, static_cast<size_t>(index));
      return heap.string(text.substr(begin, decode(text, begin).size));
    }
  }
  if (!key.isString()) {
    NIBBLE_TRY(std::string shown, text(key));
    return Value::undefined(describe(object) + " has no element " + shown);
  }
  if (object.asDict()) { // the key is absent: only methods are left
    NIBBLE_TRY(std::optional<Value> bound, method(heap, object, key.string()));
    return bound ? *bound : noAttribute(object, key.string());
  }
  return attribute(object, key.string());
}

/// Python's slice bounds for a sequence of `size` items.
static Result<bool> sliceBounds(const Value (&bounds)[3], Integer size, Integer (&out)[3]) {
  Integer step = bounds[2].isNone() ? 1 : bounds[2].integer();
  if (step == 0)
    return failure("slice step cannot be zero");
  Integer low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  out[0] = step > 0 ? low : high;
  out[1] = step > 0 ? high : low;
  out[2] = step;
  for (size_t i = 0; i < 2; ++i)
    if (!bounds[i].isNone()) {
      Integer at = bounds[i].integer();
      out[i] = std::clamp<Integer>(at < 0 ? at + size : at, low, high);
    }
  return true;
}

Result<Value> Evaluator::slice(const Value &object, const Value &start, const Value &stop,
                               const Value &step) {
  if (const Missing *missing = object.asUndefined())
    return failure(missing->message);
  const Sequence *sequence = object.asSequence();
  const Value bounds[3] = {start, stop, step};
  bool usable = object.isString() || (sequence && sequence->kind != SequenceKind::View);
  for (const Value &bound : bounds)
    usable = usable && (bound.isNone() || bound.isInteger() || bound.isBool());
  if (!usable)
    return failure("cannot slice a " + object.typeName() +
                   " with these bounds; they must be integers or none");
  Integer range[3];
  if (sequence) {
    NIBBLE_CHECK(sliceBounds(bounds, static_cast<Integer>(sequence->items.size()), range));
    ListBuilder items(heap);
    for (Integer i = range[0]; range[2] > 0 ? i < range[1] : i > range[1]; i += range[2]) {
      items.push(sequence->items[static_cast<size_t>(i)]);
      if (range[2] > (Integer(1) << 64) || range[2] < -(Integer(1) << 64))
        break;
    }
    return items.finish(sequence->kind == SequenceKind::Tuple ? SequenceKind::Tuple : SequenceKind::List);
  }
  NIBBLE_CHECK(heap.spend(object.weight()));
  std::string_view text = object.string();
  bool ascii = isAscii(text);
  NIBBLE_CHECK(sliceBounds(bounds, static_cast<Integer>(ascii ? text.size() : length(text)), range));
  if (range[2] == 1) {
    if (range[0] >= range[1])
      return heap.string("");
    size_t begin = static_cast<size_t>(range[0]), count = static_cast<size_t>(range[1] - range[0]);
    if (!ascii) {
      begin = byteOffset(text, begin);
      count = byteOffset(text.substr(begin), count);
    }
    return heap.string(text.substr(begin, count));
  }
  NIBBLE_CHECK(heap.require(text.size() * sizeof(std::string_view)));
  NIBBLE_CHECK(heap.spend(text.size() / 16));
  std::vector<std::string_view> characters;
  for (size_t at = 0; at < text.size(); at += characters.back().size())
    characters.push_back(text.substr(at, decode(text, at).size));
  TextBuilder out(heap);
  for (Integer i = range[0]; range[2] > 0 ? i < range[1] : i > range[1]; i += range[2]) {
    out.append(characters[static_cast<size_t>(i)]);
    if (range[2] > (Integer(1) << 64) || range[2] < -(Integer(1) << 64))
      break;
  }
  return out.finish();
}

Result<Value> Evaluator::call(const Value &function, const Arguments &arguments) {
  if (const Missing *missing = function.asUndefined())
    return failure(missing->message);
  const Callable *callable = function.asCallable();
  if (!callable)
    return failure("'" + function.typeName() + "' object is not callable");
  DepthGuard guard(*this);
  NIBBLE_CHECK(guard.check());
  return callable->macro ? callMacro(*callable, arguments)
                         : callable->function(*this, callable->self, arguments);
}

Result<std::vector<Value>> Evaluator::iterate(const Value &value) {
  if (const Sequence *sequence = value.asSequence()) {
    NIBBLE_CHECK(heap.require(sequence->items.size() * sizeof(Value)));
    NIBBLE_CHECK(heap.spend(1 + sequence->items.size() / 4));
    return sequence->items;
  }
  std::vector<Value> items;
  if (const Dict *dict = value.asDict()) {
    NIBBLE_CHECK(heap.require(dict->entries.size() * sizeof(Value)));
    NIBBLE_CHECK(heap.spend(1 + dict->entries.size() / 4));
    for (const DictEntry &entry : dict->entries)
      items.push_back(entry.first);
    return items;
  }
  if (value.isString()) {
    std::string_view text = value.string();
    ListBuilder characters(heap);
    for (size_t at = 0; at < text.size();) {
      size_t size = decode(text, at).size;
      NIBBLE_CHECK(characters.pushText(text.substr(at, size)));
      at += size;
    }
    return characters.take();
  }
  if (value.isUndefined())
    return items;
  return failure("'" + value.typeName() + "' object is not iterable");
}

Result<Value> Evaluator::newNamespace(std::vector<std::pair<std::string, Value>> attributes) {
  NIBBLE_CHECK(heap.require(sizeof(Namespace)));
  NIBBLE_CHECK(heap.spend(16)); // lives until the end of the rendering
  if (namespaces.size() >= 100'000)
    return failure("the template makes more than 100000 namespaces");
  namespaces.emplace_back();
  Namespace *made = &namespaces.back();
  for (auto &[name, value] : attributes) {
    if (Value *known = made->find(name))
      *known = std::move(value);
    else
      made->attributes.emplace_back(std::move(name), std::move(value));
  }
  return Value(made);
}

} // namespace nibble::jinja
