//===- JsonObject.cpp - Typed look-ups in configurations --------------------------------------===//

#include "JsonObject.h"

using namespace nibble;
using nlohmann::json;

std::string nibble::quotedName(std::string_view text) {
  constexpr size_t longest = 96;
  std::string result = "'";
  for (char c : text.substr(0, longest))
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  result += text.size() > longest ? "…'" : "'";
  return result;
}

Result<JsonObject> JsonObject::of(const json &value, const std::string &what) {
  if (!value.is_object())
    return failure(what + ": expected an object ({...}), found " + std::string(value.type_name()));
  return JsonObject(value, what);
}

bool JsonObject::has(const char *key) const { return object->contains(key); }

bool JsonObject::isNull(const char *key) const {
  auto found = object->find(key);
  return found != object->end() && found->is_null();
}

const json *JsonObject::find(const char *key) const {
  auto found = object->find(key);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

tl::unexpected<Error> JsonObject::wrongKind(const char *key, const char *expected) const {
  // Bytes that are no UTF-8 cannot be here: the parser refuses them.
  std::string found = object->at(key).dump();
  constexpr size_t longest = 60;
  if (found.size() > longest)
    found = found.substr(0, longest) + "…";
  return failure(name + ": '" + key + "' should be " + expected + ", found " + found);
}

static bool fitsInteger(const json &value) {
  return value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
}

Result<std::optional<int64_t>> JsonObject::integer(const char *key) const {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (!fitsInteger(*value))
    return wrongKind(key, "an integer");
  return value->get<int64_t>();
}

Result<std::optional<double>> JsonObject::real(const char *key) const {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (!value->is_number())
    return wrongKind(key, "a number");
  return value->get<double>();
}

Result<std::optional<bool>> JsonObject::boolean(const char *key) const {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (!value->is_boolean())
    return wrongKind(key, "true or false");
  return value->get<bool>();
}

Result<std::optional<std::string>> JsonObject::string(const char *key) const {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (!value->is_string())
    return wrongKind(key, "a string");
  return value->get<std::string>();
}

Result<std::vector<int64_t>> JsonObject::integers(const char *key) const {
  std::vector<int64_t> result;
  const json *value = find(key);
  if (!value)
    return result;
  if (fitsInteger(*value))
    return std::vector{value->get<int64_t>()};
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), fitsInteger))
    return wrongKind(key, "an integer or a list of integers");
  return value->get<std::vector<int64_t>>();
}

Result<std::vector<std::string>> JsonObject::strings(const char *key) const {
  const json *value = find(key);
  if (!value)
    return std::vector<std::string>();
  auto isString = [](const json &element) { return element.is_string(); };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), isString))
    return wrongKind(key, "a list of strings");
  return value->get<std::vector<std::string>>();
}

Result<int64_t> JsonObject::require(const char *key) const {
  NIBBLE_TRY(auto value, integer(key));
  if (!value)
    return failure(name + ": has no '" + key + "'; expected an integer");
  return *value;
}
