//===- Json.h - JSON that came from outside -----------------------------------------*- C++ -*-===//
//
// Manifests, token files and messages are untrusted: size and depth are capped before the parser sees them,
// and a cursor that remembers its path turns every wrong type or number into one message instead of an
// exception.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace nibble {

struct JsonLimits {
  uint64_t bytes = 64u << 20; // of text
  uint32_t depth = 64;        // of nested arrays and objects
  /// Where the order of keys is kept, each key is compared with those before it in its object: the sum over
  /// all objects of (number of keys)^2.
  uint64_t keyComparisons = 1u << 30;
};

/// Parses `text`; `name` (a file, "the manifest") begins the message of an error.
Result<nlohmann::json> parseJson(std::string_view text, const std::string &name, JsonLimits limits = {});

/// The same, keeping the order of keys.
Result<nlohmann::ordered_json> parseOrderedJson(std::string_view text, const std::string &name,
                                                JsonLimits limits = {});

/// Reads a file whole and parses it.
Result<nlohmann::json> readJsonFile(const std::string &path, JsonLimits limits = {});

/// The first thing that was wrong in a document, shared by the cursors over it.
struct JsonProblem {
  std::optional<Error> first;
  void report(const std::string &path, const std::string &message) {
    if (!first)
      first = Error{path + ": " + message};
  }
};

/// A place in a JSON document. A read that does not fit reports the problem and gives a harmless value (0,
/// empty), so that a parser reads straight on and asks for the problem once, at the end of each object.
class JsonCursor {
public:
  JsonCursor(const nlohmann::json *node, std::string path, JsonProblem &problem)
      : node(node), path(std::move(path)), problem(&problem) {}

  /// The member, which must be there.
  JsonCursor operator[](const char *key) const;
  /// The element of an array; reading past the end is reported.
  JsonCursor operator[](size_t index) const;
  bool has(const char *key) const;
  /// The number of elements of what must be an array.
  size_t size() const;
  /// Of what must be an object: its keys in order.
  std::vector<std::string> keys() const;

  /// An integer in [0, most].
  uint64_t number(uint64_t most = UINT64_MAX) const;
  int64_t integer(int64_t least, int64_t most) const;
  double real() const;
  bool boolean() const;
  std::string text() const;

  bool isArray() const { return node && node->is_array(); }
  bool isObject() const { return node && node->is_object(); }
  bool isNull() const { return !node || node->is_null(); }
  const nlohmann::json *value() const { return node; }
  const std::string &where() const { return path; }
  /// Reports a problem at this place.
  void fail(const std::string &message) const { problem->report(path, message); }

private:
  const nlohmann::json *node; // null after a failed read
  std::string path;
  JsonProblem *problem;
};

} // namespace nibble
