//===- OneLinear.h - A model of one linear, compiled --------------------------------*- C++ -*-===//
#pragma once

#include "lib/Bench/BenchProgram.h"

namespace nibble {

struct LinearOptions {
  int64_t rows = 4096, columns = 4096; // N output channels, K
  std::string format = "int4-g32", activations;
  std::string target = "native", tuneFor;
};

/// Its dispatches: embed, rows, linear.
struct OneLinear : BenchProgram {
  uint64_t weightBytes = 0; // of the linear's weight
  uint32_t vocabulary = 0;  // rows of the table that activations are gathered from
  std::string format, activations;

  const BenchDispatch &linear() const { return dispatches.back(); }
};

/// Where it fails with `wrongUsage` set, the options are at fault.
Result<OneLinear> compileOneLinear(const LinearOptions &options, unsigned threads, bool &wrongUsage);

} // namespace nibble
