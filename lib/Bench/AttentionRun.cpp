//===- AttentionRun.cpp - Runs one layer's attention beside the machine's limits --------------===//
#include "lib/Bench/AttentionRun.h"

#include "lib/Bench/MachineLoad.h"
#include "nibble/runtime/Clock.h"

#include <algorithm>
#include <cstring>

using namespace nibble;

/// A measurement shorter than this is made of several runs.
static constexpr double kShortestSeconds = 0.03;
/// Rows of a step that fills the cache.
static constexpr uint32_t kFillRows = 512;

AttentionRun::AttentionRun(const OneAttention &attention, const AttentionOptions &options, uint32_t threads,
                           double cacheFactor, ProgramMemory memory)
    : attention(&attention), options(options), pool(std::make_unique<WorkerPool>(threads)),
      cacheFactor(cacheFactor), memory(std::move(memory)) {}

Result<AttentionRun> AttentionRun::create(const OneAttention &attention, const AttentionOptions &options,
                                          uint32_t threads, uint32_t maxRows, double cacheFactor) {
  NIBBLE_TRY(ProgramMemory memory, ProgramMemory::create(attention, threads, std::max(maxRows, kFillRows)));
  AttentionRun run(attention, options, threads, cacheFactor, std::move(memory));
  NIBBLE_TRY(MachineProbe probe, run.memory.makeProbe(*run.pool, cacheFactor));
  run.probe = std::make_unique<MachineProbe>(std::move(probe));
  run.inputs = run.makeWalker(attention.inputs(), 0, 1);
  return run;
}

//===------------------------------------------------------------------------------------------===//
// Batches
//===------------------------------------------------------------------------------------------===//

BenchStep AttentionRun::step() const {
  BenchStep step(attention->vocabulary, pagesOfSequence);
  for (uint32_t sequence = 0; sequence < batch.sequences; ++sequence)
    step.add(sequence, batch.context - batch.tokens, batch.context);
  return step;
}

NibbleBatch AttentionRun::rowsOf(const BenchStep &step) const {
  return step.batch(pagesOfSequence * batch.sequences, threads());
}

/// Positions that the row at `position` sees.
static uint64_t seenBy(uint64_t position, uint32_t window) {
  return window ? std::min<uint64_t>(position + 1, window) : position + 1;
}

double AttentionRun::multiplyAdds() const {
  uint64_t seen = 0;
  for (uint32_t i = batch.context - batch.tokens; i < batch.context; ++i)
    seen += seenBy(i, options.window);
  return 2.0 * options.headDim * options.heads * batch.sequences * static_cast<double>(seen);
}

double AttentionRun::cacheBytes() const {
  uint64_t first = batch.context - batch.tokens,
           seen = std::min<uint64_t>(batch.context, seenBy(first, options.window) + batch.tokens - 1);
  return 2.0 * static_cast<double>(cacheRowBytes(attention->cache, options.headDim)) * options.kvHeads *
         batch.sequences * static_cast<double>(seen);
}

//===------------------------------------------------------------------------------------------===//
// Caches
//===------------------------------------------------------------------------------------------===//

/// The dispatches once for each of the layers.
std::unique_ptr<StepWalker> AttentionRun::makeWalker(std::span<const BenchDispatch> dispatches,
                                                     uint32_t firstLayer, uint32_t layers) {
  // The program only reads its weights.
  auto *weights = const_cast<std::byte *>(attention->weights.data());
  std::vector<ProgramMemory::Turn> turns;
  for (uint32_t layer = firstLayer; layer < firstLayer + layers; ++layer)
    for (const BenchDispatch &dispatch : dispatches)
      turns.push_back({&dispatch, weights, cache ? cache->keys() + layer * cache->layerBytes() : nullptr,
                       cache ? cache->values() + layer * cache->layerBytes() : nullptr});
  return std::make_unique<StepWalker>(*pool, memory.table(turns));
}

Result<void> AttentionRun::prepare(const AttentionBatch &newBatch) {
  batch = newBatch;
  cache.reset();
  pieces.clear();
  nextPiece = 0;
  pagesOfSequence = pagesFor(batch.context);
  ModelInfo model;
  model.layers = 1;
  model.kvHeads = options.kvHeads;
  model.headDim = options.headDim;
  uint32_t pages = pagesOfSequence * batch.sequences;
  auto wanted = static_cast<uint64_t>(cacheFactor * static_cast<double>(lastLevelCache()));
  wantedLayers = wanted / static_cast<uint64_t>(cacheBytes()) + 1;
  uint64_t available = availableMemory(), ofLayer = nibble::cacheBytes(model, attention->cache, pages);
  uint64_t most = available ? std::max<uint64_t>(1, available / 2 / ofLayer) : wantedLayers;
  layerCount = model.layers = static_cast<uint32_t>(std::min(wantedLayers, most));
  NIBBLE_TRY(KVCache made, KVCache::create(model, attention->cache, pages));
  cache = std::make_unique<KVCache>(std::move(made));
  fill();

  const BenchStep step = this->step();
  const NibbleBatch rows = rowsOf(step);
  inputs->run(rows);
  auto first = makeWalker(attention->layer(), 0, 1);
  first->run(rows);
  TimePoint begin = Clock::now();
  first->run(rows);
  double once = secondsSince(begin);
  // As many layers in a piece as make it worth a measurement; several pieces take turns.
  layersInPiece =
      static_cast<uint32_t>(std::clamp(kShortestSeconds / std::max(once, 1e-6), 1.0, double(layerCount)));
  for (uint32_t layer = 0; layer + layersInPiece <= layerCount; layer += layersInPiece)
    pieces.push_back(makeWalker(attention->layer(), layer, layersInPiece));
  return {};
}

/// What a model would have stored: rotated heads, in the first layer by its own kernel; the other layers are
/// copies. Whole pages are filled, so that no step is so short that attention stores its rows itself.
void AttentionRun::fill() {
  auto store = makeWalker(attention->layer().first(1), 0, 1);
  uint32_t length = pagesOfSequence * kPageSize;
  for (uint32_t sequence = 0; sequence < batch.sequences; ++sequence)
    for (uint32_t begin = 0; begin < length; begin += kFillRows) {
      BenchStep step(attention->vocabulary, pagesOfSequence);
      step.add(sequence, begin, std::min(begin + kFillRows, length));
      const NibbleBatch rows = rowsOf(step);
      inputs->run(rows);
      store->run(rows);
    }
  for (std::byte *half : {cache->keys(), cache->values()})
    for (uint32_t layer = 1; layer < layerCount; ++layer)
      std::memcpy(half + layer * cache->layerBytes(), half, cache->layerBytes());
}

//===------------------------------------------------------------------------------------------===//
// Rounds
//===------------------------------------------------------------------------------------------===//

AttentionSample AttentionRun::measure() {
  const BenchStep step = this->step();
  const NibbleBatch rows = rowsOf(step);
  AttentionSample sample;
  MachineLoad before;
  sample.limits = probe->measure();
  // Reading the limits' memory has emptied the caches of q, k and v, which in a model are fresh.
  inputs->run(rows);
  double profile[3] = {};
  uint64_t done = 0;
  while (sample.seconds < kShortestSeconds) {
    StepWalker &piece = *pieces[nextPiece++ % pieces.size()];
    piece.startProfile();
    TimePoint begin = Clock::now();
    piece.run(rows);
    sample.seconds += secondsSince(begin);
    for (size_t i = 0; i < piece.profile().size(); ++i)
      profile[i % 3] += piece.profile()[i];
    done += layersInPiece;
  }
  auto layers = static_cast<double>(done);
  sample.seconds /= layers;
  sample.storeSeconds = profile[0] / layers;
  sample.attendSeconds = profile[1] / layers;
  sample.mergeSeconds = profile[2] / layers;
  sample.others = MachineLoad().othersSince(before);
  return sample;
}
