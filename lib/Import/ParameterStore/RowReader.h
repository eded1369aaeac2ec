//===- RowReader.h - From stored rows to a block of rows ----------------------------*- C++ -*-===//
//
// The one place that knows how each storage type lays out a row.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/ParameterStore.h"

namespace nibble {

/// Fills the rows of `block`, whose format, rows and columns are set, from rows of `storage`.
class RowReader {
public:
  RowReader(StorageType storage, RowBlock &block);
  /// Row `row` of the block becomes what the bytes of `stored` hold.
  void read(std::span<const std::byte> stored, int64_t row) const;

private:
  void readFloats(const std::byte *bytes, float *values) const;
  void readBlocks(const std::byte *bytes, int64_t row) const;

  StorageType storage;
  RowBlock &block;
};

} // namespace nibble
