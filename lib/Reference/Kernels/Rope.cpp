//===- Rope.cpp - llm.rope --------------------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"

#include <cmath>

using namespace nibble::reference;

Matrix nibble::reference::rope(const Matrix &x, std::span<const int32_t> positions, int64_t headDim,
                               std::span<const float> inverseFrequencies, double attentionFactor) {
  Matrix y = x; // what is not rotated passes through
  int64_t half = static_cast<int64_t>(inverseFrequencies.size());
  for (int64_t row = 0; row < x.rows; ++row)
    for (int64_t j = 0; j < half; ++j) {
      // One f32 product, as transformers computes it; from here on, exact.
      float angle = static_cast<float>(positions[row]) * inverseFrequencies[j];
      double cosine = attentionFactor * std::cos(static_cast<double>(angle));
      double sine = attentionFactor * std::sin(static_cast<double>(angle));
      for (int64_t head = 0; head < x.columns; head += headDim) {
        double first = x.row(row)[head + j], second = x.row(row)[head + half + j];
        y.row(row)[head + j] = first * cosine - second * sine;
        y.row(row)[head + half + j] = second * cosine + first * sine;
      }
    }
  return y;
}
