//===- Json.cpp - JSON that came from outside -------------------------------------------------===//

#include "nibble/runtime/Json.h"
#include "nibble/runtime/MappedFile.h"

using namespace nibble;
using nlohmann::json;

namespace {
/// What building a document would cost, found without building anything.
struct Shape {
  uint32_t depth = 0;
  uint64_t keyComparisons = 0;
};
} // namespace

/// Keys are counted down to `depth`.
static Shape shapeOf(std::string_view text, uint32_t depth) {
  Shape shape;
  std::vector<uint64_t> keys; // of each object (or array) that is open, as far down as they are counted
  uint64_t open = 0;
  bool inString = false;
  auto close = [&] {
    if (open == keys.size()) {
      shape.keyComparisons += keys.back() * keys.back();
      keys.pop_back();
    }
    --open;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      shape.depth = std::max(shape.depth, static_cast<uint32_t>(++open));
      if (open <= depth)
        keys.push_back(0);
    } else if ((c == ']' || c == '}') && open > 0) {
      close();
    } else if (c == ':' && open > 0) {
      ++keys.back();
    }
  }
  while (open > 0)
    close();
  return shape;
}

template <typename Json>
static Result<Json> parse(std::string_view text, const std::string &name, JsonLimits limits) {
  if (text.size() > limits.bytes)
    return failure(name + ": has " + std::to_string(text.size()) + " bytes of JSON; at most " +
                   std::to_string(limits.bytes) + " are read");
  Shape shape = shapeOf(text, std::max(limits.depth, 1u));
  if (shape.depth > limits.depth)
    return failure(name + ": its JSON is nested " + std::to_string(shape.depth) + " deep; at most " +
                   std::to_string(limits.depth) + " levels are read");
  if (std::is_same_v<Json, nlohmann::ordered_json> && shape.keyComparisons > limits.keyComparisons)
    return failure(name + ": an object of its JSON has too many keys, or too many objects have many");
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const json::exception &error) {
    // The library's text is "[json.exception.parse_error.101] parse error at line ...": keep what follows the
    // tag.
    std::string what = error.what();
    if (size_t end = what.find("] "); end != std::string::npos)
      what = what.substr(end + 2);
    return failure(name + ": is not valid JSON: " + what);
  }
}

Result<json> nibble::parseJson(std::string_view text, const std::string &name, JsonLimits limits) {
  return parse<json>(text, name, limits);
}

Result<nlohmann::ordered_json> nibble::parseOrderedJson(std::string_view text, const std::string &name,
                                                        JsonLimits limits) {
  return parse<nlohmann::ordered_json>(text, name, limits);
}

Result<json> nibble::readJsonFile(const std::string &path, JsonLimits limits) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  return parseJson(file.text(), path, limits);
}

JsonCursor JsonCursor::operator[](const char *key) const {
  std::string inner = path + "." + key;
  if (!node)
    return {nullptr, std::move(inner), *problem};
  if (!node->is_object()) {
    fail(std::string("expected an object, found ") + node->type_name());
    return {nullptr, std::move(inner), *problem};
  }
  auto found = node->find(key);
  if (found == node->end()) {
    problem->report(inner, "is missing");
    return {nullptr, std::move(inner), *problem};
  }
  return {&*found, std::move(inner), *problem};
}

JsonCursor JsonCursor::operator[](size_t index) const {
  std::string inner = path + "[" + std::to_string(index) + "]";
  if (!node || !node->is_array() || index >= node->size()) {
    if (node)
      problem->report(inner, "is missing");
    return {nullptr, std::move(inner), *problem};
  }
  return {&(*node)[index], std::move(inner), *problem};
}

bool JsonCursor::has(const char *key) const {
  if (!node || !node->is_object())
    return false;
  auto found = node->find(key);
  return found != node->end() && !found->is_null();
}

size_t JsonCursor::size() const {
  if (!node)
    return 0;
  if (!node->is_array()) {
    fail(std::string("expected an array, found ") + node->type_name());
    return 0;
  }
  return node->size();
}

std::vector<std::string> JsonCursor::keys() const {
  std::vector<std::string> result;
  if (!node)
    return result;
  if (!node->is_object()) {
    fail(std::string("expected an object, found ") + node->type_name());
    return result;
  }
  for (auto &[key, value] : node->items())
    result.push_back(key);
  return result;
}

uint64_t JsonCursor::number(uint64_t most) const {
  if (!node)
    return 0;
  if (!node->is_number_unsigned()) {
    fail("expected a whole number of at least 0, found " + node->dump().substr(0, 40));
    return 0;
  }
  uint64_t value = node->get<uint64_t>();
  if (value > most) {
    fail("is " + std::to_string(value) + "; expected at most " + std::to_string(most));
    return 0;
  }
  return value;
}

int64_t JsonCursor::integer(int64_t least, int64_t most) const {
  if (!node)
    return least;
  bool fits = node->is_number_integer() &&
              !(node->is_number_unsigned() && node->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  int64_t value = fits ? node->get<int64_t>() : 0;
  if (!fits || value < least || value > most) {
    fail("expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
         ", found " + node->dump().substr(0, 40));
    return least;
  }
  return value;
}

double JsonCursor::real() const {
  if (!node)
    return 0;
  if (!node->is_number()) {
    fail("expected a number, found " + node->dump().substr(0, 40));
    return 0;
  }
  return node->get<double>();
}

bool JsonCursor::boolean() const {
  if (!node)
    return false;
  if (!node->is_boolean()) {
    fail("expected true or false, found " + node->dump().substr(0, 40));
    return false;
  }
  return node->get<bool>();
}

std::string JsonCursor::text() const {
  if (!node)
    return {};
  if (!node->is_string()) {
    fail("expected a string, found " + node->dump().substr(0, 40));
    return {};
  }
  return node->get<std::string>();
}
