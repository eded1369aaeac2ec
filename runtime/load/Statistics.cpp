//===- Statistics.cpp - What a list of times says ---------------------------------------------===//

#include "runtime/load/Statistics.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace nibble::load;

double nibble::load::percentile(std::span<const double> sorted, double fraction) {
  double at = fraction * static_cast<double>(sorted.size() - 1);
  size_t below = std::min(static_cast<size_t>(at), sorted.size() - 1);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Spread::Spread(std::vector<double> values) {
  count = values.size();
  if (count == 0)
    return;
  std::sort(values.begin(), values.end());
  mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count);
  p50 = percentile(values, 0.5);
  p90 = percentile(values, 0.9);
  p99 = percentile(values, 0.99);
  most = values.back();
}
