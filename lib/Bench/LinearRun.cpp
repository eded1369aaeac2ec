//===- LinearRun.cpp - Runs one linear beside the machine's limits ----------------------------===//
#include "lib/Bench/LinearRun.h"

#include "nibble/runtime/ProbeABI.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace nibble;
using Clock = std::chrono::steady_clock;

/// A measurement shorter than this is made of several runs.
static constexpr double kShortestSeconds = 0.03;

static double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

//===------------------------------------------------------------------------------------------===//
// How busy the machine is
//===------------------------------------------------------------------------------------------===//

namespace {

/// CPU time of this process and of the whole machine, what other machines stole included.
struct Load {
  double own = 0, all = 0; // seconds
  Clock::time_point time = Clock::now();

  Load() {
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval &t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    own = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    if (std::FILE *file = std::fopen("/proc/stat", "r")) {
      if (std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
                      &wait, &irq, &soft, &steal) == 8)
        all = static_cast<double>(user + nice + system + irq + soft + steal) /
              static_cast<double>(::sysconf(_SC_CLK_TCK));
      std::fclose(file);
    }
  }

  /// Of all CPUs, since `before`.
  double othersSince(const Load &before) const {
    double elapsed = std::chrono::duration<double>(time - before.time).count();
    double taken = (all - before.all) - (own - before.own);
    return std::max(0.0, taken / elapsed / static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN)));
  }
};

} // namespace

//===------------------------------------------------------------------------------------------===//
// Memory
//===------------------------------------------------------------------------------------------===//

LinearRun::LinearRun(const OneLinear &linear, uint32_t threads, uint32_t maxTokens)
    : linear(&linear), pool(std::make_unique<WorkerPool>(threads)), maxTokens(maxTokens) {}

LinearRun::~LinearRun() {
  if (pool && code.base)
    ::munmap(code.base, code.size);
}

Result<LinearRun> LinearRun::create(const OneLinear &linear, uint32_t threads, uint32_t maxTokens,
                                    double cacheFactor) {
  LinearRun run(linear, threads, maxTokens);
  NIBBLE_CHECK(run.mapImage());
  NIBBLE_CHECK(run.makeBuffers());
  MachineProbe::Kernels kernels = {run.kernel(kProbeRead), run.kernel(kProbeDot4), run.kernel(kProbeFMA)};
  NIBBLE_TRY(MachineProbe probe, MachineProbe::create(*run.pool, kernels, cacheFactor));
  run.probe = std::make_unique<MachineProbe>(std::move(probe));
  NIBBLE_CHECK(run.copyWeights(cacheFactor));
  std::span<const LinearDispatch> all(linear.dispatches);
  run.whole = run.makeWalker(all, 0, 1);
  for (const LinearDispatch &dispatch : all)
    if (dispatch.family == "rows")
      run.rows = run.makeWalker({&dispatch, 1}, 0, 1);
  return run;
}

Result<void> LinearRun::mapImage() {
  const std::vector<char> &bytes = linear->image.bytes;
  void *base = ::mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED)
    return failure("no memory for the code");
  code = {base, bytes.size()};
  std::memcpy(base, bytes.data(), bytes.size());
  if (::mprotect(base, bytes.size(), PROT_READ | PROT_EXEC) != 0)
    return failure("this system lets no process make memory executable that it has written");
  return {};
}

Result<void> LinearRun::copyWeights(double cacheFactor) {
  copyStride = roundUp(linear->weights.size(), 4096);
  auto wanted = static_cast<uint64_t>(cacheFactor * static_cast<double>(lastLevelCache()));
  wantedCopies = wanted / linear->weightBytes + 1;
  uint64_t most = std::max<uint64_t>(1, availableMemory() / 2 / copyStride);
  copyCount = std::min(wantedCopies, most);
  NIBBLE_TRY(weights, AnonymousMemory::allocate(copyCount * copyStride, "copies of the weight"));
  for (uint64_t copy = 0; copy < copyCount; ++copy)
    std::memcpy(weights.data() + copy * copyStride, linear->weights.data(), linear->weights.size());
  return {};
}

Result<void> LinearRun::makeBuffers() {
  uint64_t scratch = 0;
  for (const CompiledKernel &kernel : linear->image.kernels)
    scratch = std::max(scratch, kernel.scratch);
  for (const BufferSize &buffer : linear->buffers) {
    bufferOffsets.push_back(arenaStride);
    arenaStride += roundUp(buffer.perToken * maxTokens + buffer.fixed, 4096);
  }
  scratchOffset = arenaStride;
  arenaStride += roundUp(scratch + 64, 4096);
  NIBBLE_TRY(arena, AnonymousMemory::allocate(arenaStride * pool->size(), "activations"));
  return {};
}

StepTable::Kernel LinearRun::kernel(const std::string &name) const {
  auto *base = static_cast<char *>(code.base);
  for (const CompiledKernel &kernel : linear->image.kernels)
    if (kernel.name == name)
      return {reinterpret_cast<NibbleKernel *>(base + kernel.entry),
              reinterpret_cast<NibbleKernelItems *>(base + kernel.items)};
  return {nullptr, nullptr};
}

/// Worker 0's buffers are the shared ones.
void *LinearRun::address(const LinearDispatch::Operand &operand, uint64_t copy, uint32_t worker) const {
  if (operand.isWeight)
    return weights.data() + copy * copyStride + operand.offset;
  uint32_t owner = linear->buffers[operand.index].isPrivate ? worker : 0;
  return arena.data() + owner * arenaStride + bufferOffsets[operand.index];
}

/// The last dispatch once for each copy, the others once.
std::unique_ptr<StepWalker> LinearRun::makeWalker(std::span<const LinearDispatch> dispatches,
                                                  uint64_t firstCopy, uint64_t count) {
  StepTable table;
  std::vector<std::pair<const LinearDispatch *, uint64_t>> order;
  for (const LinearDispatch &dispatch : dispatches)
    for (uint64_t copy = 0; copy < (&dispatch == &dispatches.back() ? count : 1); ++copy)
      order.emplace_back(&dispatch, firstCopy + copy);
  for (auto [dispatch, copy] : order) {
    auto index = static_cast<uint32_t>(table.kernels.size());
    table.kernels.push_back(kernel(dispatch->kernel));
    table.entries.push_back({index, table.operandCount, dispatch->isPrivate, dispatch->barrier});
    table.operandCount += static_cast<uint32_t>(dispatch->operands.size());
    for (const LinearDispatch::Operand &operand : dispatch->operands)
      table.sharedOperands.push_back(address(operand, copy, 0));
  }
  for (uint32_t worker = 0; worker < pool->size(); ++worker) {
    for (auto [dispatch, copy] : order)
      for (const LinearDispatch::Operand &operand : dispatch->operands)
        table.privateOperands.push_back(address(operand, copy, worker));
    table.scratch.push_back(arena.data() + worker * arenaStride + scratchOffset);
  }
  return std::make_unique<StepWalker>(*pool, std::move(table));
}

//===------------------------------------------------------------------------------------------===//
// Rounds
//===------------------------------------------------------------------------------------------===//

/// One sequence from position 0, every token with logits.
struct LinearRun::Batch {
  std::vector<int32_t> ids, positions;
  std::vector<uint32_t> starts, lengths, pages = {0}, logits;
  NibbleBatch batch = {};

  Batch(uint32_t tokens, uint32_t vocabulary, uint32_t workers) : starts{0, tokens}, lengths{tokens} {
    for (uint32_t i = 0; i < tokens; ++i) {
      ids.push_back(static_cast<int32_t>((i * 7919u + 11) % vocabulary));
      positions.push_back(static_cast<int32_t>(i));
      logits.push_back(i);
    }
    batch = {.version = kKernelABIVersion,
             .tokens = tokens,
             .sequences = 1,
             .logitsRows = tokens,
             .pageStride = 1,
             .pageCount = 1,
             .workers = workers,
             .reserved = 0,
             .tokenId = ids.data(),
             .position = positions.data(),
             .queryStart = starts.data(),
             .kvLength = lengths.data(),
             .pageTable = pages.data(),
             .logitsRow = logits.data()};
  }
};

double LinearRun::run(StepWalker &walker, uint32_t tokens) {
  Batch batch(tokens, linear->vocabulary, threads());
  Clock::time_point begin = Clock::now();
  walker.run(batch.batch);
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
  Load before;
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
  sample.others = Load().othersSince(before);
  return sample;
}
