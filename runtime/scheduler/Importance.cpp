//===- Importance.cpp - Who comes first -------------------------------------------------------===//

#include "runtime/scheduler/Importance.h"
#include <tuple>

using namespace nibble;

bool nibble::isMoreImportant(const Standing &a, const Standing &b) {
  return std::tie(a.priority, a.arrival, a.number) < std::tie(b.priority, b.arrival, b.number);
}

int64_t nibble::agedPriority(const Standing &standing, TimePoint now, std::chrono::duration<double> ageing) {
  std::chrono::duration<double> waited = now - standing.arrival;
  return standing.priority - (waited > waited.zero() ? static_cast<int64_t>(waited / ageing) : 0);
}
