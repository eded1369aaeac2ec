//===- QuantizedRows.h - Integer activations, as numbers and as kernels read them ---*- C++ -*-===//
//
// `!lowbit.rows<..., int8>` and `int16`: a logical array of codes and scales, and its bytes. Tests of kernels
// make activations here, hand the bytes to the compiled kernel and the logical array to the reference.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Reference/Matrix.h"

namespace nibble::reference {

/// Columns that share a scale.
inline constexpr int64_t kRowGroup = 32;
/// Rows in a tile; the last tile of rows may have fewer.
inline constexpr int64_t kRowTile = 8;

/// The largest code of a row of `planes` int8 planes.
constexpr float largestCode(int64_t planes) { return planes == 2 ? 32639.0f : 127.0f; }

struct QuantizedRows {
  int64_t rows = 0, columns = 0;
  std::vector<int16_t> codes; // [rows][columns], within the largest code
  std::vector<float> scales;  // [rows][groups]
  int64_t planes = 1;         // 1: int8, 2: int16

  int64_t groups() const { return (columns + kRowGroup - 1) / kRowGroup; }
};

/// With x in f32, L the largest code and m = max |x| over each group: d = f32(m / L), q = round(f32(x f32(L /
/// m))), ties to even, within -L .. L; a group of zeros has d = 0 and q = 0, and where f32(L / m) is infinite
/// all q are 0.
QuantizedRows quantizeRows(const Matrix &x, int64_t planes = 1);

/// Elements rounded to bf16, ties to even: `!lowbit.rows<..., bf16>`.
Matrix roundRowsToBFloat16(Matrix x);

/// d q, exact.
Matrix dequantize(const QuantizedRows &rows);

/// What lies beside the codes in a record: one c for each bias, f32 1.5 2^23 - bias sum(q) with one plane,
/// int32 -bias sum(q) with two; and f32 s = d sum(q) if `sums`.
struct RecordLayout {
  std::vector<int32_t> biases;
  bool sums = false;
  int64_t planes = 1;

  /// Bytes that one row takes in one group's record.
  int64_t recordBytes() const {
    return planes * kRowGroup + 4 * static_cast<int64_t>(biases.size()) + 4 + (sums ? 4 : 0);
  }
};

/// The bytes of LowbitDialect.td's `Rows` (the layout's planes are the rows'): columns padded to 64 with zero
/// codes and zero scales.
std::vector<uint8_t> packRecords(const QuantizedRows &rows, const RecordLayout &layout);

/// Codes and scales of such bytes; c and s are not looked at. `bytes` has rows * padded columns / 32 records.
QuantizedRows unpackRecords(std::span<const uint8_t> bytes, int64_t rows, int64_t columns,
                            const RecordLayout &layout);

} // namespace nibble::reference
