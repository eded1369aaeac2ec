//===- LinearRun.h - Runs one linear beside the machine's limits --------------------*- C++ -*-===//
//
// The runtime's own worker pool and walker run the dispatches, one copy of the weight after the other, so
// that none is in a cache when its turn comes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Bench/OneLinear.h"
#include "lib/Bench/ProgramMemory.h"

namespace nibble {

/// What one round gave.
struct LinearSample {
  double seconds = 0;     // of the linear
  double rowsSeconds = 0; // of what makes its activations: quantize_rows
  MachineLimits limits;
  double others = 0; // share of all CPUs that other processes took
};

class LinearRun {
public:
  /// `cacheFactor` times the last-level cache is what the copies of the weight take, or half of the memory
  /// that is available.
  static Result<LinearRun> create(const OneLinear &linear, uint32_t threads, uint32_t maxTokens,
                                  double cacheFactor);

  /// One round for a batch of so many tokens.
  LinearSample measure(uint32_t tokens);
  /// Until everything that a round touches was touched.
  void warmUp(uint32_t tokens);

  uint64_t copies() const { return copyCount; }
  uint64_t copiesWanted() const { return wantedCopies; }
  uint32_t threads() const { return pool->size(); }

private:
  LinearRun(const OneLinear &linear, uint32_t threads, ProgramMemory memory);

  Result<void> copyWeights(double cacheFactor);
  std::unique_ptr<StepWalker> makeWalker(std::span<const BenchDispatch> dispatches, uint64_t firstCopy,
                                         uint64_t copyCount);
  double run(StepWalker &walker, uint32_t tokens);

  const OneLinear *linear;
  std::unique_ptr<WorkerPool> pool;
  ProgramMemory memory;
  AnonymousMemory weights; // [copy][weights segment rounded up]
  uint64_t copyStride = 0, copyCount = 0, wantedCopies = 0;
  std::unique_ptr<StepWalker> whole, rows;
  std::vector<std::unique_ptr<StepWalker>> pieces; // of a few copies each
  uint64_t copiesInPiece = 0;
  size_t nextPiece = 0;
  std::unique_ptr<MachineProbe> probe;
};

} // namespace nibble
