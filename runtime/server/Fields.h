//===- Fields.h - The fields of a request -------------------------------------------*- C++ -*-===//
//
// Reads the members of a JSON object one by one and remembers the first that is wrong, and which members
// nobody asked for. null counts as left out, as OpenAI's clients mean it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/Errors.h"
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace nibble::server {

using Json = nlohmann::ordered_json;

/// What a body that was parsed may cost.
inline constexpr uint32_t kMostJsonDepth = 64;
inline constexpr uint64_t kMostKeyComparisons = 1u << 26;
inline constexpr uint64_t kMostValues = 1u << 20; // each takes dozens of bytes, however short its text is

/// Parses a request's body, which must be an object; errors have the position.
Answered<Json> parseBody(std::string_view body);

class Fields {
public:
  /// `object` must outlive the fields. `path` ("stream_options.") goes before the names.
  explicit Fields(const Json &object, std::string path = {}) : object(object), path(std::move(path)) {}

  /// The member, or null where it is left out.
  const Json *find(const char *name);

  std::optional<int64_t> integer(const char *name, int64_t least, int64_t most);
  std::optional<double> real(const char *name, double least, double most);
  std::optional<bool> flag(const char *name);
  std::optional<std::string> text(const char *name);
  const Json *list(const char *name);
  const Json *inner(const char *name); // an object

  /// Reports that a field is wrong; the first report counts.
  void fail(const std::string &name, const std::string &message, const std::string &code = {});
  void fail(const ApiError &error);
  const std::optional<ApiError> &problem() const { return first; }

  /// Members that nobody asked for.
  std::vector<std::string> unknown() const;

private:
  const Json &object;
  std::string path;
  std::vector<std::string> asked;
  std::optional<ApiError> first;
};

} // namespace nibble::server
