//===- SchemaSource.cpp - Reading a JSON schema -----------------------------------------------===//

#include "SchemaSource.h"
#include <algorithm>
#include <set>
#include <string_view>

using namespace nibble;
using namespace nibble::grammar;

/// Enforced; what else is meant by them is checked where they are read.
static const std::set<std::string_view> enforced = {"$ref",
                                                    "additionalProperties",
                                                    "allOf",
                                                    "anyOf",
                                                    "const",
                                                    "enum",
                                                    "exclusiveMaximum",
                                                    "exclusiveMinimum",
                                                    "format",
                                                    "items",
                                                    "maxItems",
                                                    "maxLength",
                                                    "maxProperties",
                                                    "maximum",
                                                    "minItems",
                                                    "minLength",
                                                    "minProperties",
                                                    "minimum",
                                                    "multipleOf",
                                                    "nullable",
                                                    "oneOf",
                                                    "pattern",
                                                    "patternProperties",
                                                    "prefixItems",
                                                    "properties",
                                                    "propertyNames",
                                                    "required",
                                                    "type",
                                                    "uniqueItems"};

/// They say something about a value and do not restrict it.
static const std::set<std::string_view> annotations = {"$anchor",
                                                       "$comment",
                                                       "$defs",
                                                       "$id",
                                                       "$schema",
                                                       "$vocabulary",
                                                       "contentEncoding",
                                                       "contentMediaType",
                                                       "contentSchema",
                                                       "default",
                                                       "definitions",
                                                       "deprecated",
                                                       "description",
                                                       "discriminator",
                                                       "example",
                                                       "examples",
                                                       "externalDocs",
                                                       "readOnly",
                                                       "title",
                                                       "writeOnly",
                                                       "xml"};

Result<void> SchemaSource::open() {
  std::vector<std::pair<const Json *, uint32_t>> work{{&root, 0}};
  size_t bytes = 0, values = 0;
  while (!work.empty()) {
    auto [value, depth] = work.back();
    work.pop_back();
    values += 1 + value->size();
    if (value->is_string())
      bytes += value->get_ref<const std::string &>().size();
    if (value->is_object())
      for (auto &[key, member] : value->items()) {
        bytes += key.size();
        origins.emplace(&member, Origin{value, &key, 0});
        if (key == "$anchor" && member.is_string())
          anchors.emplace(member.get<std::string>(), value);
        work.emplace_back(&member, depth + 1);
      }
    if (value->is_array())
      for (size_t i = 0; i < value->size(); ++i) {
        origins.emplace(&(*value)[i], Origin{value, nullptr, i});
        work.emplace_back(&(*value)[i], depth + 1);
      }
    if (depth > deepest)
      return failure(path(*value).substr(0, 200) + ": the schema is nested more than " +
                     std::to_string(deepest) + " deep");
    if (values > mostValues || bytes > mostBytes)
      return failure("the schema is too large: at most " + std::to_string(mostValues) + " values and " +
                     std::to_string(mostBytes) + " bytes of strings are read");
  }
  return {};
}

std::string SchemaSource::path(const Json &place) const {
  std::vector<const Origin *> way;
  for (auto at = origins.find(&place); at != origins.end(); at = origins.find(at->second.parent))
    way.push_back(&at->second);
  std::string text = "$";
  for (auto step = way.rbegin(); step != way.rend(); ++step) {
    const Origin &origin = **step;
    bool plain = origin.key && !origin.key->empty() && std::ranges::all_of(*origin.key, [](char c) {
                   return c == '_' || c == '$' || c == '-' || (c >= '0' && c <= '9') ||
                          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                 });
    if (!origin.key)
      text += "[" + std::to_string(origin.index) + "]";
    else if (plain)
      text += "." + *origin.key;
    else
      text += "[" + Json(*origin.key).dump(-1, ' ', true, Json::error_handler_t::replace) + "]";
  }
  return text;
}

tl::unexpected<Error> SchemaSource::refuse(const Json &schema, const char *keyword,
                                           const std::string &why) const {
  std::string where = path(schema);
  if (*keyword)
    where += std::string(".") + keyword;
  return failure(where + ": " + why);
}

const Json *SchemaSource::find(const Json &schema, const char *keyword) {
  auto found = schema.find(keyword);
  return found == schema.end() ? nullptr : &*found;
}

Result<uint32_t> SchemaSource::count(const Json &schema, const char *keyword, uint32_t otherwise) const {
  const Json *value = find(schema, keyword);
  if (!value)
    return otherwise;
  double number = value->is_number() ? value->get<double>() : -1;
  if (!(number >= 0) || number != static_cast<double>(static_cast<uint64_t>(std::min(number, 1e15))))
    if (!(number > 1e15))
      return refuse(schema, keyword, "expected a whole number of at least 0");
  return static_cast<uint32_t>(std::min(number, double(UINT32_MAX - 1)));
}

Result<void> SchemaSource::checkKeywords(const Json &schema) {
  if (!checked.insert(&schema).second)
    return {};
  for (auto &[keyword, value] : schema.items()) {
    if (annotations.contains(keyword) || keyword.starts_with("x-"))
      continue;
    if (!enforced.contains(keyword))
      return failure(path(value) + ": this keyword is not supported");
    if (keyword == "uniqueItems" && value != Json(false))
      return failure(path(value) + ": is not supported: no grammar compares the elements of an array");
    if ((keyword == "properties" || keyword == "patternProperties") && !value.is_object())
      return failure(path(value) + ": expected an object of schemas");
    if ((keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf" || keyword == "prefixItems") &&
        !(value.is_array() && !value.empty()))
      return failure(path(value) + ": expected an array of schemas, at least one");
    if (keyword == "enum" && !value.is_array())
      return failure(path(value) + ": expected an array of values");
    if (keyword == "required" &&
        !(value.is_array() && std::ranges::all_of(value, [](const Json &name) { return name.is_string(); })))
      return failure(path(value) + ": expected an array of names");
    if ((keyword == "pattern" || keyword == "format") && !value.is_string())
      return failure(path(value) + ": expected a string");
    if (keyword == "items" && value.is_array())
      return failure(path(value) + ": an array of schemas is of older drafts; write prefixItems");
  }
  return {};
}

/// "#", "#/a/b" and "#name".
Result<const Json *> SchemaSource::resolve(const Json &schema) const {
  const Json &reference = *find(schema, "$ref");
  if (!reference.is_string())
    return refuse(schema, "$ref", "expected a string");
  std::string text = reference.get<std::string>();
  if (!text.starts_with('#'))
    return refuse(schema, "$ref", "only references into the same schema (#/...) are followed");
  std::string decoded;
  for (size_t i = 1; i < text.size(); ++i) {
    auto isHex = [&](size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at]));
    };
    if (text[i] == '%' && isHex(i + 1) && isHex(i + 2)) {
      decoded += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  const Json *target = &root;
  if (!decoded.empty() && decoded[0] != '/') {
    if (auto anchor = anchors.find(decoded); anchor != anchors.end())
      return anchor->second;
    return refuse(schema, "$ref", "names nothing in this schema");
  }
  for (size_t at = 0; target && at < decoded.size();) {
    size_t end = std::min(decoded.find('/', at + 1), decoded.size());
    std::string key;
    for (size_t i = at + 1; i < end; ++i) {
      bool escaped = decoded[i] == '~' && i + 1 < end && (decoded[i + 1] == '0' || decoded[i + 1] == '1');
      key += escaped ? (decoded[++i] == '0' ? '~' : '/') : decoded[i];
    }
    if (target->is_array()) {
      size_t index = 0;
      bool number = !key.empty() && key.size() < 9 &&
                    std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
      if (number)
        index = std::stoul(key);
      target = number && index < target->size() ? &(*target)[index] : nullptr;
    } else {
      target = target->is_object() ? find(*target, key.c_str()) : nullptr;
    }
    at = end;
  }
  if (!target)
    return refuse(schema, "$ref", "points to nothing in this schema");
  return target;
}

Result<void> SchemaSource::addGroup(Conjunction &conjunction, const Json &schema, const char *keyword,
                                    const std::vector<const Json *> &within) {
  const Json *branches = find(schema, keyword);
  if (!branches)
    return {};
  if (std::ranges::find(within, branches) != within.end()) {
    conjunction.impossible = true;
    return {};
  }
  bool known = std::ranges::find(conjunction.chosen, branches) != conjunction.chosen.end() ||
               std::ranges::find(conjunction.groups, branches, &Group::branches) != conjunction.groups.end();
  if (!known)
    conjunction.groups.push_back({branches, std::string_view(keyword) == "oneOf", within});
  return {};
}

Result<void> SchemaSource::add(Conjunction &conjunction, const Json &schema,
                               const std::vector<const Json *> &within) {
  if (schema.is_boolean()) {
    conjunction.impossible |= !schema.get<bool>();
    return {};
  }
  if (!schema.is_object())
    return failure(path(schema) + ": expected a schema: an object, true or false");
  if (std::ranges::find(adding, &schema) != adding.end())
    return failure(path(schema) + ": refers to itself before any part of a value");
  if (adding.size() > deepest * 4)
    return failure(path(schema) + ": $ref leads to $ref more than " + std::to_string(deepest * 4) + " times");
  if (adding.empty())
    seen.clear();
  if (!seen.insert(&schema).second)
    return {};
  // A schema that held already is followed all the same: its groups may be among those that led here.
  bool isNew = std::ranges::find(conjunction.schemas, &schema) == conjunction.schemas.end();
  if (isNew) {
    NIBBLE_CHECK(checkKeywords(schema));
    conjunction.schemas.push_back(&schema);
  }
  adding.push_back(&schema);
  auto inside = [&]() -> Result<void> {
    if (find(schema, "$ref")) {
      NIBBLE_TRY(const Json *target, resolve(schema));
      NIBBLE_CHECK(add(conjunction, *target, within));
    }
    if (const Json *all = find(schema, "allOf"))
      for (const Json &part : *all) {
        NIBBLE_CHECK(add(conjunction, part, within));
      }
    NIBBLE_CHECK(addGroup(conjunction, schema, "anyOf", within));
    return addGroup(conjunction, schema, "oneOf", within);
  };
  auto status = inside();
  adding.pop_back();
  return status;
}
