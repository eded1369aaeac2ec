//===- StepWalker.cpp - Runs the schedule of a step -------------------------------------------===//

#include "runtime/cpu/StepWalker.h"
#include <algorithm>
#include <chrono>

using namespace nibble;

// A piece is this part of what is left of a range: long streams first, and in the end single items, so that
// nobody waits for more than one.
static constexpr uint32_t kPart = 4;

StepWalker::StepWalker(WorkerPool &pool, StepTable newTable)
    : pool(pool), workers(pool.size()), table(std::move(newTable)),
      cursorStride((table.entries.size() + 31) / 16 * 16),
      cursors(std::make_unique<std::atomic<uint32_t>[]>(2 * workers * cursorStride)),
      items(table.kernels.size()) {
  std::vector<bool> isUsed(table.kernels.size());
  for (const StepTable::Entry &entry : table.entries)
    isUsed[entry.kernel] = true;
  for (uint32_t i = 0; i < isUsed.size(); ++i)
    if (isUsed[i])
      used.push_back(i);
}

void StepWalker::startProfile() { seconds.assign(table.entries.size(), 0); }

void StepWalker::run(const NibbleBatch &newBatch) {
  batch = &newBatch;
  small = newBatch.tokens <= kPrivateTokens;
  parity ^= 1;
  for (uint32_t kernel : used)
    items[kernel] = table.kernels[kernel].items(batch);
  pool.run([](void *walker, uint32_t worker) { static_cast<StepWalker *>(walker)->walk(worker); }, this);
}

void StepWalker::walk(uint32_t worker) {
  using Clock = std::chrono::steady_clock;
  bool measured = worker == 0 && !seconds.empty();
  Clock::time_point begin = measured ? Clock::now() : Clock::time_point();

  for (uint32_t i = 0; i < table.entries.size(); ++i)
    cursor(parity ^ 1, worker, i).store(0, std::memory_order_relaxed);

  void *const *allOperands =
      small ? table.privateOperands.data() + static_cast<size_t>(worker) * table.operandCount
            : table.sharedOperands.data();
  bool mustMeet = false;
  for (uint32_t i = 0; i < table.entries.size(); ++i) {
    const StepTable::Entry &entry = table.entries[i];
    mustMeet |= entry.barrier == BarrierKind::Always || (entry.barrier == BarrierKind::Shared && !small);
    void *const *operands = allOperands + entry.operand;
    uint32_t count = items[entry.kernel];
    if (count > 0) {
      // A dispatch without items touches nothing: its barrier waits for the next that has some.
      if (mustMeet)
        pool.meet();
      mustMeet = false;
      if (workers == 1 || (entry.isPrivate && small))
        table.kernels[entry.kernel].run(batch, operands, 0, count, table.scratch[worker]);
      else
        share(entry, i, worker, operands, count);
    }
    if (measured) {
      Clock::time_point end = Clock::now();
      seconds[i] += std::chrono::duration<double>(end - begin).count();
      begin = end;
    }
  }
}

void StepWalker::share(const StepTable::Entry &entry, uint32_t index, uint32_t worker, void *const *operands,
                       uint32_t count) {
  NibbleKernel *run = table.kernels[entry.kernel].run;
  for (uint32_t turn = 0; turn < workers; ++turn) {
    uint32_t owner = worker + turn < workers ? worker + turn : worker + turn - workers;
    auto begin = static_cast<uint32_t>(static_cast<uint64_t>(count) * owner / workers);
    auto end = static_cast<uint32_t>(static_cast<uint64_t>(count) * (owner + 1) / workers);
    uint32_t size = end - begin;
    std::atomic<uint32_t> &taken = cursor(parity, owner, index);
    for (uint32_t from = taken.load(std::memory_order_relaxed); from < size;) {
      uint32_t to = from + std::max(1u, (size - from) / kPart);
      if (!taken.compare_exchange_weak(from, to, std::memory_order_relaxed))
        continue;
      run(batch, operands, begin + from, begin + to, table.scratch[worker]);
      from = taken.load(std::memory_order_relaxed);
    }
  }
}
