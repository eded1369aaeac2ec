//===- Load.h - Requests sent by a plan ---------------------------------------------*- C++ -*-===//
//
// Open loop: requests are sent when the plan says, however the server fares; closed loop: so many at a time,
// the next when one ends. One thread holds all streams.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/load/Call.h"
#include "runtime/load/Summary.h"

namespace nibble::load {

struct LoadPlan {
  std::string path;                        // "/v1/completions"
  std::string headers;                     // lines that end in CR LF
  std::vector<uint32_t> outputTokens;      // of each request
  std::function<std::string(size_t)> body; // of a request; made when it is sent
  std::vector<double> arrivals;            // open loop: seconds; empty: closed
  uint32_t concurrency = 1;                // closed loop
  double timeout = 600;                    // seconds of a request
};

/// How far a run is.
struct Progress {
  size_t done = 0, all = 0, running = 0, failed = 0;
  uint64_t chunks = 0;
  double seconds = 0;
};

/// Sends all requests and returns when the last is answered. `onTick` is called several times a second; once
/// it returns false, the run ends and what is open fails as "interrupted".
RunResult runLoad(Pool &pool, const LoadPlan &plan, const std::function<bool(const Progress &)> &onTick);

/// A small answer, whole.
struct Fetched {
  unsigned status = 0;
  std::string body, failure;
};
Fetched fetch(Pool &pool, const std::string &path, const std::string &headers, double timeout);

} // namespace nibble::load
