//===- SchemaSource.h - Reading a JSON schema ---------------------------------------*- C++ -*-===//
//
// A value must satisfy several schemas at once wherever $ref and allOf join them, and a choice of them at
// anyOf and oneOf. So the compiler works on conjunctions: sets of places in the schema. There are finitely
// many, which is what makes recursive schemas finite grammars.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace nibble::grammar {

using Json = nlohmann::ordered_json;

/// An anyOf or oneOf of which no branch is chosen yet.
struct Group {
  const Json *branches; // the array
  bool exclusive;       // oneOf
  /// The groups whose branches led here. To meet one of them again says nothing new: X = X or Y is Y.
  std::vector<const Json *> within;
};

/// Schemas that all hold.
struct Conjunction {
  std::vector<const Json *> schemas; // objects, in the order in which they were met
  std::vector<Group> groups;
  std::vector<const Json *> chosen; // groups of which a branch was taken
  bool impossible = false;
};

class SchemaSource {
public:
  static constexpr size_t mostValues = 20'000;  // JSON values in a schema
  static constexpr uint32_t deepest = 64;       // levels of JSON
  static constexpr size_t mostBytes = 1u << 20; // of strings and keys

  explicit SchemaSource(const Json &root) : root(root) {}
  /// Checks the bounds, and remembers where everything is.
  Result<void> open();

  /// One schema more must hold. Follows $ref and allOf; refuses keywords that are not supported.
  Result<void> add(Conjunction &conjunction, const Json &schema,
                   const std::vector<const Json *> &within = {});

  /// "$.properties.age"
  std::string path(const Json &place) const;
  tl::unexpected<Error> refuse(const Json &schema, const char *keyword, const std::string &why) const;

  /// A keyword's value, or null.
  static const Json *find(const Json &schema, const char *keyword);
  /// A keyword that must be a whole number of at least 0; huge ones count as the largest.
  Result<uint32_t> count(const Json &schema, const char *keyword, uint32_t otherwise) const;

private:
  struct Origin {
    const Json *parent;
    const std::string *key; // or null: an element of an array
    size_t index;
  };
  const Json &root;
  std::unordered_map<const Json *, Origin> origins;
  std::unordered_set<const Json *> checked;
  std::unordered_map<std::string, const Json *> anchors;
  std::vector<const Json *> adding;      // being added now, outermost first
  std::unordered_set<const Json *> seen; // since the outermost add() began

  Result<void> checkKeywords(const Json &schema);
  Result<const Json *> resolve(const Json &schema) const;
  Result<void> addGroup(Conjunction &conjunction, const Json &schema, const char *keyword,
                        const std::vector<const Json *> &within);
};

} // namespace nibble::grammar
