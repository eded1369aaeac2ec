//===- Rope.cpp - llm.rope, llm.angles, llm.rotate --------------------------------------------===//
#include "nibble/Reference/Kernels.h"

#include <cmath>

using namespace nibble::reference;

Matrix nibble::reference::angles(std::span<const int32_t> positions,
                                 std::span<const float> inverseFrequencies, double attentionFactor) {
  auto rows = static_cast<int64_t>(positions.size()), half = static_cast<int64_t>(inverseFrequencies.size());
  Matrix result(rows, 2 * half);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t j = 0; j < half; ++j) {
      // One f32 product, as transformers computes it; from here on, exact.
      float angle = static_cast<float>(positions[row]) * inverseFrequencies[j];
      result.row(row)[j] = attentionFactor * std::cos(static_cast<double>(angle));
      result.row(row)[half + j] = attentionFactor * std::sin(static_cast<double>(angle));
    }
  return result;
}

Matrix nibble::reference::rotate(const Matrix &x, const Matrix &angles, int64_t headDim) {
  Matrix y = x; // what is not rotated passes through
  int64_t half = angles.columns / 2;
  for (int64_t row = 0; row < x.rows; ++row)
    for (int64_t j = 0; j < half; ++j) {
      double cosine = angles.row(row)[j], sine = angles.row(row)[half + j];
      for (int64_t head = 0; head < x.columns; head += headDim) {
        double first = x.row(row)[head + j], second = x.row(row)[head + half + j];
        y.row(row)[head + j] = first * cosine - second * sine;
        y.row(row)[head + half + j] = second * cosine + first * sine;
      }
    }
  return y;
}

Matrix nibble::reference::rope(const Matrix &x, std::span<const int32_t> positions, int64_t headDim,
                               std::span<const float> inverseFrequencies, double attentionFactor) {
  return rotate(x, angles(positions, inverseFrequencies, attentionFactor), headDim);
}
