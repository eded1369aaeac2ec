//===- Report.h - What bench-serve prints -------------------------------------------*- C++ -*-===//
//
// The same figures as a table and as JSON.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/load/Summary.h"

namespace nibble::load {

/// How requests come.
struct LoadShape {
  std::optional<double> rate; // requests a second, open loop; none: closed
  double burstiness = 1;
  uint32_t concurrency = 0;

  std::string name() const; // "rate 4", "16 at a time"
};

struct LoadReport {
  LoadShape shape;
  Summary all;                // of all seeds
  std::vector<Summary> seeds; // one by one
};

struct BenchReport {
  std::string url, path, model;
  std::string prompt, output; // lengths, as they were asked for
  std::vector<uint64_t> seeds;
  Targets targets;
  std::vector<LoadReport> loads;
  std::optional<uint64_t> peakBytes; // of the server's process

  /// One sentence on who counted the tokens.
  std::string countedBy() const;
};

std::string tableText(const BenchReport &report);
nlohmann::ordered_json reportJson(const BenchReport &report);

} // namespace nibble::load
