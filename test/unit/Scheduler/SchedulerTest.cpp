//===- SchedulerTest.cpp - Who takes part in which step ---------------------------------------===//

#include "runtime/scheduler/Scheduler.h"
#include "FakeStore.h"
#include "runtime/cache/KVCache.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <list>
#include <random>

using namespace nibble;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// A request of the fake model: so many tokens come after the prompt.
struct FakeJob : Job {
  uint32_t toCome = 0;
  bool isDone() const { return toCome == 0; }
};

/// A scheduler with a fake model and a fake clock.
struct Simulation {
  FakeStore store;
  SchedulerOptions options;
  Scheduler scheduler;
  TimePoint now;
  std::list<FakeJob> jobs;
  uint64_t computed = 0, steps = 0;

  Simulation(uint32_t sequences, uint32_t pages, SchedulerOptions options)
      : store(sequences, pages), options(options), scheduler(store, options) {}

  FakeJob &add(uint32_t prompt, uint32_t toCome, int32_t priority = 0, std::string owner = "") {
    FakeJob &job = jobs.emplace_back();
    job.tokens.assign(prompt, 1);
    job.toCome = toCome;
    job.owner = std::move(owner);
    job.standing = {.priority = priority, .arrival = now, .number = jobs.size()};
    scheduler.add(job);
    return job;
  }

  /// One step of 1 ms and 10 us a row; false if nothing could run.
  bool step() {
    auto shares = scheduler.plan(now);
    if (shares.empty())
      return false;
    uint32_t tokens = 0, rows = 0;
    for (const StepShare &share : shares) {
      store.store(*share.job->sequence, share.count);
      tokens += share.count;
      rows += share.logits;
    }
    EXPECT_LE(tokens, options.tokenBudget);
    EXPECT_LE(rows, options.rowBudget);
    double seconds = 1e-3 + 1e-5 * tokens;
    now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::vector<StepShare> taken(shares.begin(), shares.end());
    scheduler.complete(seconds, now);
    computed += tokens;
    ++steps;
    for (const StepShare &share : taken) {
      auto &job = static_cast<FakeJob &>(*share.job);
      EXPECT_EQ(job.stored, store.length(*job.sequence));
      if (job.left() > 0)
        continue;
      EXPECT_EQ(share.logits, 1u);
      job.tokens.push_back(2);
      if (--job.toCome == 0)
        scheduler.remove(job);
    }
    return true;
  }

  /// Steps until nothing is left; false if something never ends.
  bool finish(uint64_t most = 200000) {
    while (!std::ranges::all_of(jobs, &FakeJob::isDone))
      if (steps > most || !step())
        return false;
    return true;
  }
};

SchedulerOptions budgets(uint32_t tokens, uint32_t rows) {
  return {.tokenBudget = tokens, .rowBudget = rows};
}

TEST(SchedulerTest, KeepsItsBudgetsAndEndsWithEverythingFree) {
  std::mt19937 random(7);
  for (auto [sequences, pages, tokens] :
       {std::array{1u, 40u, 16u}, {4u, 40u, 64u}, {16u, 40u, 32u}, {16u, 400u, 512u}}) {
    Simulation simulation(sequences, pages, budgets(tokens, sequences));
    for (int i = 0; i < 60; ++i)
      simulation.add(1 + random() % 600, 1 + random() % 300, static_cast<int32_t>(random() % 3));
    EXPECT_TRUE(simulation.finish()) << sequences << " sequences, " << pages << " pages";
    EXPECT_EQ(simulation.store.freePages(), pages);
    EXPECT_EQ(simulation.store.freeSequences(), sequences);
    EXPECT_TRUE(simulation.scheduler.running().empty());
    EXPECT_TRUE(simulation.scheduler.waiting().empty());
  }
}

TEST(SchedulerTest, RunningOnesComeFirstAndPromptsFillTheRest) {
  Simulation simulation(8, 1000, budgets(20, 8));
  simulation.add(4, 100);
  simulation.step();
  FakeJob &prompt = simulation.add(100, 2);
  simulation.step(); // without prompt tokens: its length is to be learnt
  uint32_t before = 0;
  while (prompt.left() > 0 && prompt.toCome == 2) {
    auto shares = simulation.scheduler.plan(simulation.now);
    ASSERT_EQ(shares.size(), 2u);
    EXPECT_TRUE(shares[0].decodes);
    EXPECT_EQ(shares[1].job, &prompt);
    EXPECT_LE(shares[0].count + shares[1].count, 20u);
    ASSERT_TRUE(simulation.step());
    EXPECT_GT(prompt.stored, before);
    before = prompt.stored;
  }
}

TEST(SchedulerTest, TheLeastImportantOneGivesItsPagesBack) {
  // Two pages each in the end; three pages in all.
  Simulation simulation(2, 3, budgets(64, 2));
  FakeJob &important = simulation.add(20, 40, 0);
  FakeJob &other = simulation.add(20, 40, 1);
  while (simulation.scheduler.preemptions() == 0)
    ASSERT_TRUE(simulation.step());
  EXPECT_EQ(important.preemptions, 0u);
  EXPECT_EQ(other.preemptions, 1u);
  EXPECT_FALSE(other.sequence);
  EXPECT_EQ(other.stored, 0u);
  ASSERT_TRUE(simulation.finish());
  EXPECT_EQ(simulation.scheduler.preemptions(), 1u);
  // What was lost was computed again, and nothing else: prompts and all generated tokens but the last.
  EXPECT_GT(simulation.computed, 2u * (20 + 39));
  EXPECT_LT(simulation.computed, 2u * (20 + 39) + 33 + 1);
}

TEST(SchedulerTest, AmongEqualsTheNewestIsPreempted) {
  Simulation simulation(3, 6, budgets(64, 3));
  simulation.add(20, 60);
  simulation.now += milliseconds(1);
  simulation.add(20, 60);
  simulation.now += milliseconds(1);
  FakeJob &newest = simulation.add(20, 60);
  while (simulation.scheduler.preemptions() == 0)
    ASSERT_TRUE(simulation.step());
  EXPECT_EQ(newest.preemptions, 1u);
  EXPECT_TRUE(simulation.finish());
}

TEST(SchedulerTest, MoreImportantOnesTakeThePlaceOfLessImportantOnes) {
  Simulation simulation(2, 100, budgets(64, 2));
  simulation.add(10, 1000, 5);
  FakeJob &second = simulation.add(10, 1000, 6);
  simulation.step();
  FakeJob &urgent = simulation.add(10, 5, -1);
  simulation.step();
  simulation.step();
  EXPECT_TRUE(urgent.sequence);
  EXPECT_FALSE(second.sequence);
  EXPECT_TRUE(simulation.finish());
}

TEST(SchedulerTest, NobodyStarvesBehindMoreImportantOnes) {
  SchedulerOptions options = budgets(64, 1);
  options.ageing = std::chrono::milliseconds(200);
  Simulation simulation(1, 100, options);
  FakeJob &patient = simulation.add(10, 5, 3);
  // There is always somebody more important who waits.
  uint64_t others = 0;
  for (; !patient.isDone() && others < 1000; ++others) {
    FakeJob &other = simulation.add(10, 20, 0);
    while (!other.isDone() && !patient.isDone())
      ASSERT_TRUE(simulation.step());
  }
  EXPECT_TRUE(patient.isDone());
  EXPECT_GT(simulation.now - patient.standing.arrival, milliseconds(3 * 200));
  EXPECT_LT(simulation.now - patient.standing.arrival, milliseconds(5 * 200));
}

TEST(SchedulerTest, OwnersShareFairlyWhateverTheirNumberOfRequests) {
  Simulation simulation(2, 1000, budgets(64, 2));
  std::vector<FakeJob *> greedy, modest;
  for (int i = 0; i < 100; ++i)
    greedy.push_back(&simulation.add(32, 32, 0, "greedy"));
  for (int i = 0; i < 10; ++i)
    modest.push_back(&simulation.add(32, 32, 0, "modest"));
  while (!std::ranges::all_of(modest, [](const FakeJob *job) { return job->isDone(); }))
    ASSERT_TRUE(simulation.step());
  auto done = std::ranges::count_if(greedy, [](const FakeJob *job) { return job->isDone(); });
  EXPECT_GE(done, 8);
  EXPECT_LE(done, 12);
}

TEST(SchedulerTest, ForksWaitForTheirPlacesAndShareTheRest) {
  Simulation simulation(4, 100, budgets(64, 4));
  FakeJob &parent = simulation.add(40, 10);
  parent.forks = 2;
  FakeJob &two = simulation.add(40, 1);
  two.forks = 1;
  ASSERT_TRUE(simulation.step());
  EXPECT_TRUE(parent.sequence);
  EXPECT_FALSE(two.sequence); // three of four sequences are spoken for
  std::list<FakeJob> forks(2);
  for (FakeJob &fork : forks) {
    fork.tokens = parent.tokens;
    fork.toCome = 10;
    fork.standing = parent.standing;
    fork.standing.number = 100;
    simulation.scheduler.addFork(fork, parent);
    EXPECT_EQ(fork.stored, 40u);
  }
  EXPECT_EQ(parent.forks, 0u);
  EXPECT_EQ(simulation.store.freeSequences(), 1u);
  two.forks = 0;
  while (simulation.step()) {
  }
  EXPECT_TRUE(parent.isDone() && two.isDone());
  EXPECT_TRUE(std::ranges::all_of(forks, &FakeJob::isDone));
}

TEST(SchedulerTest, WhoWantsAllLogitsKeepsToTheRows) {
  Simulation simulation(2, 100, budgets(64, 8));
  FakeJob &job = simulation.add(30, 1);
  job.wantsAllLogits = true;
  for (uint32_t stored : {8u, 16u, 24u, 30u}) {
    auto shares = simulation.scheduler.plan(simulation.now);
    ASSERT_EQ(shares.size(), 1u);
    EXPECT_EQ(shares[0].logits, shares[0].count);
    simulation.store.store(*job.sequence, shares[0].count);
    simulation.scheduler.complete(1e-3, simulation.now);
    EXPECT_EQ(job.stored, stored);
  }
}

TEST(SchedulerTest, LongPromptsSlowOthersDownNoMoreThanSaid) {
  Simulation simulation(9, 10000, budgets(512, 9));
  for (int i = 0; i < 8; ++i)
    simulation.add(8, 4000);
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(simulation.step());
  TimePoint begin = simulation.now;
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(simulation.step());
  double plain = std::chrono::duration<double>(simulation.now - begin).count() / 200;
  std::vector<double> gaps;
  FakeJob &prompt = simulation.add(20000, 1);
  TimePoint start = simulation.now;
  while (!prompt.isDone()) {
    TimePoint before = simulation.now;
    ASSERT_TRUE(simulation.step());
    gaps.push_back(std::chrono::duration<double>(simulation.now - before).count());
  }
  double loaded = std::chrono::duration<double>(simulation.now - start).count();
  std::ranges::sort(gaps);
  EXPECT_LE(gaps[gaps.size() * 99 / 100], 2 * plain);
  double unloaded = 20000.0 / 512 * (1e-3 + 512e-5);
  EXPECT_GE(unloaded / loaded, 0.4);
}

} // namespace
