//===- Safetensors.h - What is inside a safetensors file ----------------------------*- C++ -*-===//
//
// u64 length of the header, the header (JSON), then the data that its offsets point into (reference/FORMATS
// 1). Everything is checked when the file is opened, so that no later look-up can leave the mapping.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/MappedFile.h"
#include "nibble/runtime/Result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace nibble {

struct SafetensorsTensor {
  std::string name;
  std::string dtype;           // as the file spells it: "F32", "BF16", "I64", …
  std::vector<uint64_t> shape; // row-major; empty for a scalar
  uint64_t begin = 0, end = 0; // bytes from the start of the data
};

/// The header alone, as it was written.
struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors; // in the header's order
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Reads the header's JSON: nothing but what the format knows, no name twice. Memory is bounded by the text's
/// size.
Result<SafetensorsHeader> parseSafetensorsHeader(std::string_view text, const std::string &file);

/// Bytes of one element; 0 for a dtype that is unknown.
unsigned safetensorsElementBytes(std::string_view dtype);

class SafetensorsFile {
public:
  static Result<SafetensorsFile> open(const std::string &path);
  /// Checks bytes that somebody else owns and keeps; `name` stands in messages.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes, std::string name);

  const std::string &path() const { return name; }
  const std::vector<SafetensorsTensor> &tensors() const { return header.tensors; }
  const std::vector<std::pair<std::string, std::string>> &metadata() const { return header.metadata; }
  /// Null if the file has no such tensor.
  const SafetensorsTensor *find(const std::string &tensorName) const;
  std::span<const std::byte> data(const SafetensorsTensor &tensor) const {
    return section.subspan(tensor.begin, tensor.end - tensor.begin);
  }

private:
  std::string name;
  std::optional<MappedFile> mapping; // none if somebody else owns the bytes
  SafetensorsHeader header;
  std::unordered_map<std::string, size_t> index; // name to position in header.tensors
  std::span<const std::byte> section;            // the data
};

} // namespace nibble
