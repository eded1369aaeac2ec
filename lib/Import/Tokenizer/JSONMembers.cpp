//===- JSONMembers.cpp - Members of JSON objects, with errors ---------------------------------===//

#include "HuggingFaceComponents.h"

using namespace nibble;
using tokenizer::JSON;

/// The member, or null if it is absent, null, or `object` is no object.
static const JSON *member(const JSON &object, const char *key) {
  if (!object.is_object())
    return nullptr;
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

static tl::unexpected<Error> wrong(const std::string &where, const char *key, const char *expected,
                                   const JSON *found) {
  return failure(where + ": \"" + key + "\" " +
                 (found ? std::string("is of type ") + found->type_name() : std::string("is missing")) +
                 "; expected " + expected);
}

Result<std::string> tokenizer::stringMember(const JSON &object, const char *key, const std::string &where,
                                            std::optional<std::string> absent) {
  const JSON *value = member(object, key);
  if (!value && absent)
    return *std::move(absent);
  if (!value || !value->is_string())
    return wrong(where, key, "a string", value);
  return value->get<std::string>();
}

Result<bool> tokenizer::boolMember(const JSON &object, const char *key, const std::string &where,
                                   std::optional<bool> absent) {
  const JSON *value = member(object, key);
  if (!value && absent)
    return *absent;
  if (!value || !value->is_boolean())
    return wrong(where, key, "true or false", value);
  return value->get<bool>();
}

Result<int64_t> tokenizer::integerMember(const JSON &object, const char *key, const std::string &where,
                                         std::optional<int64_t> absent) {
  const JSON *value = member(object, key);
  if (!value && absent)
    return *absent;
  if (!value || !value->is_number_integer())
    return wrong(where, key, "an integer", value);
  return value->get<int64_t>();
}

const JSON *tokenizer::arrayMember(const JSON &object, const char *key) {
  const JSON *value = member(object, key);
  return value && value->is_array() ? value : nullptr;
}

const JSON *tokenizer::objectMember(const JSON &object, const char *key) {
  const JSON *value = member(object, key);
  return value && value->is_object() ? value : nullptr;
}
