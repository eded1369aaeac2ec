//===- RowReader.cpp - From stored rows to a block of rows ------------------------------------===//

#include "RowReader.h"

#include "nibble/runtime/HalfFloat.h"

#include <bit>
#include <cstring>

using namespace nibble;

static_assert(std::endian::native == std::endian::little, "weights are read as they lie in the file");

static constexpr size_t blockElements = 32; // of the quantized types

static uint16_t load16(const std::byte *bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// 16 bytes: the low nibbles are elements 0 to 15 of the block, the high ones 16 to 31.
static void splitNibbles(const std::byte *bytes, int bias, int8_t *codes) {
  for (size_t i = 0; i < blockElements / 2; ++i) {
    codes[i] = int8_t(int(bytes[i] & std::byte(15)) - bias);
    codes[i + blockElements / 2] = int8_t(int(bytes[i] >> 4) - bias);
  }
}

RowReader::RowReader(StorageType storage, RowBlock &block) : storage(storage), block(block) {
  size_t elements = size_t(block.rows) * size_t(block.columns);
  size_t groups = size_t(block.rows) * size_t(block.groups());
  if (block.format.isFloat()) {
    block.values.resize(elements);
    return;
  }
  block.codes.resize(elements);
  block.scales.resize(groups);
  if (block.format.zero == Zero::Minimum)
    block.zeros.resize(groups);
}

void RowReader::readFloats(const std::byte *bytes, float *values) const {
  int64_t count = block.columns;
  if (storage == StorageType::F32)
    std::memcpy(values, bytes, count * sizeof(float));
  else if (storage == StorageType::F16)
    for (int64_t i = 0; i < count; ++i)
      values[i] = halfToFloat(load16(bytes + 2 * i));
  else
    for (int64_t i = 0; i < count; ++i)
      values[i] = bfloat16ToFloat(load16(bytes + 2 * i));
}

void RowReader::readBlocks(const std::byte *bytes, int64_t row) const {
  int64_t groups = block.columns / int64_t(blockElements);
  int8_t *codes = block.codes.data() + row * block.columns;
  for (int64_t at = row * groups; at < (row + 1) * groups; ++at, codes += blockElements) {
    block.scales[at] = load16(bytes);
    bytes += 2;
    if (storage == StorageType::Q4_1) {
      block.zeros[at] = load16(bytes);
      bytes += 2;
    }
    if (storage == StorageType::Q8_0)
      std::memcpy(codes, bytes, blockElements);
    else
      splitNibbles(bytes, storage == StorageType::Q4_0 ? 8 : 0, codes);
    bytes += storage == StorageType::Q8_0 ? blockElements : blockElements / 2;
  }
}

void RowReader::read(std::span<const std::byte> stored, int64_t row) const {
  if (block.format.isFloat())
    readFloats(stored.data(), block.values.data() + row * block.columns);
  else
    readBlocks(stored.data(), row);
}
