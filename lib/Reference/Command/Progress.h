//===- Progress.h - How far a long run is -------------------------------------------*- C++ -*-===//
#pragma once

#include <chrono>
#include <string>

namespace nibble::reference {

/// A line on stderr, renewed in place on a terminal: the reference takes seconds or hours, and says which.
class Progress {
public:
  explicit Progress(std::string what);
  ~Progress();

  /// The multiplications of the whole run.
  void setTotal(double multiplications) { total = multiplications; }
  /// Multiplications that were done; false once the user has pressed Ctrl-C.
  bool add(double multiplications);

private:
  using Clock = std::chrono::steady_clock;
  void print(double seconds);

  std::string what;
  bool isTerminal, printed = false;
  double total = 0, done = 0;
  Clock::time_point start = Clock::now(), last = start;
};

} // namespace nibble::reference
