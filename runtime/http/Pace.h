//===- Pace.h - Whether a client takes what is written for it -----------------------*- C++ -*-===//
//
// A client that takes a few bytes now and then would hold its answer for ever. It is asked for a rate, over a
// time so long that a short stop does not matter, and only while something has to wait for it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Server.h"

namespace nibble::http {

using Clock = std::chrono::steady_clock;

class Pace {
public:
  explicit Pace(const Limits &limits)
      : stalled(limits.stalled), slow(limits.slow), slowBytes(limits.slowBytes) {}

  /// Nothing waits any more.
  void rest() { waits = false; }
  /// To be asked often while something waits; `taken` bytes in all. False: the client is too slow.
  bool keeps(Clock::time_point now, uint64_t taken) {
    if (!std::exchange(waits, true)) {
      moved = begun = now;
      last = first = taken;
    }
    if (taken != last) {
      last = taken;
      moved = now;
    }
    if (now - moved >= stalled)
      return false;
    if (now - begun < slow)
      return true;
    bool fast = taken - first >= slowBytes;
    begun = now;
    first = taken;
    return fast;
  }

private:
  std::chrono::milliseconds stalled, slow;
  uint64_t slowBytes;
  bool waits = false;
  Clock::time_point moved, begun; // when it last took something; when the time began that is looked at
  uint64_t last = 0, first = 0;   // what it had taken then
};

} // namespace nibble::http
