//===- AttentionRun.h - Runs one layer's attention beside the machine's limits ------*- C++ -*-===//
//
// The layers of a model take turns, each with a cache of its own, so that none is in the processor's caches
// when its turn comes. A layer is what it is in a model: store_kv, attention and merge behind their barriers.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Bench/BenchStep.h"
#include "lib/Bench/OneAttention.h"
#include "lib/Bench/ProgramMemory.h"
#include "runtime/cache/KVCache.h"

namespace nibble {

/// Of a step: every sequence brings `tokens` rows, with which it has `context` positions.
struct AttentionBatch {
  uint32_t sequences = 1, context = 0, tokens = 1;
};

/// What one round gave. Seconds are of a layer.
struct AttentionSample {
  double seconds = 0;                                           // all of it, by the clock
  double storeSeconds = 0, attendSeconds = 0, mergeSeconds = 0; // as worker 0 saw them, waiting included
  MachineLimits limits;
  double others = 0; // share of all CPUs that other processes took
};

class AttentionRun {
public:
  /// `cacheFactor` times the last-level cache is what the layers' caches take, or half of the memory that is
  /// available.
  static Result<AttentionRun> create(const OneAttention &attention, const AttentionOptions &options,
                                     uint32_t threads, uint32_t maxRows, double cacheFactor);

  /// Makes caches for such batches and fills them.
  Result<void> prepare(const AttentionBatch &batch);
  /// One round of the batch that was prepared.
  AttentionSample measure();

  /// Multiply-adds of a layer: of q with K and of weights with V, for positions that are seen.
  double multiplyAdds() const;
  /// Bytes of K and V that a layer's sequences see, each counted once.
  double cacheBytes() const;
  uint32_t layers() const { return layerCount; }
  uint64_t layersWanted() const { return wantedLayers; }
  uint32_t threads() const { return pool->size(); }

private:
  AttentionRun(const OneAttention &attention, const AttentionOptions &options, uint32_t threads,
               double cacheFactor, ProgramMemory memory);

  /// The rows of the batch that was prepared.
  BenchStep step() const;
  NibbleBatch rowsOf(const BenchStep &step) const;
  void fill();
  std::unique_ptr<StepWalker> makeWalker(std::span<const BenchDispatch> dispatches, uint32_t firstLayer,
                                         uint32_t layers);

  const OneAttention *attention;
  AttentionOptions options;
  std::unique_ptr<WorkerPool> pool;
  double cacheFactor;
  ProgramMemory memory;
  AttentionBatch batch;
  std::unique_ptr<KVCache> cache; // [layer][page][kv_head]
  uint32_t pagesOfSequence = 0, layerCount = 0;
  uint64_t wantedLayers = 0;
  std::unique_ptr<StepWalker> inputs;
  std::vector<std::unique_ptr<StepWalker>> pieces; // of a few layers each
  uint32_t layersInPiece = 0;
  size_t nextPiece = 0;
  std::unique_ptr<MachineProbe> probe;
};

} // namespace nibble
