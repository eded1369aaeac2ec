//===- QuantizedRows.h - int8 activations, as numbers and as the records that kernels read ---*- C++ -*-===//
//
// `!lowbit.rows<..., int8>`: a logical array of codes and scales, and its bytes. Tests of kernels make
// activations here, hand the bytes to the compiled kernel and the logical array to the reference.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Reference/Matrix.h"

namespace nibble::reference {

/// Columns that share a scale.
inline constexpr int64_t kRowGroup = 32;
/// Rows in a tile; the last tile of rows may have fewer.
inline constexpr int64_t kRowTile = 8;

struct Int8Rows {
  int64_t rows = 0, columns = 0;
  std::vector<int8_t> codes; // [rows][columns], -127 .. 127
  std::vector<float> scales; // [rows][groups]

  int64_t groups() const { return (columns + kRowGroup - 1) / kRowGroup; }
};

/// With x in f32: d = f32(max |x| / 127) over each group, q = round(f32(x / d)), ties to even, within -127 ..
/// 127; a group of zeros has d = 0 and q = 0.
Int8Rows quantizeRows(const Matrix &x);

/// d q, exact.
Matrix dequantize(const Int8Rows &rows);

/// What lies beside the codes in a record: one int32 c = -bias sum(q) for each bias, and f32 s = d sum(q) if
/// `sums`.
struct RecordLayout {
  std::vector<int32_t> biases;
  bool sums = false;

  /// Bytes that one row takes in one group's record.
  int64_t recordBytes() const {
    return kRowGroup + 4 * static_cast<int64_t>(biases.size()) + 4 + (sums ? 4 : 0);
  }
};

/// The bytes of LowbitDialect.td's `Rows`: columns padded to 64 with zero codes and zero scales.
std::vector<uint8_t> packRecords(const Int8Rows &rows, const RecordLayout &layout);

/// Codes and scales of such bytes; c and s are not looked at. `bytes` has rows * padded columns / 32 records.
Int8Rows unpackRecords(std::span<const uint8_t> bytes, int64_t rows, int64_t columns,
                       const RecordLayout &layout);

} // namespace nibble::reference
