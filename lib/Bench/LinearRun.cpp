//===- LinearRun.cpp - Runs one linear beside the machine's limits ----------------------------===//
#include "lib/Bench/LinearRun.h"

#include "lib/Bench/BenchStep.h"
#include "lib/Bench/MachineLoad.h"
#include "nibble/runtime/Clock.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

using namespace nibble;

/// A measurement shorter than this is made of several runs.
static constexpr double kShortestSeconds = 0.03;

//===------------------------------------------------------------------------------------------===//
// Memory
//===------------------------------------------------------------------------------------------===//

LinearRun::LinearRun(const OneLinear &linear, uint32_t threads, ProgramMemory memory)
    : linear(&linear), pool(std::make_unique<WorkerPool>(threads)), memory(std::move(memory)) {}

Result<LinearRun> LinearRun::create(const OneLinear &linear, uint32_t threads, uint32_t maxTokens,
                                    double cacheFactor) {
  NIBBLE_TRY(ProgramMemory memory, ProgramMemory::create(linear, threads, maxTokens));
  LinearRun run(linear, threads, std::move(memory));
  NIBBLE_TRY(MachineProbe probe, run.memory.makeProbe(*run.pool, cacheFactor));
  run.probe = std::make_unique<MachineProbe>(std::move(probe));
  NIBBLE_CHECK(run.copyWeights(cacheFactor));
  std::span<const BenchDispatch> all(linear.dispatches);
  run.whole = run.makeWalker(all, 0, 1);
  for (const BenchDispatch &dispatch : all)
    if (dispatch.family == "rows")
      run.rows = run.makeWalker({&dispatch, 1}, 0, 1);
  return run;
}

Result<void> LinearRun::copyWeights(double cacheFactor) {
  copyStride = llvm::alignTo(linear->weights.size(), 4096);
  auto wanted = static_cast<uint64_t>(cacheFactor * static_cast<double>(lastLevelCache()));
  wantedCopies = wanted / linear->weightBytes + 1;
  uint64_t most = std::max<uint64_t>(1, availableMemory() / 2 / copyStride);
  copyCount = std::min(wantedCopies, most);
  NIBBLE_TRY(weights, AnonymousMemory::allocate(copyCount * copyStride, "copies of the weight"));
  for (uint64_t copy = 0; copy < copyCount; ++copy)
    std::memcpy(weights.data() + copy * copyStride, linear->weights.data(), linear->weights.size());
  return {};
}

/// The last dispatch once for each copy, the others once.
std::unique_ptr<StepWalker> LinearRun::makeWalker(std::span<const BenchDispatch> dispatches,
                                                  uint64_t firstCopy, uint64_t count) {
  std::vector<ProgramMemory::Turn> turns;
  for (const BenchDispatch &dispatch : dispatches)
    for (uint64_t copy = 0; copy < (&dispatch == &dispatches.back() ? count : 1); ++copy)
      turns.push_back({&dispatch, weights.data() + (firstCopy + copy) * copyStride});
  return std::make_unique<StepWalker>(*pool, memory.table(turns));
}

//===------------------------------------------------------------------------------------------===//
// Rounds
//===------------------------------------------------------------------------------------------===//

double LinearRun::run(StepWalker &walker, uint32_t tokens) {
  BenchStep step(linear->vocabulary, 1);
  step.add(0, 0, tokens);
  NibbleBatch batch = step.batch(1, threads());
  TimePoint begin = Clock::now();
  walker.run(batch);
  return secondsSince(begin);
}

void LinearRun::warmUp(uint32_t tokens) {
  run(*whole, tokens); // from here on the activations are there
  double once = run(*whole, tokens);
  // As many copies in a piece as make it worth a measurement; several pieces take turns.
  copiesInPiece =
      std::clamp<uint64_t>(static_cast<uint64_t>(kShortestSeconds / std::max(once, 1e-6)), 1, copyCount);
  pieces.clear();
  nextPiece = 0;
  for (uint64_t copy = 0; copy + copiesInPiece <= copyCount; copy += copiesInPiece)
    pieces.push_back(makeWalker({&linear->linear(), 1}, copy, copiesInPiece));
  run(*pieces.back(), tokens);
}

LinearSample LinearRun::measure(uint32_t tokens) {
  LinearSample sample;
  MachineLoad before;
  sample.limits = probe->measure();
  // Reading the limits' memory has emptied the caches of activations, which in a model are fresh.
  if (rows) {
    run(*rows, tokens);
    double total = 0;
    int runs = 0;
    for (; runs < 1000 && (runs < 3 || total < kShortestSeconds / 3); ++runs)
      total += run(*rows, tokens);
    sample.rowsSeconds = total / runs;
  }
  double total = 0;
  uint64_t done = 0;
  while (total < kShortestSeconds) {
    total += run(*pieces[nextPiece++ % pieces.size()], tokens);
    done += copiesInPiece;
  }
  sample.seconds = total / static_cast<double>(done);
  sample.others = MachineLoad().othersSince(before);
  return sample;
}
