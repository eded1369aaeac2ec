//===- MachineProbe.h - What this machine can do at this moment ---------------------*- C++ -*-===//
//
// Runs the probes of an image (ProbeABI.h) on all workers. Machines are shared and change from second to
// second: measure beside whatever is compared with the limits, each time.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/cpu/StepWalker.h"
#include "runtime/memory/AnonymousMemory.h"

namespace nibble {

/// Of all workers together.
struct MachineLimits {
  double readBandwidth = 0; // bytes a second, from memory
  double int8Peak = 0;      // multiplications a second of lowbit.dot4
  double f32Peak = 0;       // multiply-adds a second
};

class MachineProbe {
public:
  struct Kernels {
    StepTable::Kernel read, dot4, fma;
  };
  /// `pool` must outlive the probe. Takes the memory to read from: `cacheFactor` times the last-level cache,
  /// or a quarter of what is available.
  static Result<MachineProbe> create(WorkerPool &pool, const Kernels &kernels, double cacheFactor);

  /// Takes about a tenth of a second; each limit is the better of two runs.
  MachineLimits measure();

private:
  MachineProbe(WorkerPool &pool, const Kernels &kernels, AnonymousMemory memory);
  double itemsPerSecond(StepWalker &walker, uint32_t items);

  AnonymousMemory memory; // what is read; its first page is the operand of the others
  std::unique_ptr<StepWalker> read, dot4, fma;
};

/// Bytes of the last-level cache; 32 MiB where the system does not say.
uint64_t lastLevelCache();

} // namespace nibble
