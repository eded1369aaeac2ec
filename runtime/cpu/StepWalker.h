//===- StepWalker.h - Runs the schedule of a step -----------------------------------*- C++ -*-===//
//
// A step is a flat table of dispatches that every worker walks. Items of a dispatch are cut into one
// contiguous range a worker, so that each streams its own weights; pieces of a range are ever smaller, and
// a worker that is done takes some of the others'. Nothing here allocates, locks, or calls the system but for
// the barrier's sleep.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/KernelABI.h"
#include "nibble/runtime/Manifest.h"
#include "runtime/cpu/WorkerPool.h"
#include <memory>
#include <string>

namespace nibble {

/// What a step runs, with every operand an address.
struct StepTable {
  struct Kernel {
    NibbleKernel *run;
    NibbleKernelItems *items;
  };
  struct Entry {
    uint32_t kernel;  // index in `kernels`
    uint32_t operand; // its first in a worker's operands
    bool isPrivate;
    BarrierKind barrier;
  };
  std::vector<Kernel> kernels;
  std::vector<Entry> entries;
  uint32_t operandCount = 0;
  /// For steps of at most kPrivateTokens rows: [worker][operandCount], private operands in the worker's own
  /// memory.
  std::vector<void *> privateOperands;
  /// For longer steps: [operandCount], private operands in the arena.
  std::vector<void *> sharedOperands;
  std::vector<void *> scratch; // [worker]
};

class StepWalker {
public:
  /// The table's per-worker arrays have `pool.size()` rows.
  StepWalker(WorkerPool &pool, StepTable table);

  /// Between two steps: the same program, with operands at other addresses.
  void replaceTable(StepTable newTable) { table = std::move(newTable); }

  /// Runs the whole step; the arrays of `batch` must stay until it returns.
  void run(const NibbleBatch &batch);

  /// From now on measures each entry on worker 0, waiting included.
  void startProfile();
  /// [entry] seconds in all steps since.
  const std::vector<double> &profile() const { return seconds; }

private:
  void walk(uint32_t worker);
  void share(const StepTable::Entry &entry, uint32_t index, uint32_t worker, void *const *operands,
             uint32_t items);
  std::atomic<uint32_t> &cursor(uint32_t parity, uint32_t worker, uint32_t entry) {
    return cursors[(static_cast<size_t>(parity) * workers + worker) * cursorStride + entry];
  }

  WorkerPool &pool;
  const uint32_t workers;
  StepTable table;
  size_t cursorStride; // cursors of one worker, padded to cache lines
  /// [2][worker][entry]: how much of the worker's range is taken. Steps alternate between the two halves: a
  /// worker clears its part of the half that the next step will use.
  std::unique_ptr<std::atomic<uint32_t>[]> cursors;
  uint32_t parity = 0;
  const NibbleBatch *batch = nullptr;
  bool small = false;          // a step of at most kPrivateTokens rows
  std::vector<uint32_t> used;  // kernels that entries name: those of one type of cache
  std::vector<uint32_t> items; // [kernel] for this batch
  std::vector<double> seconds; // [entry]; empty: no profile
};

} // namespace nibble
