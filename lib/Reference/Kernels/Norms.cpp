//===- Norms.cpp - llm.rms_norm, llm.layer_norm -----------------------------------------------===//
#include "nibble/Reference/Kernels.h"

#include <cmath>

using namespace nibble::reference;

Matrix nibble::reference::rmsNorm(const Matrix &x, std::span<const double> gain, double eps) {
  Matrix y(x.rows, x.columns);
  size_t run = gain.size();
  for (size_t begin = 0; begin < x.data.size(); begin += run) {
    double squares = 0;
    for (size_t i = 0; i < run; ++i)
      squares += x.data[begin + i] * x.data[begin + i];
    double root = std::sqrt(squares / static_cast<double>(run) + eps);
    for (size_t i = 0; i < run; ++i)
      y.data[begin + i] = gain[i] * x.data[begin + i] / root;
  }
  return y;
}

Matrix nibble::reference::layerNorm(const Matrix &x, std::span<const double> gain,
                                    std::span<const double> bias, double eps) {
  Matrix y(x.rows, x.columns);
  double count = static_cast<double>(x.columns);
  for (int64_t row = 0; row < x.rows; ++row) {
    double mean = 0, variance = 0;
    for (double value : x.row(row))
      mean += value / count;
    for (double value : x.row(row))
      variance += (value - mean) * (value - mean) / count;
    double root = std::sqrt(variance + eps);
    for (int64_t i = 0; i < x.columns; ++i)
      y.row(row)[i] = gain[i] * (x.row(row)[i] - mean) / root + bias[i];
  }
  return y;
}
