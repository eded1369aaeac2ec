//===- Value.cpp - Truth, equality, order, and the heap's accounts ----------------------------===//
//
// Every container is made here, so that no value is deeper than maxValueDepth or larger than the heap's room.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Value.h"

#include "runtime/template/Evaluator.h"

#include <algorithm>

namespace nibble::jinja {

Charged::~Charged() {
  if (heap)
    heap->release(bytes);
}

Value Value::undefined(std::string message) {
  Value value;
  value.data = std::make_shared<const Missing>(Missing{std::move(message)});
  return value;
}

bool Value::truthy() const {
  if (isNone() || isUndefined())
    return false;
  if (isBool())
    return boolean();
  if (isInteger())
    return integer() != 0;
  if (isFloat())
    return number() != 0;
  if (isString())
    return !string().empty();
  if (const Sequence *sequence = asSequence())
    return !sequence->items.empty() ||
           (sequence->kind == SequenceKind::View && sequence->label == "generator");
  if (const Dict *dict = asDict())
    return !dict->entries.empty();
  return true;
}

uint32_t Value::depth() const {
  if (const Sequence *sequence = asSequence())
    return sequence->depth;
  if (const Dict *dict = asDict())
    return dict->depth;
  if (const Callable *callable = asCallable())
    return 1 + callable->self.depth();
  if (const LoopState *loop = asLoop())
    return loop->depth;
  return 0;
}

uint64_t Value::weight() const {
  if (isString())
    return 1 + string().size() / 64;
  if (const Sequence *sequence = asSequence())
    return sequence->weight;
  if (const Dict *dict = asDict())
    return dict->weight;
  return 1;
}

std::string Value::typeName() const {
  if (isNone())
    return "NoneType";
  if (isUndefined())
    return "Undefined";
  if (isBool())
    return "bool";
  if (isInteger())
    return "int";
  if (isFloat())
    return "float";
  if (isString())
    return "str";
  if (asDict())
    return "dict";
  if (asNamespace())
    return "Namespace";
  if (asLoop())
    return "LoopContext";
  if (const Callable *callable = asCallable())
    return callable->macro ? "Macro" : "builtin_function_or_method";
  const Sequence *sequence = asSequence();
  switch (sequence->kind) {
  case SequenceKind::List:
    return "list";
  case SequenceKind::Tuple:
    return "tuple";
  case SequenceKind::Range:
    return "range";
  case SequenceKind::View:
    return sequence->label;
  }
  return "list";
}

bool Value::identical(const Value &other) const {
  if (data.index() != other.data.index())
    return false;
  if (isNone() || isUndefined())
    return true;
  if (isBool() || isInteger() || isFloat() || isString())
    return equal(*this, other);
  if (const Sequence *sequence = asSequence())
    return sequence == other.asSequence();
  if (const Dict *dict = asDict())
    return dict == other.asDict();
  if (const Callable *callable = asCallable())
    return callable == other.asCallable();
  if (const LoopState *loop = asLoop())
    return loop == other.asLoop();
  return asNamespace() == other.asNamespace();
}

const Value *Dict::find(std::string_view key) const {
  if (!index.empty()) {
    auto it = index.find(key);
    return it == index.end() ? nullptr : &entries[it->second].second;
  }
  for (const DictEntry &entry : entries)
    if (entry.first.isString() && entry.first.string() == key)
      return &entry.second;
  return nullptr;
}

const Value *Dict::find(const Value &key) const {
  if (key.isString())
    return find(key.string());
  for (const DictEntry &entry : entries)
    if (equal(entry.first, key))
      return &entry.second;
  return nullptr;
}

void Dict::buildIndex() {
  if (entries.size() < indexFrom)
    return;
  for (size_t i = 0; i < entries.size(); ++i)
    if (entries[i].first.isString())
      index.emplace(entries[i].first.string(), i);
}

Value *Namespace::find(std::string_view name) {
  for (auto &[key, value] : attributes)
    if (key == name)
      return &value;
  return nullptr;
}

bool equal(const Value &a, const Value &b) {
  if (a.isNumber() && b.isNumber()) {
    if (a.isFloat() || b.isFloat())
      return a.number() == b.number();
    return a.integer() == b.integer();
  }
  if (a.isString() && b.isString())
    return a.string() == b.string();
  if (const Sequence *left = a.asSequence()) {
    const Sequence *right = b.asSequence();
    if (!right || left->kind != right->kind || left->items.size() != right->items.size())
      return false;
    if (left->kind == SequenceKind::View)
      return left == right;
    return std::equal(left->items.begin(), left->items.end(), right->items.begin(), equal);
  }
  if (const Dict *left = a.asDict()) {
    const Dict *right = b.asDict();
    if (!right || left->entries.size() != right->entries.size())
      return false;
    return std::all_of(left->entries.begin(), left->entries.end(), [&](const DictEntry &entry) {
      const Value *other = right->find(entry.first);
      return other && equal(entry.second, *other);
    });
  }
  return !a.isNumber() && !a.isString() && a.identical(b);
}

Result<int> compare(const Value &a, const Value &b, std::string_view op) {
  auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.isNumber() && b.isNumber()) {
    if (a.isFloat() || b.isFloat())
      return sign(a.number(), b.number());
    return sign(a.integer(), b.integer());
  }
  if (a.isString() && b.isString())
    return sign(a.string().compare(b.string()), 0); // UTF-8 sorts as code points do
  const Sequence *left = a.asSequence(), *right = b.asSequence();
  if (left && right && left->kind == right->kind && left->kind <= SequenceKind::Tuple) {
    for (size_t i = 0; i < std::min(left->items.size(), right->items.size()); ++i)
      if (!equal(left->items[i], right->items[i]))
        return compare(left->items[i], right->items[i], op);
    return sign(left->items.size(), right->items.size());
  }
  for (const Value *side : {&a, &b})
    if (const Missing *missing = side->asUndefined())
      return failure(missing->message);
  return failure("'" + std::string(op) + "' is not supported between '" + a.typeName() + "' and '" +
                 b.typeName() + "'");
}

bool isHashable(const Value &value) {
  if (const Sequence *sequence = value.asSequence())
    return sequence->kind != SequenceKind::List &&
           std::all_of(sequence->items.begin(), sequence->items.end(), isHashable);
  return !value.asDict();
}

Result<void> Heap::spend(uint64_t steps) {
  spent = saturatingAdd(spent, steps);
  if (spent > limits.steps)
    return failure("the template did more than " + std::to_string(limits.steps) +
                   " steps of work; is one of its loops endless?");
  return {};
}

Result<void> Heap::require(uint64_t bytes) const {
  if (bytes > room())
    return failure("the template's values need more than " + std::to_string(limits.memoryBytes) +
                   " bytes of memory");
  return {};
}

void Heap::charge(Charged &object, uint64_t bytes) {
  object.heap = this;
  object.bytes += bytes;
  live += bytes;
}

/// What a small value costs besides its text or items: control block, string, bookkeeping.
static constexpr uint64_t overhead = 80;

Result<Value> Heap::string(std::string text) {
  uint64_t bytes = overhead + text.capacity();
  NIBBLE_CHECK(require(bytes));
  NIBBLE_CHECK(spend(1 + text.size() / 64));
  auto made = std::make_shared<String>();
  charge(*made, bytes);
  made->text = std::move(text);
  return Value(std::shared_ptr<const String>(std::move(made)));
}

static Result<void> checkDepth(uint32_t depth) {
  if (depth > maxValueDepth)
    return failure("lists and dicts are nested more than " + std::to_string(maxValueDepth) + " deep");
  return {};
}

Result<Value> Heap::sequence(std::vector<Value> items, SequenceKind kind, std::string label) {
  uint64_t bytes = overhead + items.capacity() * sizeof(Value);
  NIBBLE_CHECK(require(bytes));
  NIBBLE_CHECK(spend(1 + items.size() / 4));
  auto made = std::make_shared<Sequence>();
  for (const Value &item : items) {
    made->depth = std::max(made->depth, 1 + item.depth());
    made->weight = saturatingAdd(made->weight, item.weight());
  }
  NIBBLE_CHECK(checkDepth(made->depth));
  charge(*made, bytes);
  made->items = std::move(items);
  made->kind = kind;
  made->label = std::move(label);
  return Value(std::shared_ptr<const Sequence>(std::move(made)));
}

Result<Value> Heap::dict(std::vector<DictEntry> entries) {
  uint64_t bytes = overhead + entries.capacity() * (sizeof(DictEntry) + 48);
  NIBBLE_CHECK(require(bytes));
  NIBBLE_CHECK(spend(1 + entries.size()));
  auto made = std::make_shared<Dict>();
  std::unordered_map<std::string_view, size_t> seen;
  std::vector<size_t> others; // positions of keys that are not strings
  for (auto &[key, value] : entries) {
    NIBBLE_CHECK(spend(key.weight()));
    if (!isHashable(key))
      return failure("a " + key.typeName() + " cannot be a key of a dict");
    made->depth = std::max({made->depth, 1 + value.depth(), 1 + key.depth()});
    Value *known = nullptr;
    if (key.isString()) {
      auto [it, isNew] = seen.emplace(key.string(), made->entries.size());
      if (!isNew)
        known = &made->entries[it->second].second;
    } else {
      NIBBLE_CHECK(spend(others.size()));
      for (size_t i : others)
        if (equal(made->entries[i].first, key))
          known = &made->entries[i].second;
      if (!known)
        others.push_back(made->entries.size());
    }
    if (known)
      *known = std::move(value);
    else
      made->entries.emplace_back(std::move(key), std::move(value));
  }
  NIBBLE_CHECK(checkDepth(made->depth));
  for (const auto &[key, value] : made->entries)
    made->weight = saturatingAdd(made->weight, saturatingAdd(key.weight(), value.weight()));
  charge(*made, bytes);
  made->buildIndex();
  return Value(std::shared_ptr<const Dict>(std::move(made)));
}

Result<Value> Heap::callable(std::string name, Function function, Value self) {
  NIBBLE_CHECK(require(2 * overhead));
  NIBBLE_CHECK(spend(1));
  auto made = std::make_shared<Callable>();
  charge(*made, 2 * overhead);
  made->name = std::move(name);
  made->function = function;
  made->self = std::move(self);
  return Value(std::shared_ptr<const Callable>(std::move(made)));
}

void TextBuilder::append(std::string_view piece) {
  if (piece.size() > heap.room())
    overflow = true;
  if (overflow)
    return;
  text.append(piece);
  ++pieces;
  heap.charge(held, piece.size());
}

Result<Value> TextBuilder::finish() {
  if (overflow)
    NIBBLE_CHECK(heap.require(UINT64_MAX));
  heap.discharge(held);
  NIBBLE_CHECK(heap.spend(pieces / 8));
  return heap.string(std::move(text));
}

void ListBuilder::push(Value value) {
  if (sizeof(Value) > heap.room())
    overflow = true;
  if (overflow)
    return;
  items.push_back(std::move(value));
  heap.charge(held, sizeof(Value));
}

Result<void> ListBuilder::pushText(std::string_view text) {
  NIBBLE_TRY(Value value, heap.string(text));
  push(std::move(value));
  return {};
}

Result<Value> ListBuilder::finish(SequenceKind kind, std::string label) {
  if (overflow)
    NIBBLE_CHECK(heap.require(UINT64_MAX));
  heap.discharge(held);
  return heap.sequence(std::move(items), kind, std::move(label));
}

} // namespace nibble::jinja
