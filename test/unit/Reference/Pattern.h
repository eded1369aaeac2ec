//===- Pattern.h - Inputs that C++ and Python compute alike -------------------------*- C++ -*-===//
#pragma once

#include "nibble/Reference/Matrix.h"
#include <gtest/gtest.h>

/// As in python/fixtures/reference_ops.py: multiples of 1/32, exact in f32.
inline std::vector<double> pattern(int64_t count, int64_t step, int64_t start) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<double>((i * step + start) % 101 - 50) / 32);
  return values;
}

inline nibble::reference::Matrix rows(int64_t rows, int64_t columns, int64_t step, int64_t start) {
  return {rows, columns, pattern(rows * columns, step, start)};
}

/// Every element within `relative` of the largest expected magnitude.
inline void expectNear(const std::vector<double> &found, const std::vector<double> &expected,
                       double relative = 1e-13) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 0;
  for (double value : expected)
    largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], relative * largest) << "element " << i;
}

/// The weight of reference_formats.py: skewed, 140 columns, so that the last group of every size is short.
inline nibble::reference::Matrix skewed() {
  nibble::reference::Matrix w = rows(2, 140, 37, 11);
  for (double &value : w.data)
    value = static_cast<float>(value * value * value / 4 + value + 0.3);
  return w;
}
