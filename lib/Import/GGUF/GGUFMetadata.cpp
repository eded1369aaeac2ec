//===- GGUFMetadata.cpp - Typed look-ups in a GGUF file ---------------------------------------===//
//
// Converters write the same key with different widths and signs, so a look-up asks for a kind (integer, real,
// bool, string) and converts. GGUFFile::read has checked that every value lies inside the mapping.
//
//===------------------------------------------------------------------------------------------===//

#include "GGUFTypes.h"
#include <limits>

using namespace nibble;
using namespace nibble::gguf;

/// The integer at `bytes`; none if `type` is no integer or the value needs the 64th bit.
static std::optional<int64_t> loadInteger(GGUFValueType type, const std::byte *bytes) {
  switch (type) {
  case GGUFValueType::UInt8:
    return load<uint8_t>(bytes);
  case GGUFValueType::Int8:
    return load<int8_t>(bytes);
  case GGUFValueType::UInt16:
    return load<uint16_t>(bytes);
  case GGUFValueType::Int16:
    return load<int16_t>(bytes);
  case GGUFValueType::UInt32:
    return load<uint32_t>(bytes);
  case GGUFValueType::Int32:
    return load<int32_t>(bytes);
  case GGUFValueType::Int64:
    return load<int64_t>(bytes);
  case GGUFValueType::UInt64: {
    auto value = load<uint64_t>(bytes);
    if (value <= uint64_t(std::numeric_limits<int64_t>::max()))
      return static_cast<int64_t>(value);
    return std::nullopt;
  }
  default:
    return std::nullopt;
  }
}

static std::optional<double> loadReal(GGUFValueType type, const std::byte *bytes) {
  if (type == GGUFValueType::Float32)
    return load<float>(bytes);
  if (type == GGUFValueType::Float64)
    return load<double>(bytes);
  if (auto integer = loadInteger(type, bytes))
    return static_cast<double>(*integer);
  return std::nullopt;
}

static std::optional<bool> loadBool(GGUFValueType type, const std::byte *bytes) {
  if (type == GGUFValueType::Bool)
    return load<uint8_t>(bytes) != 0;
  return std::nullopt;
}

/// The string whose length stands at `bytes`; moves `bytes` behind it.
static std::string_view loadString(const std::byte *&bytes) {
  auto length = load<uint64_t>(bytes);
  std::string_view text(reinterpret_cast<const char *>(bytes + sizeof(uint64_t)), length);
  bytes += sizeof(uint64_t) + length;
  return text;
}

const GGUFValue *GGUFFile::find(std::string_view key) const {
  auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

const GGUFTensor *GGUFFile::findTensor(std::string_view tensorName) const {
  auto found = tensorIndex.find(tensorName);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

Result<const GGUFValue *> GGUFFile::require(std::string_view key) const {
  if (const GGUFValue *value = find(key))
    return value;
  return failure(name + ": has no metadata key " + quoted(key));
}

tl::unexpected<Error> GGUFFile::wrongKind(std::string_view key, const char *expected,
                                          const GGUFValue &found) const {
  std::string kind = typeName(found.elementType);
  if (found.type == GGUFValueType::Array)
    kind = "an array of " + std::to_string(found.count) + " " + kind;
  return failure(name + ": metadata key " + quoted(key) + " should be " + expected + ", found " + kind);
}

Result<std::string_view> GGUFFile::string(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (value->type != GGUFValueType::String)
    return wrongKind(key, "a string", *value);
  const std::byte *bytes = value->bytes.data();
  return loadString(bytes);
}

Result<int64_t> GGUFFile::integer(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto number = loadInteger(value->type, value->bytes.data()))
    return *number;
  return wrongKind(key, "an integer", *value);
}

Result<double> GGUFFile::real(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto number = loadReal(value->type, value->bytes.data()))
    return *number;
  return wrongKind(key, "a number", *value);
}

Result<bool> GGUFFile::boolean(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto truth = loadBool(value->type, value->bytes.data()))
    return *truth;
  return wrongKind(key, "a bool", *value);
}

Result<std::string_view> GGUFFile::stringOr(std::string_view key, std::string_view absent) const {
  return has(key) ? string(key) : absent;
}
Result<int64_t> GGUFFile::integerOr(std::string_view key, int64_t absent) const {
  return has(key) ? integer(key) : absent;
}
Result<double> GGUFFile::realOr(std::string_view key, double absent) const {
  return has(key) ? real(key) : absent;
}
Result<bool> GGUFFile::booleanOr(std::string_view key, bool absent) const {
  return has(key) ? boolean(key) : absent;
}

Result<std::vector<std::string_view>> GGUFFile::strings(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (value->type != GGUFValueType::Array || value->elementType != GGUFValueType::String)
    return wrongKind(key, "an array of strings", *value);
  std::vector<std::string_view> result;
  result.reserve(value->count); // at most an eighth of the file's size, by takeElements
  const std::byte *bytes = value->bytes.data();
  for (uint64_t i = 0; i < value->count; ++i)
    result.push_back(loadString(bytes));
  return result;
}

/// Converts the elements of `value` with `convert`, or says nothing if one of them is of another kind.
template <typename T>
static std::optional<std::vector<T>>
loadArray(const GGUFValue &value, std::optional<T> (*convert)(GGUFValueType, const std::byte *)) {
  size_t each = scalarBytes(value.elementType);
  if (each == 0)
    return std::nullopt;
  std::vector<T> result;
  result.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    auto element = convert(value.elementType, value.bytes.data() + i * each);
    if (!element)
      return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

Result<std::vector<int64_t>> GGUFFile::integers(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto array = loadArray<int64_t>(*value, loadInteger))
    return *std::move(array);
  return wrongKind(key, "an array of integers", *value);
}

Result<std::vector<double>> GGUFFile::reals(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto array = loadArray<double>(*value, loadReal))
    return *std::move(array);
  return wrongKind(key, "an array of numbers", *value);
}

Result<std::vector<bool>> GGUFFile::booleans(std::string_view key) const {
  NIBBLE_TRY(const GGUFValue *value, require(key));
  if (auto array = loadArray<bool>(*value, loadBool))
    return *std::move(array);
  return wrongKind(key, "an array of bools", *value);
}
