//===- Histogram.cpp - Observations counted by size -------------------------------------------===//
#include "runtime/server/Exposition.h"
#include "runtime/server/Metrics.h"
#include <algorithm>

namespace nibble::server {

Histogram::Histogram(std::span<const double> bounds) : bounds(bounds), counts(bounds.size() + 1) {}

void Histogram::observe(double value) {
  size_t bucket = std::ranges::lower_bound(bounds, value) - bounds.begin();
  counts[bucket].fetch_add(1, std::memory_order_relaxed);
  total.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t all = 0;
  for (const auto &bucket : counts)
    all += bucket.load(std::memory_order_relaxed);
  return all;
}

double Histogram::sum() const { return total.load(std::memory_order_relaxed); }

void Histogram::write(std::string &text, std::string_view name, std::string_view labels) const {
  // The count is that of the same reading of the buckets, so that the text never contradicts itself.
  double sumNow = sum();
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += counts[i].load(std::memory_order_relaxed);
    std::string bound = i < bounds.size() ? numberText(bounds[i]) : "+Inf";
    writeSample(text, std::string(name) + "_bucket", std::string(labels) + ",le=\"" + bound + "\"", below);
  }
  writeSample(text, std::string(name) + "_sum", labels, sumNow);
  writeSample(text, std::string(name) + "_count", labels, below);
}

} // namespace nibble::server
