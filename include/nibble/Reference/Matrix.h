//===- Matrix.h - Rows of doubles ---------------------------------------------------*- C++ -*-===//
//
// The only container of activations in the reference.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nibble::reference {

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> data; // [rows][columns], row-major

  Matrix() = default;
  /// Zeros.
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), data(rows * columns) {}
  Matrix(int64_t rows, int64_t columns, std::vector<double> data)
      : rows(rows), columns(columns), data(std::move(data)) {}

  /// `values` is [rows][columns].
  static Matrix fromFloats(int64_t rows, int64_t columns, std::span<const float> values) {
    return Matrix(rows, columns, std::vector<double>(values.begin(), values.end()));
  }

  std::span<double> row(int64_t r) { return {data.data() + r * columns, static_cast<size_t>(columns)}; }
  std::span<const double> row(int64_t r) const {
    return {data.data() + r * columns, static_cast<size_t>(columns)};
  }
};

} // namespace nibble::reference
