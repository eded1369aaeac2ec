//===- MachineLoad.h - How busy other processes keep the machine --------------------*- C++ -*-===//
#pragma once

#include <chrono>

namespace nibble {

/// CPU time of this process and of the whole machine, what other machines stole included.
struct MachineLoad {
  double own = 0, all = 0; // seconds
  std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();

  MachineLoad();

  /// Share of all CPUs that others took since `before`.
  double othersSince(const MachineLoad &before) const;
};

} // namespace nibble
