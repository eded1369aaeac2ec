//===- Linear.cpp - llm.linear, llm.logits, lowbit.linear, llm.lora, lowbit.dot* --------------===//
#include "nibble/Reference/Kernels.h"

#include <cmath>
#include <functional>

using namespace nibble;
using namespace nibble::reference;

/// Four sums, so that one addition need not wait for the one before.
static double dot(std::span<const double> a, std::span<const double> b) {
  double sums[4] = {};
  size_t k = 0;
  for (; k + 4 <= a.size(); k += 4)
    for (size_t i = 0; i < 4; ++i)
      sums[i] += a[k + i] * b[k + i];
  for (; k < a.size(); ++k)
    sums[0] += a[k] * b[k];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// `weightRow(n, values)` gives row n of the weight.
static Matrix multiply(const Matrix &x, int64_t channels,
                       const std::function<void(int64_t, std::span<double>)> &weightRow,
                       std::span<const double> bias) {
  Matrix y(x.rows, channels);
  std::vector<double> weight(x.columns);
  for (int64_t n = 0; n < channels; ++n) {
    weightRow(n, weight);
    for (int64_t m = 0; m < x.rows; ++m)
      y.row(m)[n] = dot(x.row(m), weight) + (bias.empty() ? 0 : bias[n]);
  }
  return y;
}

Matrix nibble::reference::linear(const Matrix &x, const RowBlock &weight, std::span<const double> bias) {
  return multiply(
      x, weight.rows, [&](int64_t n, std::span<double> values) { decodeRow(weight, n, values); }, bias);
}

Matrix nibble::reference::linear(const Matrix &x, const Matrix &weight, std::span<const double> bias) {
  return multiply(
      x, weight.rows,
      [&](int64_t n, std::span<double> values) {
        std::span<const double> row = weight.row(n);
        std::copy(row.begin(), row.end(), values.begin());
      },
      bias);
}

Matrix nibble::reference::linear(const QuantizedRows &x, const RowBlock &weight) {
  return linear(dequantize(x), weight);
}

Matrix nibble::reference::linearMagnitude(const Matrix &x, const RowBlock &weight) {
  Matrix magnitudes = x;
  for (double &value : magnitudes.data)
    value = std::abs(value);
  return multiply(magnitudes, weight.rows,
                  [&](int64_t n, std::span<double> values) {
                    decodeRow(weight, n, values);
                    for (double &value : values)
                      value = std::abs(value);
                  },
                  {});
}

Matrix nibble::reference::linearMagnitude(const QuantizedRows &x, const RowBlock &weight) {
  return linearMagnitude(dequantize(x), weight);
}

Matrix nibble::reference::selectRows(const Matrix &x, std::span<const int32_t> rows) {
  Matrix selected(static_cast<int64_t>(rows.size()), x.columns);
  for (int64_t r = 0; r < selected.rows; ++r) {
    std::span<const double> row = x.row(rows[r]);
    std::copy(row.begin(), row.end(), selected.row(r).begin());
  }
  return selected;
}

Matrix nibble::reference::lora(const Matrix &x, const Matrix &base, const Matrix &a, const Matrix &b,
                               double scale) {
  Matrix y = linear(linear(x, a), b);
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = base.data[i] + scale * y.data[i];
  return y;
}

std::vector<int32_t> nibble::reference::dot4(std::span<const int32_t> acc, std::span<const uint8_t> a,
                                             std::span<const int8_t> b) {
  std::vector<int32_t> result(acc.size());
  for (size_t lane = 0; lane < acc.size(); ++lane) {
    int64_t sum = acc[lane];
    for (size_t i = 4 * lane; i < 4 * lane + 4; ++i)
      sum += static_cast<int64_t>(a[i]) * b[i];
    result[lane] = static_cast<int32_t>(sum);
  }
  return result;
}

std::vector<double> nibble::reference::dot2(std::span<const double> acc, std::span<const double> a,
                                            std::span<const double> b) {
  std::vector<double> result(acc.begin(), acc.end());
  for (size_t lane = 0; lane < acc.size(); ++lane)
    result[lane] += a[2 * lane + 1] * b[2 * lane + 1] + a[2 * lane] * b[2 * lane];
  return result;
}

std::vector<int32_t> nibble::reference::dotTile(std::span<const uint8_t> codes, bool unsignedCodes,
                                                std::span<const int8_t> x, int64_t rows, int64_t columns) {
  std::vector<int32_t> sums;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < 16; ++n) {
      int64_t sum = 0;
      for (int64_t k = 0; k < columns; ++k) {
        uint8_t code = codes[k / 4 * 64 + 4 * n + k % 4];
        sum += int64_t(x[m * columns + k]) * (unsignedCodes ? code : static_cast<int8_t>(code));
      }
      sums.push_back(static_cast<int32_t>(sum));
    }
  return sums;
}

std::vector<double> nibble::reference::dotTileBF16(std::span<const double> weights, std::span<const double> x,
                                                   int64_t rows, int64_t columns) {
  std::vector<double> sums;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < 16; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < columns; ++k)
        sum += x[m * columns + k] * weights[k / 2 * 32 + 2 * n + k % 2];
      sums.push_back(sum);
    }
  return sums;
}

std::vector<int8_t> nibble::reference::lookup(std::span<const uint8_t> codes, std::span<const int8_t> table) {
  std::vector<int8_t> result;
  for (uint8_t code : codes)
    result.push_back(table[code]);
  return result;
}
