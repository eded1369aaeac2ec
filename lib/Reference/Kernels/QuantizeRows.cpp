//===- QuantizeRows.cpp - Integer activations and their records -------------------------------===//
#include "nibble/Reference/QuantizedRows.h"

#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

using namespace nibble::reference;

QuantizedRows nibble::reference::quantizeRows(const Matrix &x, int64_t planes) {
  const float limit = largestCode(planes);
  QuantizedRows rows;
  rows.planes = planes;
  rows.rows = x.rows;
  rows.columns = x.columns;
  rows.codes.resize(x.data.size());
  rows.scales.resize(x.rows * rows.groups());
  for (int64_t row = 0; row < x.rows; ++row)
    for (int64_t group = 0; group < rows.groups(); ++group) {
      int64_t begin = group * kRowGroup, end = std::min(begin + kRowGroup, x.columns);
      float largest = 0;
      for (int64_t k = begin; k < end; ++k)
        largest = std::max(largest, std::abs(static_cast<float>(x.row(row)[k])));
      const float inverse = limit / largest;
      rows.scales[row * rows.groups() + group] = largest / limit;
      // A group of zeros, or of numbers so small that they are worth nothing.
      if (!std::isfinite(inverse))
        continue;
      for (int64_t k = begin; k < end; ++k) {
        float scaled = static_cast<float>(x.row(row)[k]) * inverse;
        rows.codes[row * x.columns + k] =
            static_cast<int16_t>(std::clamp(std::nearbyint(scaled), -limit, limit));
      }
    }
  return rows;
}

Matrix nibble::reference::dequantize(const QuantizedRows &rows) {
  Matrix x(rows.rows, rows.columns);
  for (int64_t row = 0; row < x.rows; ++row)
    for (int64_t k = 0; k < x.columns; ++k)
      x.row(row)[k] = static_cast<double>(rows.scales[row * rows.groups() + k / kRowGroup]) *
                      rows.codes[row * rows.columns + k];
  return x;
}

Matrix nibble::reference::roundRowsToBFloat16(Matrix x) {
  for (double &value : x.data)
    value = bfloat16ToFloat(floatToBFloat16(static_cast<float>(value)));
  return x;
}

namespace {

/// Where a row's part of one group's record lies.
struct RecordPlace {
  int64_t begin; // of the record, which is that of a whole tile
  int64_t tile;  // rows of the tile
  int64_t indexInTile;
  int64_t planes;

  RecordPlace(int64_t row, int64_t group, int64_t rows, int64_t groups, const RecordLayout &layout)
      : planes(layout.planes) {
    int64_t first = row / kRowTile * kRowTile;
    tile = std::min(kRowTile, rows - first);
    indexInTile = row - first;
    begin = (first * groups + group * tile) * layout.recordBytes();
  }
  /// Of one plane's codes: the high bytes first.
  int64_t codes(int64_t plane) const { return begin + (plane * tile + indexInTile) * kRowGroup; }
  /// Of the `field`-th 4-byte array after the codes.
  int64_t word(int64_t field) const {
    return begin + planes * tile * kRowGroup + (field * tile + indexInTile) * 4;
  }
};

} // namespace

static int64_t paddedGroups(int64_t columns) { return (columns + 63) / 64 * 2; }

std::vector<uint8_t> nibble::reference::packRecords(const QuantizedRows &rows, const RecordLayout &layout) {
  int64_t groups = paddedGroups(rows.columns), biases = static_cast<int64_t>(layout.biases.size());
  std::vector<uint8_t> bytes(rows.rows * groups * layout.recordBytes());
  for (int64_t row = 0; row < rows.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      RecordPlace place(row, group, rows.rows, groups, layout);
      int64_t begin = group * kRowGroup, end = std::min(begin + kRowGroup, rows.columns);
      int32_t sum = 0;
      for (int64_t k = begin; k < end; ++k) {
        int code = rows.codes[row * rows.columns + k];
        if (layout.planes == 2)
          bytes[place.codes(0) + k - begin] = static_cast<uint8_t>((code + 128) >> 8);
        bytes[place.codes(layout.planes - 1) + k - begin] = static_cast<uint8_t>(code);
        sum += code;
      }
      for (int64_t i = 0; i < biases; ++i) {
        int32_t start = -layout.biases[i] * sum;
        if (layout.planes == 1) // the bits of a float; the sum is exact
          start = std::bit_cast<int32_t>(static_cast<float>(0x1.8p23 + start));
        std::memcpy(&bytes[place.word(i)], &start, 4);
      }
      if (group >= rows.groups()) // padding: no scales
        continue;
      float scale = rows.scales[row * rows.groups() + group];
      std::memcpy(&bytes[place.word(biases)], &scale, 4);
      float scaledSum = scale * static_cast<float>(sum);
      if (layout.sums)
        std::memcpy(&bytes[place.word(biases + 1)], &scaledSum, 4);
    }
  return bytes;
}

QuantizedRows nibble::reference::unpackRecords(std::span<const uint8_t> bytes, int64_t rows, int64_t columns,
                                               const RecordLayout &layout) {
  QuantizedRows result;
  result.rows = rows;
  result.columns = columns;
  result.planes = layout.planes;
  result.codes.resize(rows * columns);
  result.scales.resize(rows * result.groups());
  int64_t groups = paddedGroups(columns), biases = static_cast<int64_t>(layout.biases.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < result.groups(); ++group) {
      RecordPlace place(row, group, rows, groups, layout);
      int64_t begin = group * kRowGroup, end = std::min(begin + kRowGroup, columns);
      for (int64_t k = begin; k < end; ++k) {
        int code = static_cast<int8_t>(bytes[place.codes(layout.planes - 1) + k - begin]);
        if (layout.planes == 2)
          code += 256 * static_cast<int8_t>(bytes[place.codes(0) + k - begin]);
        result.codes[row * columns + k] = static_cast<int16_t>(code);
      }
      std::memcpy(&result.scales[row * result.groups() + group], &bytes[place.word(biases)], 4);
    }
  return result;
}
