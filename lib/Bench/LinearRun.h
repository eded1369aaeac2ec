//===- LinearRun.h - Runs one linear beside the machine's limits --------------------*- C++ -*-===//
//
// The runtime's own worker pool and walker run the dispatches, one copy of the weight after the other, so
// that none is in a cache when its turn comes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Bench/OneLinear.h"
#include "runtime/cpu/MachineProbe.h"

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
  LinearRun(LinearRun &&) = default;
  ~LinearRun();

  /// One round for a batch of so many tokens.
  LinearSample measure(uint32_t tokens);
  /// Until everything that a round touches was touched.
  void warmUp(uint32_t tokens);

  uint64_t copies() const { return copyCount; }
  uint64_t copiesWanted() const { return wantedCopies; }
  uint32_t threads() const { return pool->size(); }

private:
  struct Mapping { // executable
    void *base = nullptr;
    size_t size = 0;
  };
  struct Batch;
  explicit LinearRun(const OneLinear &linear, uint32_t threads, uint32_t maxTokens);

  Result<void> mapImage();
  Result<void> copyWeights(double cacheFactor);
  Result<void> makeBuffers();
  StepTable::Kernel kernel(const std::string &name) const;
  void *address(const LinearDispatch::Operand &operand, uint64_t copy, uint32_t worker) const;
  std::unique_ptr<StepWalker> makeWalker(std::span<const LinearDispatch> dispatches, uint64_t firstCopy,
                                         uint64_t copyCount);
  double run(StepWalker &walker, uint32_t tokens);

  const OneLinear *linear;
  std::unique_ptr<WorkerPool> pool;
  uint32_t maxTokens;
  Mapping code;
  AnonymousMemory weights; // [copy][weights segment rounded up]
  uint64_t copyStride = 0, copyCount = 0, wantedCopies = 0;
  AnonymousMemory arena; // [worker][buffer]
  std::vector<uint64_t> bufferOffsets;
  uint64_t arenaStride = 0, scratchOffset = 0; // of a worker
  std::unique_ptr<StepWalker> whole, rows;
  std::vector<std::unique_ptr<StepWalker>> pieces; // of a few copies each
  uint64_t copiesInPiece = 0;
  size_t nextPiece = 0;
  std::unique_ptr<MachineProbe> probe;
};

} // namespace nibble
