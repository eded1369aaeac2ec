//===- SchemaDisjoint.cpp - From JSON schemas to grammars: oneOf ------------------------------===//
//
// oneOf wants a value of exactly one branch. No automaton over text counts branches, but where no value is of
// two, oneOf is anyOf. That is proven here, or the schema is refused. What is proven of schemas without their
// anyOf holds with it too, which only makes them narrower.
//
//===------------------------------------------------------------------------------------------===//

#include "SchemaCompiler.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

static constexpr uint32_t deepestProof = 3;

Result<void> SchemaCompiler::requireDisjoint(const Conjunction &base, const Group &group) {
  std::vector<Conjunction> branches;
  for (const Json &branch : *group.branches) {
    Conjunction one = base;
    NIBBLE_CHECK(source.add(one, branch));
    branches.push_back(std::move(one));
  }
  for (size_t j = 1; j < branches.size(); ++j)
    for (size_t i = 0; i < j; ++i) {
      NIBBLE_CHECK(budget.spend(50));
      NIBBLE_TRY(bool disjoint, areDisjoint(branches[i], branches[j], 0));
      if (!disjoint)
        return source.refuse(*group.branches, "",
                             "a value might satisfy both branch " + std::to_string(i) + " and branch " +
                                 std::to_string(j) + "; give them different types, or a required property " +
                                 "with different constants, or write anyOf");
    }
  return {};
}

Result<bool> SchemaCompiler::areDisjoint(const Conjunction &left, const Conjunction &right, uint32_t depth) {
  if (left.impossible || right.impossible)
    return true;
  NIBBLE_TRY(uint32_t leftTypes, types(left));
  NIBBLE_TRY(uint32_t rightTypes, types(right));
  NIBBLE_TRY(auto leftValues, literals(left));
  NIBBLE_TRY(auto rightValues, literals(right));
  auto typeOf = [](const Json &value) -> uint32_t {
    if (value.is_number())
      return Number;
    return value.is_null()      ? Null
           : value.is_boolean() ? Boolean
           : value.is_string()  ? String
           : value.is_array()   ? Array
                                : Object;
  };
  auto restrict = [&](uint32_t &types, const std::optional<std::vector<Json>> &values) {
    uint32_t own = values ? 0 : AllTypes;
    if (values)
      for (const Json &value : *values)
        own |= typeOf(value);
    types &= own;
  };
  restrict(leftTypes, leftValues);
  restrict(rightTypes, rightValues);
  uint32_t common = leftTypes & rightTypes;
  if (common == 0)
    return true;
  if (leftValues && rightValues) {
    NIBBLE_CHECK(budget.spend(leftValues->size() * rightValues->size()));
    return std::ranges::none_of(*leftValues, [&](const Json &value) {
      return std::ranges::find(*rightValues, value) != rightValues->end();
    });
  }
  if (common & (Null | Boolean | Array))
    return false;
  if (common & Number) {
    NIBBLE_TRY(NumberForm a, numberForm(left, Number));
    NIBBLE_TRY(NumberForm b, numberForm(right, Number));
    auto below = [](const NumberForm &low, const NumberForm &high) {
      if (low.upper.empty() || high.lower.empty())
        return false;
      auto top = *std::min_element(low.upper.begin(), low.upper.end());
      auto bottom = *std::max_element(high.lower.begin(), high.lower.end());
      return top < bottom || (!(bottom < top) && (top.exclusive || bottom.exclusive));
    };
    if (!below(a, b) && !below(b, a))
      return false;
  }
  if (common & String) {
    NIBBLE_TRY(bool disjoint, stringsAreDisjoint(left, right));
    if (!disjoint)
      return false;
  }
  if (common & Object)
    return depth < deepestProof ? objectsAreDisjoint(left, right, depth) : false;
  return true;
}

Result<bool> SchemaCompiler::stringsAreDisjoint(const Conjunction &left, const Conjunction &right) {
  // What is generated of a format is not all that has it, which would prove too much.
  for (const Conjunction *schemas : {&left, &right})
    for (const Json *schema : schemas->schemas)
      if (SchemaSource::find(*schema, "format"))
        return false;
  NIBBLE_TRY(StringForm a, stringForm(left));
  NIBBLE_TRY(StringForm b, stringForm(right));
  if (a.isFree() || b.isFree())
    return false;
  if (a.most < b.least || b.most < a.least)
    return true;
  NIBBLE_TRY(DfaPtr one, strings.canonical(a));
  NIBBLE_TRY(DfaPtr other, strings.canonical(b));
  if (!one || !other)
    return true;
  NIBBLE_TRY(auto both, intersect(*one, *other, budget));
  return !both;
}

/// By a property that one requires and the other forbids, or of which both require different values.
Result<bool> SchemaCompiler::objectsAreDisjoint(const Conjunction &left, const Conjunction &right,
                                                uint32_t depth) {
  std::set<std::string> leftNames = requiredNames(left), rightNames = requiredNames(right), names = leftNames;
  names.insert(rightNames.begin(), rightNames.end());
  for (const std::string &name : names) {
    NIBBLE_CHECK(budget.spend(100));
    NIBBLE_TRY(Conjunction one, property(left, name));
    NIBBLE_TRY(Conjunction other, property(right, name));
    if (one.impossible || other.impossible)
      return true;
    if (!leftNames.contains(name) || !rightNames.contains(name))
      continue;
    NIBBLE_TRY(bool disjoint, areDisjoint(one, other, depth + 1));
    if (disjoint)
      return true;
  }
  return false;
}
