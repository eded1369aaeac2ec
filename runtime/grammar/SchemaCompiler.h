//===- SchemaCompiler.h - From JSON schemas to grammars -----------------------------*- C++ -*-===//
//
// What is generated is always valid, but not all that is valid is generated:
//  * properties come in the order in which they are declared, additional ones last; a schema that declares
//    properties has additional ones only where additionalProperties says so;
//  * white space is nothing, one space, or a line end and at most 32 spaces or tabs, and only behind { [ , :
//    and before } ]; values of enum and const are compact;
//  * names of properties and values of enum and const are escaped only where they must be, and so are strings
//    with a pattern or format; the digits of numbers are bounded (Numbers.h);
//  * at most 60 arrays and objects are nested.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Automaton.h"
#include "Numbers.h"
#include "SchemaSource.h"
#include "Strings.h"
#include <deque>
#include <set>

namespace nibble::grammar {

Result<std::shared_ptr<const Automaton>> compileSchema(const Json &schema, std::string_view before,
                                                       std::string_view after);

class SchemaCompiler {
public:
  explicit SchemaCompiler(const Json &root) : root(root), source(root) {}
  Result<std::shared_ptr<const Automaton>> compile(std::string_view before, std::string_view after);

private:
  /// Bits of a set of types.
  enum Type : uint32_t {
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Fraction = 8, // a number that is no integer
    String = 16,
    Array = 32,
    Object = 64,
    Number = Integer | Fraction,
    AllTypes = 127,
  };
  static constexpr uint32_t mostChoices = 20'000; // branches of anyOf, in all their combinations

  /// The ways in which a value can begin.
  struct Value {
    std::set<uint32_t> leaves, rules;
  };
  struct Waiting {
    uint32_t rule;
    bool object;
    Conjunction schemas;
  };
  struct ObjectForm;
  struct ArrayForm;
  class ObjectGraph;

  const Json &root;
  SchemaSource source;
  Budget budget;
  AutomatonBuilder builder;
  Strings strings{budget};
  std::deque<Waiting> waiting; // rules without a graph yet
  std::map<std::pair<bool, std::vector<const Json *>>, uint32_t> ruleOf;
  std::map<std::string, DfaPtr> numbers;
  uint32_t choices = 0;

  // Values.
  Result<void> value(const Conjunction &schemas, Value &result);
  Result<void> plainValue(const Conjunction &schemas, Value &result);
  Result<uint32_t> types(const Conjunction &schemas) const;
  Result<std::optional<std::vector<Json>>> literals(const Conjunction &schemas);
  Result<bool> allows(const Conjunction &schemas, uint32_t types, const Json &literal);
  Result<uint32_t> ruleFor(const Conjunction &schemas, bool object);
  Result<void> attach(uint32_t from, const Conjunction &schemas, uint32_t to);

  // Scalars.
  Result<StringForm> stringForm(const Conjunction &schemas) const;
  Result<NumberForm> numberForm(const Conjunction &schemas, uint32_t types) const;
  Result<DfaPtr> number(const NumberForm &form);
  Result<uint32_t> text(const std::vector<std::string> &alternatives);
  uint32_t mark(const Expr &expression, bool isAround = false);

  // Objects and arrays.
  Result<void> object(const Waiting &rule);
  Result<ObjectForm> objectForm(const Conjunction &schemas);
  Result<void> declaredProperties(const Conjunction &schemas, ObjectForm &form);
  Result<void> otherProperties(const Conjunction &schemas, ObjectForm &form);
  Result<Conjunction> property(const Conjunction &schemas, const std::string &name);
  Result<DfaPtr> nameForm(const Conjunction &schemas);
  Result<void> array(const Waiting &rule);
  Result<ArrayForm> arrayForm(const Conjunction &schemas);

  // oneOf.
  Result<void> requireDisjoint(const Conjunction &base, const Group &group);
  Result<bool> areDisjoint(const Conjunction &left, const Conjunction &right, uint32_t depth);
  Result<bool> objectsAreDisjoint(const Conjunction &left, const Conjunction &right, uint32_t depth);
  Result<bool> stringsAreDisjoint(const Conjunction &left, const Conjunction &right);

public:
  // Marks of JSON, with the white space that may be beside them.
  uint32_t openObject, closeObject, emptyObject, openArray, closeArray, emptyArray, comma, colon;
};

std::set<std::string> requiredNames(const Conjunction &schemas);

} // namespace nibble::grammar
