//===- GGUFFile.h - What is inside a GGUF file --------------------------------------*- C++ -*-===//
//
// A checked view over a mapped GGUF file (versions 2 and 3, little-endian): typed metadata and the list of
// tensors. Everything is validated when the file is opened, so that no later look-up can leave the mapping;
// nothing large is copied. Needs neither LLVM nor MLIR. The format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/MappedFile.h"
#include "nibble/runtime/Result.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nibble {

/// How the elements of a tensor are stored; the numbers are the file's.
enum class GGUFTensorType : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
};

struct GGUFTensorTypeInfo {
  GGUFTensorType type;
  const char *name;       // "Q4_0"
  uint32_t blockElements; // elements a block, along ne[0]
  uint32_t blockBytes;    // bytes a block
};

/// Null for a type that this reader does not know.
const GGUFTensorTypeInfo *ggufTensorTypeInfo(uint32_t type);

struct GGUFTensor {
  std::string_view name; // a view into the mapping
  /// ne[0] runs fastest: a linear's weight is {in_features, out_features}. 1 to 4 dimensions, none of them 0.
  std::vector<uint64_t> shape;
  GGUFTensorType type;
  uint64_t elements;               // product of shape
  std::span<const std::byte> data; // all rows, one after the other, each a whole number of blocks
};

/// The type of a metadata value; the numbers are the file's.
enum class GGUFValueType : uint32_t {
  UInt8 = 0,
  Int8 = 1,
  UInt16 = 2,
  Int16 = 3,
  UInt32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  UInt64 = 10,
  Int64 = 11,
  Float64 = 12,
};

/// A metadata value as it lies in the mapping. For an array: the type and number of its elements and their
/// bytes.
struct GGUFValue {
  GGUFValueType type;
  GGUFValueType elementType; // of an array; equals `type` otherwise
  uint64_t count;            // elements of an array; 1 otherwise
  std::span<const std::byte>
      bytes; // the payload: elements without the array's header, strings with their lengths
};

class GGUFFile {
public:
  /// Maps and validates `path`. Errors name the file and the key or tensor that is wrong.
  static Result<GGUFFile> open(const std::string &path);
  /// Validates bytes that somebody else owns and keeps; `name` stands in messages.
  static Result<GGUFFile> parse(std::span<const std::byte> bytes, std::string name);

  const std::string &path() const { return name; }
  uint32_t version() const { return fileVersion; }

  bool has(std::string_view key) const { return values.contains(key); }
  /// Null if the file has no such key.
  const GGUFValue *find(std::string_view key) const;
  /// Keys in the file's order.
  const std::vector<std::string_view> &keys() const { return keyOrder; }

  // Typed look-ups. An error if the key is missing or its value is of another kind; integers of any width
  // convert, and an integer serves as a float. `…Or` takes a default for a missing key, a wrong kind is still
  // an error.
  Result<std::string_view> string(std::string_view key) const;
  Result<int64_t> integer(std::string_view key) const;
  Result<double> real(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::string_view> stringOr(std::string_view key, std::string_view absent) const;
  Result<int64_t> integerOr(std::string_view key, int64_t absent) const;
  Result<double> realOr(std::string_view key, double absent) const;
  Result<bool> booleanOr(std::string_view key, bool absent) const;

  // Arrays, converted; the strings are views into the mapping. `integers` and `reals` take a scalar for an
  // array of one, as keys such as attention.head_count_kv are written either way.
  Result<std::vector<std::string_view>> strings(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;
  Result<std::vector<double>> reals(std::string_view key) const;
  Result<std::vector<bool>> booleans(std::string_view key) const;

  /// In the file's order.
  const std::vector<GGUFTensor> &tensors() const { return tensorList; }
  /// Null if the file has no such tensor.
  const GGUFTensor *findTensor(std::string_view tensorName) const;

private:
  Result<void> read(std::span<const std::byte> bytes);
  Result<const GGUFValue *> require(std::string_view key) const;
  tl::unexpected<Error> wrongKind(std::string_view key, const char *expected, const GGUFValue &found) const;

  std::string name;
  uint32_t fileVersion = 0;
  std::optional<MappedFile> mapping; // none if somebody else owns the bytes
  std::unordered_map<std::string_view, GGUFValue> values;
  std::vector<std::string_view> keyOrder;
  std::vector<GGUFTensor> tensorList;
  std::unordered_map<std::string_view, size_t> tensorIndex; // name to position in tensorList
};

} // namespace nibble
