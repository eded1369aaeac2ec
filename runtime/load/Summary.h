//===- Summary.h - What a load did to a server --------------------------------------*- C++ -*-===//
//
// Times are those of complete answers; rates are over the whole run, from the first request to the last
// token.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include "runtime/load/Answer.h"
#include "runtime/load/Statistics.h"
#include <map>
#include <optional>

namespace nibble::load {

/// Seconds within which an answer must stay to count as good.
struct Targets {
  std::optional<double> timeToFirst, betweenTokens, perToken, total;

  /// "ttft=200,itl=50": milliseconds; also tpot and e2e.
  static Result<Targets> parse(const std::string &text);
  bool any() const { return timeToFirst || betweenTokens || perToken || total; }
  /// 99 of 100 of a request's times between tokens must be within `betweenTokens`.
  bool areMet(const RequestRecord &record) const;
};

/// A gap of several tokens counts as that many equal ones.
std::vector<double> betweenTokens(const RequestRecord &record);

/// The records of one run.
struct RunResult {
  std::vector<RequestRecord> records;
  double seconds = 0; // from the first request's start to the last answer's end
};

struct Summary {
  uint64_t requests = 0, complete = 0, good = 0;
  uint64_t promptTokens = 0, outputTokens = 0, chunks = 0; // of complete answers
  uint64_t counted = 0;                                    // answers whose tokens the server counted
  uint64_t shorter = 0; // complete answers with fewer tokens than asked for
  double seconds = 0;
  double lateness = 0; // the most that the load generator was behind its plan
  struct Failure {
    uint64_t count = 0;
    std::string message; // of the first one
  };
  std::map<std::string, Failure> failures;
  Spread timeToFirst, betweenTokens, perToken, total;

  double requestRate() const { return seconds > 0 ? static_cast<double>(complete) / seconds : 0; }
  double goodRate() const { return seconds > 0 ? static_cast<double>(good) / seconds : 0; }
  double tokenRate() const { return seconds > 0 ? static_cast<double>(outputTokens) / seconds : 0; }

  /// Of several runs: times together, seconds added.
  static Summary of(std::span<const RunResult> runs, const Targets &targets);
};

} // namespace nibble::load
