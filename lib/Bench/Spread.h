//===- Spread.h - What several rounds gave, and how it is printed -------------------*- C++ -*-===//
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace nibble {

/// Median and extremes of what the rounds gave.
struct Spread {
  double median = 0, least = 0, most = 0;
  explicit Spread(std::vector<double> values);

  /// "81.2% [80.9 81.4]"
  std::string percent() const;
};

/// The spread of `value` over all samples.
template <typename Sample, typename Value> Spread spreadOf(const std::vector<Sample> &samples, Value value) {
  std::vector<double> values;
  for (const Sample &sample : samples)
    values.push_back(value(sample));
  return Spread(std::move(values));
}

/// A line of results: what was measured, and what it gave, each by name.
struct ResultLine {
  std::vector<std::pair<const char *, uint64_t>> what;
  std::vector<std::pair<const char *, Spread>> columns;
};

void printCSV(const std::vector<ResultLine> &lines);
/// Prints `document` with the lines as "results".
void printJson(nlohmann::ordered_json document, const std::vector<ResultLine> &lines);

} // namespace nibble
