//===- MachineProbe.cpp - What this machine can do at this moment -----------------------------===//

#include "runtime/cpu/MachineProbe.h"
#include "nibble/runtime/ProbeABI.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <unistd.h>

using namespace nibble;

/// About ten milliseconds of multiplications.
static constexpr uint32_t kMultiplicationItems = 1024;

uint64_t nibble::lastLevelCache() {
  for (int name : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE})
    if (long bytes = ::sysconf(name); bytes > 0)
      return static_cast<uint64_t>(bytes);
  return 32u << 20;
}

static std::unique_ptr<StepWalker> makeWalker(WorkerPool &pool, const StepTable::Kernel &kernel,
                                              std::byte *source, std::byte *sink) {
  StepTable table;
  table.kernels = {kernel};
  table.entries = {{0, 0, false, BarrierKind::Never}};
  table.operandCount = 2;
  table.sharedOperands = {source, sink};
  for (uint32_t worker = 0; worker < pool.size(); ++worker) {
    table.privateOperands.insert(table.privateOperands.end(), {source, sink});
    table.scratch.push_back(sink);
  }
  return std::make_unique<StepWalker>(pool, std::move(table));
}

Result<MachineProbe> MachineProbe::create(WorkerPool &pool, const Kernels &kernels, double cacheFactor) {
  uint64_t available = availableMemory();
  auto bytes = static_cast<uint64_t>(cacheFactor * static_cast<double>(lastLevelCache()));
  if (available)
    bytes = std::min(bytes, available / 4);
  bytes = std::max<uint64_t>(bytes / kProbeReadBytes, 1) * kProbeReadBytes;
  NIBBLE_TRY(auto memory, AnonymousMemory::allocate(bytes + kProbeReadBytes, "measuring the read bandwidth"));
  return MachineProbe(pool, kernels, std::move(memory));
}

MachineProbe::MachineProbe(WorkerPool &pool, const Kernels &kernels, AnonymousMemory newMemory)
    : memory(std::move(newMemory)) {
  std::memset(memory.data(), 1, memory.size()); // or all pages would be the one page of zeros
  std::byte *sink = memory.data() + memory.size() - kProbeReadBytes;
  read = makeWalker(pool, kernels.read, memory.data(), sink);
  dot4 = makeWalker(pool, kernels.dot4, memory.data(), sink);
  fma = makeWalker(pool, kernels.fma, memory.data(), sink);
}

double MachineProbe::itemsPerSecond(StepWalker &walker, uint32_t items) {
  using Clock = std::chrono::steady_clock;
  NibbleBatch batch = {};
  batch.version = kKernelABIVersion;
  batch.tokens = items;
  double best = 0;
  for (int run = 0; run < 2; ++run) {
    Clock::time_point begin = Clock::now();
    walker.run(batch);
    best = std::max(best, items / std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

MachineLimits MachineProbe::measure() {
  auto readItems = static_cast<uint32_t>(memory.size() / kProbeReadBytes - 1);
  MachineLimits limits;
  limits.readBandwidth = itemsPerSecond(*read, readItems) * static_cast<double>(kProbeReadBytes);
  limits.int8Peak = itemsPerSecond(*dot4, kMultiplicationItems) * static_cast<double>(kProbeMultiplications);
  limits.f32Peak = itemsPerSecond(*fma, kMultiplicationItems) * static_cast<double>(kProbeMultiplications);
  return limits;
}
