//===- Progress.h - What the compiler is doing, on standard error -------------------*- C++ -*-===//
//
// One line a stage with its time; on a terminal, a line that is redrawn with an estimate of what is left.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nibble {

class StageProgress {
public:
  explicit StageProgress(bool quiet);
  /// Ends what is still open, without a time.
  ~StageProgress();

  /// Ends the stage before, if there is one, and begins another.
  void begin(const std::string &stage);
  /// `done` of `total` bytes; redraws at most ten times a second.
  void advance(uint64_t done, uint64_t total);
  /// Ends the stage; its line stays.
  void end();

  /// Name and seconds of every stage that has ended, in order.
  const std::vector<std::pair<std::string, double>> &stages() const { return ended; }

private:
  using Clock = std::chrono::steady_clock;
  bool quiet, terminal;
  std::string current; // empty between stages
  Clock::time_point started, drawn;
  std::vector<std::pair<std::string, double>> ended;
};

} // namespace nibble
