//===- Safetensors.cpp - Checks of a safetensors file -----------------------------------------===//
//
// Overflow-safe: nothing that the header says is added or multiplied before it is bounded.
//
//===------------------------------------------------------------------------------------------===//

#include "Safetensors.h"

#include "../JsonObject.h"

#include <algorithm>
#include <cstring>

using namespace nibble;

static constexpr uint64_t largestHeader = 100u << 20; // bytes; the format's own limit is 100 million

unsigned nibble::safetensorsElementBytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, unsigned> sizes[] = {
      {"F64", 8},  {"F32", 4},     {"F16", 2},     {"BF16", 2},    {"I64", 8}, {"I32", 4},
      {"I16", 2},  {"I8", 1},      {"U64", 8},     {"U32", 4},     {"U16", 2}, {"U8", 1},
      {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
  };
  for (auto [name, bytes] : sizes)
    if (name == dtype)
      return bytes;
  return 0;
}

/// The bytes that a tensor's dtype and shape ask for are those between its offsets, inside of the data.
static Result<void> checkTensor(const SafetensorsTensor &tensor, uint64_t dataBytes,
                                const std::string &file) {
  std::string what = file + ": tensor " + quotedName(tensor.name);
  unsigned each = safetensorsElementBytes(tensor.dtype);
  if (each == 0)
    return failure(what + " has the dtype " + quotedName(tensor.dtype) +
                   ", which is unknown; F32, F16 and BF16 weights are read");
  uint64_t bytes = each;
  bool overflow = false;
  bool isEmpty = false;
  for (uint64_t extent : tensor.shape) {
    isEmpty |= extent == 0;
    overflow |= __builtin_mul_overflow(bytes, extent, &bytes);
  }
  if (overflow && !isEmpty)
    return failure(what + " claims more elements than 64 bits can count");
  if (isEmpty)
    bytes = 0;
  if (tensor.begin > tensor.end || tensor.end > dataBytes)
    return failure(what + " lies at bytes " + std::to_string(tensor.begin) + " to " +
                   std::to_string(tensor.end) + " of the data, which has " + std::to_string(dataBytes) +
                   "; the file is truncated or damaged, fetch it again");
  if (tensor.end - tensor.begin != bytes)
    return failure(what + " has " + std::to_string(tensor.end - tensor.begin) +
                   " bytes; its shape and dtype " + tensor.dtype + " ask for " + std::to_string(bytes));
  return {};
}

/// The tensors cover the data from its first byte to its last, without gaps or overlaps.
static Result<void> checkCover(const std::vector<SafetensorsTensor> &tensors, uint64_t dataBytes,
                               const std::string &file) {
  std::vector<const SafetensorsTensor *> order;
  for (const SafetensorsTensor &tensor : tensors)
    order.push_back(&tensor);
  std::ranges::sort(order, {},
                    [](const SafetensorsTensor *tensor) { return std::pair(tensor->begin, tensor->end); });
  uint64_t covered = 0;
  for (const SafetensorsTensor *tensor : order) {
    if (tensor->begin != covered)
      return failure(file + ": tensor " + quotedName(tensor->name) + " begins at byte " +
                     std::to_string(tensor->begin) + " of the data; expected " + std::to_string(covered) +
                     (tensor->begin < covered ? " (it overlaps another tensor)" : " (there is a gap)"));
    covered = tensor->end;
  }
  if (covered != dataBytes)
    return failure(file + ": has " + std::to_string(dataBytes) + " bytes of data; its tensors cover " +
                   std::to_string(covered));
  return {};
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, std::string name) {
  SafetensorsFile file;
  file.name = std::move(name);
  uint64_t length = 0;
  if (bytes.size() < sizeof(length))
    return failure(file.name + ": has " + std::to_string(bytes.size()) +
                   " bytes; a safetensors file begins with 8 bytes of header length");
  std::memcpy(&length, bytes.data(), sizeof(length));
  bytes = bytes.subspan(sizeof(length));
  if (length > largestHeader)
    return failure(file.name + ": its header claims " + std::to_string(length) + " bytes; expected at most " +
                   std::to_string(largestHeader) + " (is it a safetensors file?)");
  if (length > bytes.size())
    return failure(file.name + ": its header claims " + std::to_string(length) + " bytes, the file has " +
                   std::to_string(bytes.size()) + " left; the file is truncated, fetch it again");
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), length);
  NIBBLE_TRY(file.header, parseSafetensorsHeader(text, file.name));
  file.section = bytes.subspan(length);
  for (size_t i = 0; i < file.header.tensors.size(); ++i) {
    NIBBLE_CHECK(checkTensor(file.header.tensors[i], file.section.size(), file.name));
    file.index.emplace(file.header.tensors[i].name, i);
  }
  NIBBLE_CHECK(checkCover(file.header.tensors, file.section.size(), file.name));
  return file;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  NIBBLE_TRY(auto mapped, MappedFile::open(path));
  NIBBLE_TRY(auto file, parse(mapped.bytes(), path));
  file.mapping = std::move(mapped);
  return file;
}

const SafetensorsTensor *SafetensorsFile::find(const std::string &tensorName) const {
  auto found = index.find(tensorName);
  return found == index.end() ? nullptr : &header.tensors[found->second];
}
