//===- Statistics.h - What a list of times says -------------------------------------*- C++ -*-===//
//
// Percentiles as numpy's default computes them (linear between the two neighbours), so that figures of other
// benchmarks compare.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <span>
#include <vector>

namespace nibble::load {

/// `sorted` ascending, not empty; `fraction` in [0, 1].
double percentile(std::span<const double> sorted, double fraction);

/// Of times in seconds. All zero where there are none.
struct Spread {
  size_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, most = 0;

  Spread() = default;
  explicit Spread(std::vector<double> values);
};

} // namespace nibble::load
