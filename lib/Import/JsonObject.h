//===- JsonObject.h - Typed look-ups in configurations ------------------------------*- C++ -*-===//
//
// Keys of config.json and its kin are optional, null, or of the wrong kind; look-ups say which file and which
// key is wrong. Parsing itself, with its bounds, is nibble/runtime/Json.h's.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Json.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Largest files that are parsed: what the field writes, with room.
inline constexpr JsonLimits kConfigLimits{4u << 20, 64};
inline constexpr JsonLimits kTokenizerConfigLimits{16u << 20, 64};
inline constexpr JsonLimits kShardIndexLimits{32u << 20, 64};

/// Typed look-ups in an object. A key that is missing or null has no value; a value of another kind is an
/// error.
class JsonObject {
public:
  /// An error if `value` is no object.
  static Result<JsonObject> of(const nlohmann::json &value, const std::string &what);

  bool has(const char *key) const;    // present, maybe null
  bool isNull(const char *key) const; // present and null
  /// Null if missing or null.
  const nlohmann::json *find(const char *key) const;

  Result<std::optional<int64_t>> integer(const char *key) const;
  Result<std::optional<double>> real(const char *key) const; // an integer serves
  Result<std::optional<bool>> boolean(const char *key) const;
  Result<std::optional<std::string>> string(const char *key) const;
  /// One integer, or a list of them.
  Result<std::vector<int64_t>> integers(const char *key) const;
  Result<std::vector<std::string>> strings(const char *key) const;

  Result<int64_t> require(const char *key) const; // an integer

  /// "config.json: 'hidden_size' should be an integer, found "12""
  tl::unexpected<Error> wrongKind(const char *key, const char *expected) const;
  const std::string &what() const { return name; }

private:
  JsonObject(const nlohmann::json &object, std::string name) : object(&object), name(std::move(name)) {}

  const nlohmann::json *object;
  std::string name; // begins messages
};

/// `text` in quotes, cut to what fits a line, control characters replaced; for messages.
std::string quotedName(std::string_view text);

} // namespace nibble
