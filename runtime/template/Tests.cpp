//===- Tests.cpp - `x is ...` -----------------------------------------------------------------===//
//
// An undefined value is iterable and a sequence (an empty one) and callable: it has those methods in jinja2.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"
#include "runtime/template/Text.h"

namespace nibble::jinja {

namespace {

using Values = std::vector<Value>;

template <bool (*predicate)(const Value &)>
Result<bool> plain(Evaluator &, const Value &value, const Values &) {
  return predicate(value);
}

bool isDefined(const Value &value) { return !value.isUndefined(); }
bool isUndefinedValue(const Value &value) { return value.isUndefined(); }
bool isNoneValue(const Value &value) { return value.isNone(); }
bool isBoolean(const Value &value) { return value.isBool(); }
bool isTrue(const Value &value) { return value.isBool() && value.boolean(); }
bool isFalse(const Value &value) { return value.isBool() && !value.boolean(); }
bool isStringValue(const Value &value) { return value.isString(); }
bool isNumberValue(const Value &value) { return value.isNumber(); }
bool isIntegerValue(const Value &value) { return value.isInteger(); }
bool isFloatValue(const Value &value) { return value.isFloat(); }
bool isMapping(const Value &value) { return value.asDict(); }
bool isIterable(const Value &value) {
  return value.isString() || value.asSequence() || value.asDict() || value.isUndefined() || value.asLoop();
}
bool isSequence(const Value &value) {
  const Sequence *sequence = value.asSequence();
  return value.isString() || (sequence && sequence->kind != SequenceKind::View) || value.asDict() ||
         value.isUndefined();
}
bool isCallable(const Value &value) { return value.asCallable() || value.isUndefined(); }
bool never(const Value &) { return false; }

template <bool upper> Result<bool> isCase(Evaluator &evaluator, const Value &value, const Values &) {
  NIBBLE_TRY(std::string text, evaluator.text(value));
  NIBBLE_CHECK(evaluator.heap.spend(1 + text.size() / 8));
  return convertCase(text, upper ? Case::Upper : Case::Lower) == text &&
         convertCase(text, upper ? Case::Lower : Case::Upper) != text;
}

enum class Op { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

template <Op op> Result<bool> compareTest(Evaluator &evaluator, const Value &value, const Values &arguments) {
  constexpr std::string_view names[] = {"==", "!=", "<", "<=", ">", ">="};
  return evaluator.compareOp(names[static_cast<size_t>(op)], value, arguments[0]);
}

Result<bool> inTest(Evaluator &evaluator, const Value &value, const Values &arguments) {
  return evaluator.contains(arguments[0], value);
}

Result<bool> sameAs(Evaluator &, const Value &value, const Values &arguments) {
  return value.identical(arguments[0]);
}

Result<bool> remainderIs(Evaluator &evaluator, const Value &value, const Value &divisor, int expected) {
  NIBBLE_TRY(Value remainder, evaluator.binary("%", value, divisor));
  return equal(remainder, Value(expected));
}
Result<bool> isOdd(Evaluator &evaluator, const Value &value, const Values &) {
  return remainderIs(evaluator, value, Value(2), 1);
}
Result<bool> isEven(Evaluator &evaluator, const Value &value, const Values &) {
  return remainderIs(evaluator, value, Value(2), 0);
}
Result<bool> divisibleBy(Evaluator &evaluator, const Value &value, const Values &arguments) {
  return remainderIs(evaluator, value, arguments[0], 0);
}

Result<bool> namesFilter(Evaluator &, const Value &value, const Values &) {
  return value.isString() && findFilter(value.string());
}
Result<bool> namesTest(Evaluator &, const Value &value, const Values &) {
  return value.isString() && findTest(value.string());
}

constexpr TestEntry tests[] = {
    {"defined", plain<isDefined>, 0},
    {"undefined", plain<isUndefinedValue>, 0},
    {"none", plain<isNoneValue>, 0},
    {"boolean", plain<isBoolean>, 0},
    {"true", plain<isTrue>, 0},
    {"false", plain<isFalse>, 0},
    {"string", plain<isStringValue>, 0},
    {"number", plain<isNumberValue>, 0},
    {"integer", plain<isIntegerValue>, 0},
    {"float", plain<isFloatValue>, 0},
    {"mapping", plain<isMapping>, 0},
    {"iterable", plain<isIterable>, 0},
    {"sequence", plain<isSequence>, 0},
    {"callable", plain<isCallable>, 0},
    {"escaped", plain<never>, 0},
    {"upper", isCase<true>, 0},
    {"lower", isCase<false>, 0},
    {"odd", isOdd, 0},
    {"even", isEven, 0},
    {"divisibleby", divisibleBy, 1},
    {"sameas", sameAs, 1},
    {"in", inTest, 1},
    {"filter", namesFilter, 0},
    {"test", namesTest, 0},
    {"eq", compareTest<Op::Equal>, 1},
    {"equalto", compareTest<Op::Equal>, 1},
    {"==", compareTest<Op::Equal>, 1},
    {"ne", compareTest<Op::NotEqual>, 1},
    {"!=", compareTest<Op::NotEqual>, 1},
    {"lt", compareTest<Op::Less>, 1},
    {"lessthan", compareTest<Op::Less>, 1},
    {"<", compareTest<Op::Less>, 1},
    {"le", compareTest<Op::LessEqual>, 1},
    {"<=", compareTest<Op::LessEqual>, 1},
    {"gt", compareTest<Op::Greater>, 1},
    {"greaterthan", compareTest<Op::Greater>, 1},
    {">", compareTest<Op::Greater>, 1},
    {"ge", compareTest<Op::GreaterEqual>, 1},
    {">=", compareTest<Op::GreaterEqual>, 1},
};

} // namespace

const TestEntry *findTest(std::string_view name) {
  for (const TestEntry &entry : tests)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

} // namespace nibble::jinja
