//===- Constraint.h - The form that an answer must have -----------------------------*- C++ -*-===//
//
// OpenAI's response_format, and vLLM's guided_json, guided_regex, guided_choice and structured_outputs: all
// of them become one grammar. Compiled grammars are kept for the next request that has the same, up to a
// bound.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Grammar.h"
#include "runtime/server/Fields.h"
#include <list>
#include <mutex>

namespace nibble::server {

struct Constraint {
  enum class Kind : uint8_t { None, AnyObject, Schema, Regex };
  Kind kind = Kind::None;
  Json schema = {};         // Schema
  std::string pattern = {}; // Regex
  std::string field = {};   // that asked for it, for messages
};

/// At most one of the fields may ask for a form; problems are left in `fields`.
Constraint parseConstraint(Fields &fields);

/// Grammars that were compiled lately. Any thread may ask.
class GrammarCache {
public:
  /// Errors name the constraint's field.
  Answered<Grammar> compile(const Constraint &constraint);

private:
  struct Entry {
    std::string key;
    Grammar grammar;
  };
  std::mutex mutex;
  std::list<Entry> entries; // the one that was used last first
};

} // namespace nibble::server
