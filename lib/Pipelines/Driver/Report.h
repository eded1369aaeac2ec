//===- Report.h - What was made of a checkpoint -------------------------------------*- C++ -*-===//
//
// A table for people, JSON for scripts. Nothing that a precision costs is silent: formats and activations
// stand here.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Pipelines/Driver/Progress.h"
#include "lib/Pipelines/Driver/WeightSegment.h"
#include "lib/Tune/Tune.h"
#include "nibble/Quantize/PrecisionPlan.h"

#include <nlohmann/json.hpp>

namespace nibble {

struct Report {
  std::string output;
  nlohmann::json model; // the manifest's
  std::vector<PlacedWeight> weights;
  PrecisionPlan plan;
  uint64_t weightBytes = 0, fileBytes = 0;
  struct Variant {
    std::string target, tuning;
    size_t kernels = 0;
    uint64_t codeBytes = 0;
  };
  std::vector<Variant> variants;
  std::optional<TuneReport> tuned;
  std::vector<int64_t> arena; // [bytes a token, bytes a row of logits, bytes]
  int64_t privateBytes = 0;   // a worker
  size_t dispatches = 0;
  std::string cacheType;                              // the default
  std::vector<std::pair<std::string, double>> stages; // seconds
};

std::string reportTable(const Report &report);
nlohmann::json reportJson(const Report &report);

} // namespace nibble
