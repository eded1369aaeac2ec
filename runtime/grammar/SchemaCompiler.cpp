//===- SchemaCompiler.cpp - From JSON schemas to grammars: values -----------------------------===//

#include "SchemaCompiler.h"
#include <algorithm>
#include <cmath>

using namespace nibble;
using namespace nibble::grammar;

static constexpr uint32_t deepestIndent = 32;

/// JSON text without white space; none where a string is not UTF-8.
static std::optional<std::string> compact(const Json &value) {
  try {
    return value.dump();
  } catch (const Json::exception &) {
    return std::nullopt;
  }
}

static Expr whiteSpace() {
  CodePointSet blank(' ', ' ');
  blank.add('\t', '\t');
  return choice(
      {literal(""), literal(" "), sequence({literal("\n"), repeat(oneOf(blank), 0, deepestIndent)})});
}

Result<uint32_t> SchemaCompiler::text(const std::vector<std::string> &alternatives) {
  NIBBLE_TRY(DfaPtr dfa, strings.text(alternatives));
  return builder.leaf({dfa});
}

uint32_t SchemaCompiler::mark(const Expr &expression, bool isAround) {
  Budget own;
  Leaf leaf = {
      std::make_shared<const Dfa>(std::move(**grammar::compile(expression, Spelling::Plain, false, own)))};
  leaf.isMark = isAround;
  return builder.leaf(leaf);
}

Result<std::shared_ptr<const Automaton>> SchemaCompiler::compile(std::string_view before,
                                                                 std::string_view after) {
  NIBBLE_CHECK(source.open());
  if (!isUTF8(before) || !isUTF8(after))
    return failure("the text around the JSON is not valid UTF-8");
  openObject = mark(sequence({literal("{"), whiteSpace()}));
  closeObject = mark(sequence({whiteSpace(), literal("}")}));
  emptyObject = mark(literal("}"));
  openArray = mark(sequence({literal("["), whiteSpace()}));
  closeArray = mark(sequence({whiteSpace(), literal("]")}));
  emptyArray = mark(literal("]"));
  comma = mark(sequence({literal(","), whiteSpace()}));
  colon = mark(sequence({literal(":"), whiteSpace()}));

  uint32_t from = builder.startOf(builder.rule(false));
  auto around = [&](std::string_view text) {
    if (text.empty())
      return;
    uint32_t next = builder.state();
    builder.leafEdge(from, mark(literal(text), true), next);
    from = next;
  };
  around(before);
  Conjunction schemas;
  NIBBLE_CHECK(source.add(schemas, root));
  uint32_t next = builder.state();
  NIBBLE_CHECK(attach(from, schemas, next));
  from = next;
  around(after);
  builder.final(from);
  while (!waiting.empty()) {
    Waiting rule = std::move(waiting.front());
    waiting.pop_front();
    auto status = rule.object ? object(rule) : array(rule);
    NIBBLE_CHECK(status);
    NIBBLE_CHECK(builder.check());
  }
  return builder.finish(budget.spent());
}

/// The edges of all the ways to write a value.
Result<void> SchemaCompiler::attach(uint32_t from, const Conjunction &schemas, uint32_t to) {
  Value ways;
  NIBBLE_CHECK(value(schemas, ways));
  for (uint32_t leaf : ways.leaves)
    builder.leafEdge(from, leaf, to);
  for (uint32_t rule : ways.rules)
    builder.call(from, rule, to);
  return {};
}

/// Chooses from anyOf and oneOf.
Result<void> SchemaCompiler::value(const Conjunction &schemas, Value &result) {
  if (schemas.impossible)
    return {};
  if (++choices > mostChoices)
    return failure("the schema has more than " + std::to_string(mostChoices) +
                   " values and combinations of branches of anyOf and oneOf");
  NIBBLE_CHECK(budget.spend(8 * (1 + schemas.schemas.size() + schemas.chosen.size())));
  if (schemas.groups.empty())
    return plainValue(schemas, result);
  Conjunction rest = schemas;
  Group group = rest.groups.front();
  rest.groups.erase(rest.groups.begin());
  rest.chosen.push_back(group.branches);
  if (rest.chosen.size() > 200)
    return source.refuse(*group.branches, "", "more than 200 of anyOf and oneOf apply to one value");
  if (group.exclusive) {
    NIBBLE_CHECK(requireDisjoint(rest, group));
  }
  std::vector<const Json *> within = group.within;
  within.push_back(group.branches);
  for (const Json &branch : *group.branches) {
    Conjunction taken = rest;
    NIBBLE_CHECK(source.add(taken, branch, within));
    NIBBLE_CHECK(value(taken, result));
  }
  return {};
}

Result<uint32_t> SchemaCompiler::types(const Conjunction &schemas) const {
  static const std::map<std::string_view, uint32_t> names = {
      {"null", Null},     {"boolean", Boolean}, {"integer", Integer}, {"number", Number},
      {"string", String}, {"array", Array},     {"object", Object}};
  uint32_t common = AllTypes;
  for (const Json *schema : schemas.schemas) {
    const Json *nullable = SchemaSource::find(*schema, "nullable");
    if (nullable && !nullable->is_boolean())
      return source.refuse(*schema, "nullable", "expected true or false");
    const Json *type = SchemaSource::find(*schema, "type");
    if (!type)
      continue;
    uint32_t own = nullable && nullable->get<bool>() ? Null : 0;
    std::vector<Json> list{*type};
    if (type->is_array())
      list.assign(type->begin(), type->end());
    for (const Json &name : list) {
      auto known = name.is_string() ? names.find(name.get_ref<const std::string &>()) : names.end();
      if (known == names.end())
        return source.refuse(
            *schema, "type",
            "expected null, boolean, integer, number, string, array, object or a list of them");
      own |= known->second;
    }
    common &= own;
  }
  return common;
}

Result<void> SchemaCompiler::plainValue(const Conjunction &schemas, Value &result) {
  NIBBLE_TRY(uint32_t allowed, types(schemas));
  NIBBLE_TRY(auto list, literals(schemas));
  if (list) {
    std::vector<std::string> texts;
    for (const Json &literal : *list) {
      auto text = compact(literal);
      NIBBLE_TRY(bool good, allows(schemas, allowed, literal));
      if (text && good && std::ranges::find(texts, *text) == texts.end())
        texts.push_back(*text);
    }
    if (texts.empty())
      return {};
    NIBBLE_TRY(uint32_t leaf, text(texts));
    result.leaves.insert(leaf);
    return {};
  }
  std::vector<std::string> words;
  if (allowed & Null)
    words.push_back("null");
  if (allowed & Boolean)
    words.insert(words.end(), {"true", "false"});
  if (!words.empty()) {
    NIBBLE_TRY(uint32_t leaf, text(words));
    result.leaves.insert(leaf);
  }
  if (allowed & Number) {
    NIBBLE_TRY(NumberForm form, numberForm(schemas, allowed));
    NIBBLE_TRY(DfaPtr dfa, number(form));
    if (dfa)
      result.leaves.insert(builder.leaf({dfa}));
  }
  if (allowed & String) {
    NIBBLE_TRY(StringForm form, stringForm(schemas));
    NIBBLE_TRY(auto leaf, strings.leaf(form));
    if (leaf)
      result.leaves.insert(builder.leaf(*leaf));
  }
  for (bool isObject : {true, false})
    if (allowed & (isObject ? Object : Array)) {
      NIBBLE_TRY(uint32_t rule, ruleFor(schemas, isObject));
      result.rules.insert(rule);
    }
  return {};
}

/// The values that enum and const leave; none where neither is there.
Result<std::optional<std::vector<Json>>> SchemaCompiler::literals(const Conjunction &schemas) {
  std::optional<std::vector<Json>> left;
  auto restrict = [&](const std::vector<Json> &own) -> Result<void> {
    NIBBLE_CHECK(budget.spend(1 + own.size() * (left ? left->size() : 1)));
    if (!left)
      left = own;
    else
      std::erase_if(*left, [&](const Json &one) { return std::ranges::find(own, one) == own.end(); });
    return {};
  };
  for (const Json *schema : schemas.schemas) {
    if (const Json *one = SchemaSource::find(*schema, "const")) {
      NIBBLE_CHECK(restrict({*one}));
    }
    if (const Json *list = SchemaSource::find(*schema, "enum")) {
      NIBBLE_CHECK(restrict(std::vector<Json>(list->begin(), list->end())));
    }
  }
  return left;
}

/// Whether a value of enum or const satisfies what else is said of it.
Result<bool> SchemaCompiler::allows(const Conjunction &schemas, uint32_t types, const Json &literal) {
  auto text = compact(literal);
  if (!text)
    return false;
  if (literal.is_null() || literal.is_boolean())
    return (types & (literal.is_null() ? Null : Boolean)) != 0;
  if (literal.is_string()) {
    NIBBLE_TRY(StringForm form, stringForm(schemas));
    if (!(types & String) || form.isFree())
      return (types & String) != 0;
    NIBBLE_TRY(DfaPtr dfa, strings.canonical(form));
    return dfa && dfa->matches(*text);
  }
  if (literal.is_number()) {
    bool whole = literal.is_number_integer() || literal.get<double>() == std::floor(literal.get<double>());
    NIBBLE_TRY(NumberForm form, numberForm(schemas, Number));
    if (!(types & (whole ? Integer : Fraction)))
      return false;
    if (form.lower.empty() && form.upper.empty() && form.multiples.empty())
      return true;
    NIBBLE_TRY(DfaPtr dfa, number(form));
    return dfa && dfa->matches(*text);
  }
  for (const Json *schema : schemas.schemas)
    for (const char *keyword :
         {"properties", "required", "additionalProperties", "patternProperties", "propertyNames",
          "minProperties", "maxProperties", "items", "prefixItems", "minItems", "maxItems"})
      if (SchemaSource::find(*schema, keyword))
        return source.refuse(*schema, keyword,
                             "is not supported beside an enum or const of arrays or objects");
  return (types & (literal.is_array() ? Array : Object)) != 0;
}

/// One rule for all values that the same schemas restrict.
Result<uint32_t> SchemaCompiler::ruleFor(const Conjunction &schemas, bool object) {
  static const std::vector<const char *> ofObjects = {
      "properties",    "required",      "additionalProperties", "patternProperties",
      "propertyNames", "minProperties", "maxProperties"};
  static const std::vector<const char *> ofArrays = {"items", "prefixItems", "minItems", "maxItems"};
  Conjunction relevant;
  for (const Json *schema : schemas.schemas)
    if (std::ranges::any_of(object ? ofObjects : ofArrays,
                            [&](const char *keyword) { return SchemaSource::find(*schema, keyword); }))
      relevant.schemas.push_back(schema);
  auto [found, isNew] = ruleOf.emplace(std::pair(object, relevant.schemas), 0);
  if (isNew) {
    found->second = builder.rule(true);
    waiting.push_back({found->second, object, std::move(relevant)});
    NIBBLE_CHECK(builder.check());
  }
  return found->second;
}

Result<std::shared_ptr<const Automaton>>
nibble::grammar::compileSchema(const Json &schema, std::string_view before, std::string_view after) {
  auto automaton = SchemaCompiler(schema).compile(before, after);
  if (!automaton && !automaton.error().message.starts_with("$"))
    return failure("$: " + automaton.error().message);
  return automaton;
}
