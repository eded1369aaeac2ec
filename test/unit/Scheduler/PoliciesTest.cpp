//===- PoliciesTest.cpp - Priority, fair shares, shares of prompts ----------------------------===//

#include "runtime/scheduler/FairShare.h"
#include "runtime/scheduler/Importance.h"
#include "runtime/scheduler/PromptShare.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace nibble;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

TEST(ImportanceTest, PriorityThenArrivalThenNumber) {
  TimePoint early, late = early + seconds(1);
  Standing first = {.priority = 0, .arrival = early, .number = 1};
  EXPECT_TRUE(isMoreImportant({.priority = -1, .arrival = late, .number = 9}, first));
  EXPECT_TRUE(isMoreImportant(first, {.priority = 0, .arrival = late, .number = 0}));
  EXPECT_TRUE(isMoreImportant(first, {.priority = 0, .arrival = early, .number = 2}));
  EXPECT_FALSE(isMoreImportant(first, first));
}

TEST(ImportanceTest, WaitingRaisesPriority) {
  TimePoint arrival = TimePoint() + seconds(100);
  Standing standing = {.priority = 3, .arrival = arrival};
  EXPECT_EQ(agedPriority(standing, arrival, seconds(10)), 3);
  EXPECT_EQ(agedPriority(standing, arrival + milliseconds(9999), seconds(10)), 3);
  EXPECT_EQ(agedPriority(standing, arrival + seconds(10), seconds(10)), 2);
  EXPECT_EQ(agedPriority(standing, arrival + seconds(95), seconds(10)), -6);
  EXPECT_EQ(agedPriority(standing, arrival - seconds(95), seconds(10)), 3); // a fake clock may go back
}

TEST(FairShareTest, AbsenceEarnsNoCreditAndLeavingForgetsNoDebt) {
  FairShare share;
  share.begin("a");
  share.charge("a", 100);
  EXPECT_EQ(share.served("a"), 100);
  share.begin("b"); // starts where the least served one stands, not at zero
  EXPECT_EQ(share.served("b"), 100);
  share.charge("b", 10);
  share.begin("c");
  EXPECT_EQ(share.served("c"), 100);
  share.charge("a", 500);
  share.end("a"); // comes back at once, as far ahead of the others as before
  share.begin("a");
  EXPECT_EQ(share.served("a"), 600);
  share.end("a");
  share.charge("b", 1000);
  share.charge("c", 1000);
  share.begin("a"); // after a long pause: no credit
  EXPECT_EQ(share.served("a"), 1100);
}

TEST(FairShareTest, CountsRequestsOfAnOwner) {
  FairShare share;
  share.begin("a");
  share.begin("a");
  share.charge("a", 7);
  share.end("a");
  EXPECT_EQ(share.served("a"), 7);
  share.end("a");
  EXPECT_EQ(share.served("a"), 0); // nobody is here to compare with
  share.end("a");                  // harmless
}

TEST(FairShareTest, StrangersDoNotPileUp) {
  FairShare share;
  share.begin("resident");
  for (int i = 0; i < 20000; ++i) {
    std::string owner = std::to_string(i);
    share.begin(owner);
    share.charge(owner, 1);
    share.end(owner);
  }
  EXPECT_EQ(share.served("1"), 0); // forgotten: too many were remembered at some time
}

/// A machine whose steps take time by formula: its share must settle where the step takes `slowdown` times a
/// plain one.
struct FakeMachine {
  double perDecodeRow, perPromptToken, base, noise;
  std::mt19937 random{1};
  double step(uint32_t decodeRows, uint32_t promptTokens) {
    double seconds = base + perDecodeRow * decodeRows + perPromptToken * promptTokens;
    return seconds * (1 + noise * std::uniform_real_distribution(-1.0, 1.0)(random));
  }
};

TEST(PromptShareTest, SettlesAtTheSlowdownAskedFor) {
  for (double slowdown : {1.3, 1.9, 3.0})
    for (double perToken : {1e-5, 3e-4, 1e-3}) {
      FakeMachine machine = {.perDecodeRow = 1e-3, .perPromptToken = perToken, .base = 5e-3, .noise = 0.1};
      PromptShare share(slowdown);
      TimePoint now;
      double late = 0, lateSteps = 0;
      for (int i = 0; i < 2000; ++i) {
        uint32_t tokens = share.tokens(8, 1, 4096, now);
        double seconds = machine.step(8, tokens);
        now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        share.learn(8, 1, tokens, seconds, now);
        if (i >= 1000 && tokens > 0) {
          late += seconds;
          ++lateSteps;
        }
      }
      // Whole tiles of 8 rows are taken, which may be a little more than was aimed at.
      double plain = 5e-3 + 8e-3, expected = slowdown * plain;
      EXPECT_NEAR(late / lateSteps, expected, 0.12 * expected + 4 * perToken)
          << "slowdown " << slowdown << ", " << perToken << " seconds a token";
      EXPECT_GT(lateSteps, 980); // of 1000: plain steps are rare
    }
}

TEST(PromptShareTest, AlwaysLetsSomethingThroughAndNeverMoreThanAsked) {
  PromptShare share(1.1);
  TimePoint now;
  share.learn(4, 1, 0, 1e-3, now);
  for (int i = 0; i < 100; ++i) {
    uint32_t tokens = share.tokens(4, 1, 64, now);
    EXPECT_GE(tokens, 1u);
    EXPECT_LE(tokens, 64u);
    share.learn(4, 1, tokens, 1.0, now); // a thousand times as long
  }
  EXPECT_EQ(share.tokens(4, 1, 0, now), 0u);
}

TEST(PromptShareTest, SeveralPromptsMayDelayOthersMore) {
  FakeMachine machine = {.perDecodeRow = 1e-3, .perPromptToken = 1e-4, .base = 1e-2, .noise = 0};
  PromptShare share(2);
  TimePoint now;
  // Alternately one prompt, and three: three times the delay, and no effect on the former.
  double one = 0, three = 0;
  for (int i = 0; i < 400; ++i) {
    uint32_t prompts = i % 2 ? 3 : 1, tokens = share.tokens(2, prompts, 4096, now);
    double seconds = machine.step(2, tokens);
    share.learn(2, prompts, tokens, seconds, now);
    (prompts == 1 ? one : three) = seconds;
  }
  double plain = machine.step(2, 0);
  EXPECT_NEAR(one / plain - 1, 1, 0.15);
  EXPECT_NEAR(three / plain - 1, 3, 0.3);
}

TEST(PromptShareTest, MeasuresPlainStepsNowAndThen) {
  PromptShare share(2);
  TimePoint now;
  EXPECT_EQ(share.tokens(8, 1, 512, now), 0u); // nothing is known yet
  share.learn(8, 1, 0, 1e-2, now);
  EXPECT_GT(share.tokens(8, 1, 512, now), 0u);
  EXPECT_GT(share.tokens(8, 1, 512, now + seconds(4)), 0u);
  EXPECT_EQ(share.tokens(8, 1, 512, now + seconds(6)), 0u);
  EXPECT_GT(share.tokens(9, 1, 512, now), 0u);  // about as long
  EXPECT_EQ(share.tokens(20, 1, 512, now), 0u); // another number of rows
}

} // namespace
