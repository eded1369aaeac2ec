//===- ScheduleRun.h - The same requests under several schedules --------------------*- C++ -*-===//
//
// What iteration-level scheduling is worth, with everything else equal: engine, kernels, requests, sampling.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"

namespace nibble {

/// Requests that are all there at the start.
struct ScheduleLoad {
  uint32_t prompt = 32;          // tokens of each
  std::vector<uint32_t> outputs; // tokens to generate, of each
  uint64_t tokens() const;       // of all outputs
};

/// Lengths of outputs: exponential with this mean before the cap cuts it, at least 1; or all of them `mean`.
std::vector<uint32_t> exponentialLengths(uint32_t count, uint32_t mean, uint32_t cap, uint64_t seed);

enum class Batching : uint8_t {
  Static, // as many as there are sequences start together, none joins before the longest ends, and every
          // row is computed until then
  StaticDropped, // the same, but finished rows are computed no more
  Continuous,    // the generator's
};
std::string_view batchingName(Batching batching);

struct ScheduleRun {
  double seconds = 0;
  uint64_t steps = 0, tokens = 0; // tokens that were asked for
};
Result<ScheduleRun> runSchedule(Engine &engine, const ScheduleLoad &load, Batching batching);

/// Streams that decode, first alone, and then while long prompts arrive one after the other.
struct Interference {
  std::vector<double> alone, beside; // seconds from token to token, of all streams
  double promptRateAlone = 0,
         promptRate = 0; // tokens/s: of a prompt with the engine to itself, beside the streams
};
Result<Interference> measureInterference(Engine &engine, uint32_t streams, uint32_t prompt, uint32_t prompts);

} // namespace nibble
