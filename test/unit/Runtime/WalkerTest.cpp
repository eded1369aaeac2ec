//===- WalkerTest.cpp - Workers, barriers and the schedule of a step --------------------------===//

#include "runtime/cpu/StepWalker.h"
#include <array>
#include <chrono>
#include <csignal>
#include <deque>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace nibble;

namespace {

TEST(WorkerPoolTest, EveryWorkerRunsEveryJob) {
  for (uint32_t threads : {1u, 2u, 3u, 8u}) {
    WorkerPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    std::vector<int> runs(threads, 0);
    for (int i = 0; i < 500; ++i)
      pool.run([](void *context, uint32_t worker) { ++(*static_cast<std::vector<int> *>(context))[worker]; },
               &runs);
    EXPECT_THAT(runs, testing::Each(500));
  }
}

TEST(WorkerPoolTest, SleepersWake) {
  WorkerPool pool(3);
  std::atomic<int> runs{0};
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // far longer than workers spin
    pool.run([](void *context, uint32_t) { ++*static_cast<std::atomic<int> *>(context); }, &runs);
  }
  EXPECT_EQ(runs, 9);
}

TEST(WorkerPoolTest, MeetSeparatesWhatIsBeforeFromWhatIsAfter) {
  struct Shared {
    WorkerPool pool{4};
    std::vector<uint64_t> values = std::vector<uint64_t>(4, 0); // plain memory: only the barrier orders it
    std::atomic<int> wrong{0};
  } shared;
  shared.pool.run(
      [](void *context, uint32_t worker) {
        auto &shared = *static_cast<Shared *>(context);
        for (uint64_t round = 1; round <= 2000; ++round) {
          shared.values[worker] = round;
          shared.pool.meet();
          for (uint64_t value : shared.values)
            shared.wrong += value != round;
          shared.pool.meet();
        }
      },
      &shared);
  EXPECT_EQ(shared.wrong, 0);
}

TEST(WorkerPoolTest, RequestsToStopAreTheCallers) {
  WorkerPool pool(3);
  for (int request : {SIGINT, SIGTERM}) {
    std::pair<std::array<bool, 3>, int> blocked = {{}, request};
    pool.run(
        [](void *context, uint32_t worker) {
          auto &[blocked, request] = *static_cast<std::pair<std::array<bool, 3>, int> *>(context);
          sigset_t mask;
          ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
          blocked[worker] = sigismember(&mask, request);
        },
        &blocked);
    EXPECT_EQ(blocked.first, (std::array<bool, 3>{false, true, true}));
  }
}

TEST(WorkerPoolTest, UsableCoresAreWithinReason) {
  EXPECT_GE(usableCores().size(), 1u);
  EXPECT_GE(defaultThreads(), 1u);
  EXPECT_LE(defaultThreads(), usableCores().size());
}

//===- Walker
//---------------------------------------------------------------------------------------------===//

// Kernels of the tests; an operand is a Log.
struct Log {
  std::vector<std::atomic<int>> runs; // [item]
  std::atomic<uint32_t> calls{0};
  std::vector<uint64_t> values; // [item]
  std::atomic<bool> stall{false}, stalled{false};
  explicit Log(size_t items) : runs(items), values(items, 0) {}
};

uint32_t itemsOfTokens(const NibbleBatch *batch) { return batch->tokens; }
uint32_t noItems(const NibbleBatch *) { return 0; }

void countRuns(const NibbleBatch *, void *const *operands, uint32_t begin, uint32_t end, void *) {
  auto &log = *static_cast<Log *>(operands[0]);
  ++log.calls;
  for (uint32_t i = begin; i < end; ++i)
    ++log.runs[i];
}

/// The first call waits until all other items are done, as a worker whose core was taken away.
void stallOnce(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  auto &log = *static_cast<Log *>(operands[0]);
  if (log.stall.exchange(false)) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto others = [&] {
      int sum = 0;
      for (uint32_t i = 0; i < batch->tokens; ++i)
        sum += log.runs[i];
      return sum;
    };
    while (others() < static_cast<int>(batch->tokens - (end - begin)) &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    log.stalled = others() == static_cast<int>(batch->tokens - (end - begin));
  }
  for (uint32_t i = begin; i < end; ++i)
    ++log.runs[i];
}

/// out[i] = in[n - 1 - i] + 1: reads what another worker wrote.
void reverseAddOne(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  auto &in = *static_cast<Log *>(operands[0]), &out = *static_cast<Log *>(operands[1]);
  for (uint32_t i = begin; i < end; ++i)
    out.values[i] = in.values[batch->tokens - 1 - i] + 1;
}

StepTable::Entry entry(uint32_t kernel, uint32_t operand, bool isPrivate, BarrierKind barrier) {
  return {kernel, operand, isPrivate, barrier};
}

/// The same operands for every worker and mode.
void setOperands(StepTable &table, uint32_t workers, const std::vector<void *> &operands) {
  table.operandCount = static_cast<uint32_t>(operands.size());
  table.sharedOperands = operands;
  for (uint32_t worker = 0; worker < workers; ++worker)
    table.privateOperands.insert(table.privateOperands.end(), operands.begin(), operands.end());
  table.scratch.assign(workers, nullptr);
}

NibbleBatch batchOf(uint32_t tokens) {
  NibbleBatch batch = {};
  batch.version = kKernelABIVersion;
  batch.tokens = tokens;
  return batch;
}

TEST(StepWalkerTest, EveryItemRunsExactlyOnce) {
  for (uint32_t threads : {1u, 2u, 3u, 5u}) {
    WorkerPool pool(threads);
    std::deque<Log> logs;
    StepTable table;
    table.kernels = {{countRuns, itemsOfTokens}, {countRuns, noItems}};
    std::vector<void *> operands;
    for (uint32_t i = 0; i < 20; ++i) {
      logs.emplace_back(5000);
      operands.push_back(&logs.back());
      table.entries.push_back(entry(i % 7 == 3, i, false, i % 3 ? BarrierKind::Never : BarrierKind::Always));
    }
    setOperands(table, threads, operands);
    StepWalker walker(pool, table);
    const uint32_t sizes[] = {1, 2, 3, 16, 17, 31, 100, 1000, 4999, 5000, 5};
    for (uint32_t size : sizes)
      walker.run(batchOf(size));
    for (uint32_t i = 0; i < 20; ++i)
      for (uint32_t item = 0; item < 5000; ++item) {
        int expected = 0;
        for (uint32_t size : sizes)
          expected += item < size;
        ASSERT_EQ(logs[i].runs[item], i % 7 == 3 ? 0 : expected) << "entry " << i << " item " << item;
      }
  }
}

TEST(StepWalkerTest, TheTailOfASlowWorkerIsStolen) {
  WorkerPool pool(2);
  Log log(1000);
  StepTable table;
  table.kernels = {{stallOnce, itemsOfTokens}};
  table.entries = {entry(0, 0, false, BarrierKind::Never)};
  setOperands(table, 2, {&log});
  StepWalker walker(pool, table);
  log.stall = true;
  walker.run(batchOf(1000));
  EXPECT_TRUE(log.stalled) << "the other worker did not take the rest";
  for (auto &runs : log.runs)
    EXPECT_EQ(runs, 1);
}

TEST(StepWalkerTest, BarriersOrderDependentEntries) {
  WorkerPool pool(3);
  Log a(600), b(600);
  StepTable table;
  table.kernels = {{reverseAddOne, itemsOfTokens}};
  std::vector<void *> operands;
  for (uint32_t i = 0; i < 50; ++i) {
    table.entries.push_back(entry(0, 2 * i, false, i % 2 ? BarrierKind::Always : BarrierKind::Shared));
    operands.push_back(i % 2 ? &b : &a);
    operands.push_back(i % 2 ? &a : &b);
  }
  setOperands(table, 3, operands);
  StepWalker walker(pool, table);
  for (uint64_t step = 1; step <= 20; ++step) {
    walker.run(batchOf(600)); // more than kPrivateTokens: "shared" is a barrier
    ASSERT_THAT(a.values, testing::Each(50 * step));
  }
}

TEST(StepWalkerTest, TheBarrierOfAnEntryWithoutItemsHoldsForTheNext) {
  WorkerPool pool(3);
  Log a(600), b(600);
  StepTable table;
  table.kernels = {{reverseAddOne, itemsOfTokens}, {reverseAddOne, noItems}};
  std::vector<void *> operands;
  for (uint32_t i = 0; i < 50; ++i) {
    // Only the entries that do nothing have barriers.
    table.entries.push_back(entry(1, 4 * i, false, BarrierKind::Always));
    table.entries.push_back(entry(0, 4 * i + 2, false, BarrierKind::Never));
    for (int j = 0; j < 2; ++j) {
      operands.push_back(i % 2 ? &b : &a);
      operands.push_back(i % 2 ? &a : &b);
    }
  }
  setOperands(table, 3, operands);
  StepWalker walker(pool, table);
  for (uint64_t step = 1; step <= 20; ++step) {
    walker.run(batchOf(600));
    ASSERT_THAT(a.values, testing::Each(50 * step));
  }
}

TEST(StepWalkerTest, PrivateEntriesRunWholeInEveryWorkerOfASmallStep) {
  const uint32_t threads = 3;
  WorkerPool pool(threads);
  std::deque<Log> own;
  Log shared(100), result(100);
  StepTable table;
  table.kernels = {{countRuns, itemsOfTokens}};
  table.entries = {entry(0, 0, true, BarrierKind::Shared), entry(0, 1, false, BarrierKind::Shared)};
  table.operandCount = 2;
  table.sharedOperands = {&shared, &result};
  for (uint32_t worker = 0; worker < threads; ++worker) {
    own.emplace_back(100);
    table.privateOperands.push_back(&own.back());
    table.privateOperands.push_back(&result);
  }
  table.scratch.assign(threads, nullptr);
  StepWalker walker(pool, table);
  walker.run(batchOf(kPrivateTokens));
  for (Log &log : own) {
    EXPECT_EQ(log.calls, 1u); // whole, in one call
    for (uint32_t i = 0; i < kPrivateTokens; ++i)
      EXPECT_EQ(log.runs[i], 1);
  }
  EXPECT_EQ(shared.calls, 0u);
  walker.run(batchOf(kPrivateTokens + 1));
  for (Log &log : own)
    EXPECT_EQ(log.calls, 1u);
  for (uint32_t i = 0; i <= kPrivateTokens; ++i) {
    EXPECT_EQ(shared.runs[i], 1);
    EXPECT_EQ(result.runs[i], i < kPrivateTokens ? 2 : 1);
  }
}

} // namespace
