//===- Fields.cpp - The fields of a request ---------------------------------------------------===//

#include "runtime/server/Fields.h"
#include "nibble/runtime/Json.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::server;

/// How many values a document may have: one more than what stands before values outside of strings.
static uint64_t valuesIn(std::string_view text) {
  uint64_t count = 1;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == ',' || c == '[' || c == '{'))
      ++count;
  }
  return count;
}

Answered<Json> server::parseBody(std::string_view body) {
  if (body.empty())
    return invalid("", "the request has no body; expected a JSON object");
  if (valuesIn(body) > kMostValues)
    return invalid("", "the request's body: has more than " + std::to_string(kMostValues) + " values");
  auto parsed =
      parseOrderedJson(body, "the request's body",
                       {.bytes = UINT64_MAX, .depth = kMostJsonDepth, .keyComparisons = kMostKeyComparisons});
  if (!parsed)
    return invalid("", parsed.error().message, "invalid_json");
  if (!parsed->is_object())
    return invalid("",
                   std::string("the request's body: expected a JSON object, found ") + parsed->type_name());
  return std::move(*parsed);
}

/// What a field holds, for a message.
static std::string found(const Json &value) {
  if (value.is_structured())
    return value.is_array() ? "a list" : "an object";
  return value.is_string() ? "the string " + excerpt(value.get_ref<const std::string &>(), 40) : value.dump();
}

template <typename Number> static std::string written(Number value) { return Json(value).dump(); }

const Json *Fields::find(const char *name) {
  asked.emplace_back(name);
  auto member = object.find(name);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

std::optional<int64_t> Fields::integer(const char *name, int64_t least, int64_t most) {
  const Json *value = find(name);
  if (!value)
    return std::nullopt;
  bool fits = value->is_number_integer() &&
              !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  int64_t number = fits ? value->get<int64_t>() : 0;
  if (fits && number >= least && number <= most)
    return number;
  fail(name, "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                 ", found " + found(*value));
  return std::nullopt;
}

std::optional<double> Fields::real(const char *name, double least, double most) {
  const Json *value = find(name);
  if (!value)
    return std::nullopt;
  double number = value->is_number() ? value->get<double>() : 0;
  if (value->is_number() && number >= least && number <= most)
    return number;
  fail(name,
       "expected a number from " + written(least) + " to " + written(most) + ", found " + found(*value));
  return std::nullopt;
}

std::optional<bool> Fields::flag(const char *name) {
  const Json *value = find(name);
  if (!value)
    return std::nullopt;
  if (value->is_boolean())
    return value->get<bool>();
  fail(name, "expected true or false, found " + found(*value));
  return std::nullopt;
}

std::optional<std::string> Fields::text(const char *name) {
  const Json *value = find(name);
  if (!value)
    return std::nullopt;
  if (value->is_string())
    return value->get<std::string>();
  fail(name, "expected a string, found " + found(*value));
  return std::nullopt;
}

const Json *Fields::list(const char *name) {
  const Json *value = find(name);
  if (!value || value->is_array())
    return value;
  fail(name, "expected a list, found " + found(*value));
  return nullptr;
}

const Json *Fields::inner(const char *name) {
  const Json *value = find(name);
  if (!value || value->is_object())
    return value;
  fail(name, "expected an object, found " + found(*value));
  return nullptr;
}

void Fields::fail(const std::string &name, const std::string &message, const std::string &code) {
  if (!first)
    first = ApiError{.message = path + name + ": " + message, .param = path + name, .code = code};
}

void Fields::fail(const ApiError &error) {
  if (!first)
    first = error;
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> names;
  for (const auto &[name, value] : object.items())
    if (std::find(asked.begin(), asked.end(), name) == asked.end())
      names.push_back(path + name);
  return names;
}
