//===- Importance.h - Who comes first -----------------------------------------------*- C++ -*-===//
//
// Two orders. Among those that run, the declared priority decides, then who came first. Among those that
// wait, waiting raises the priority, so that nobody starves behind a stream of more important requests; and
// among equals the owner who has been served least comes first.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Clock.h"
#include <cstdint>

namespace nibble {

struct Standing {
  int32_t priority = 0; // lower comes first
  TimePoint arrival;    // of the request
  uint64_t number = 0;  // orders those that arrived together; unique
};

/// Running sequences: whether `a` keeps its place rather than `b`. A strict total order.
bool isMoreImportant(const Standing &a, const Standing &b);

/// The priority of somebody who has waited since `arrival`: one better for each full `ageing`.
int64_t agedPriority(const Standing &standing, TimePoint now, std::chrono::duration<double> ageing);

} // namespace nibble
