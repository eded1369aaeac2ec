//===- Search.h - Which choices of a tuning are the fastest -------------------------*- C++ -*-===//
//
// Coordinate descent from the estimate of the tile model: one field at a time, its candidates in turns with
// what it was, and a change only where the gain is larger than the spread of what was measured.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/Target.h"

#include <span>

namespace nibble {

/// What a search measures with: a model's linears on this machine, or a test's function.
class TuningBench {
public:
  virtual ~TuningBench() = default;
  /// Makes code for a candidate and gives its number; candidates with the same code have the same.
  virtual Result<size_t> prepare(const CPUTuning &candidate) = 0;
  /// Seconds of the linears of one step, [number][tokens]; candidates take turns.
  virtual std::vector<std::vector<double>> measure(std::span<const size_t> numbers,
                                                   std::span<const uint32_t> tokens) = 0;
  /// Seconds since the bench was made.
  virtual double now() = 0;
  /// About this share of the search is done.
  virtual void advance(double) {}
};

struct SearchOptions {
  std::vector<uint32_t> tokens; // of the steps that are measured
  double seconds = 60;          // begins nothing new after
  size_t rounds = 7;
};

/// Of the ratios of rounds.
struct Quartiles {
  double lower = 1, median = 1, upper = 1;
  explicit Quartiles(std::vector<double> ratios);
  Quartiles() = default;
  /// Whether they are below 1 by more than half of a percent and more than they spread.
  bool isGain() const;
};

/// One turn of a field. A time is the geometric mean over the steps that the field concerns, the median of
/// rounds.
struct ChoiceTurn {
  std::string_view field;
  int64_t before = 0, best = 0; // its value, and the fastest of the others
  double beforeSeconds = 0, bestSeconds = 0;
  Quartiles ratio; // of the two times
  bool taken = false;
};

/// Estimate and result side by side at the end, in steps of so many tokens.
struct StepTimes {
  uint32_t tokens = 0;
  double estimateSeconds = 0, bestSeconds = 0;
  Quartiles ratio;
};

struct SearchResult {
  CPUTuning best; // the estimate where nothing better was found
  std::vector<ChoiceTurn> turns;
  std::vector<StepTimes> steps; // empty where every turn left the estimate as it was
  size_t candidates = 0;        // that were measured
  double seconds = 0;
  bool complete = true; // false: time was up before every field had its turn
};

/// Fails only where the bench does.
Result<SearchResult> searchTuning(const CPUTuning &estimate, TuningBench &bench,
                                  const SearchOptions &options);

} // namespace nibble
