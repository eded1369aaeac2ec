//===- Clock.h - The clock of scheduling --------------------------------------------*- C++ -*-===//
#pragma once

#include <chrono>

namespace nibble {

/// Ageing, deadlines and durations are measured by a clock that never goes back.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

inline double secondsBetween(TimePoint begin, TimePoint end) {
  return std::chrono::duration<double>(end - begin).count();
}
inline double secondsSince(TimePoint begin) { return secondsBetween(begin, Clock::now()); }

} // namespace nibble
