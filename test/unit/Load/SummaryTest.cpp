//===- SummaryTest.cpp - Percentiles, rates, goodput ------------------------------------------===//

#include "runtime/load/Summary.h"
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::load;

namespace {

TEST(StatisticsTest, PercentilesAreNumpys) {
  // numpy.percentile([3, 1, 2, 10], [0, 50, 90, 99, 100]) = 1, 2.5, 7.9, 9.79, 10
  Spread spread({3, 1, 2, 10});
  EXPECT_DOUBLE_EQ(spread.p50, 2.5);
  EXPECT_NEAR(spread.p90, 7.9, 1e-12);
  EXPECT_NEAR(spread.p99, 9.79, 1e-12);
  EXPECT_EQ(spread.most, 10);
  EXPECT_EQ(spread.mean, 4);
  EXPECT_EQ(spread.count, 4u);
  const double values[] = {1, 2, 3, 10};
  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile(values, 1), 10);
  EXPECT_EQ(Spread(std::vector<double>{5}).p99, 5);
  EXPECT_EQ(Spread(std::vector<double>()).p99, 0);
  std::vector<double> many;
  for (int i = 1000; i >= 0; --i)
    many.push_back(i);
  EXPECT_DOUBLE_EQ(Spread(many).p99, 990);
}

/// Sent at 10, first token at 10.5, `tokens` of them `gap` apart.
RequestRecord record(uint32_t tokens, float gap) {
  RequestRecord record;
  record.due = 9.75;
  record.start = 10;
  record.first = record.last = 10.5;
  for (uint32_t i = 1; i < tokens; ++i) {
    record.gaps.push_back({gap, 1});
    record.last += gap;
  }
  record.chunks = record.outputTokens = record.askedTokens = tokens;
  record.promptTokens = 3;
  return record;
}

TEST(SummaryTest, TimesAndRates) {
  RunResult run;
  run.seconds = 4;
  run.records = {record(5, 0.25), record(1, 0), record(3, 0.5)};
  run.records[2].askedTokens = 4;
  run.records.emplace_back().failure = "429";
  run.records.back().message = "later";
  run.records.emplace_back(record(2, 0.25)).failure = "hang-up"; // its tokens do not count
  run.records.emplace_back().failure = "429";
  Summary summary = Summary::of({&run, 1}, {});
  EXPECT_EQ(summary.requests, 6u);
  EXPECT_EQ(summary.complete, 3u);
  EXPECT_EQ(summary.outputTokens, 9u);
  EXPECT_EQ(summary.promptTokens, 9u);
  EXPECT_EQ(summary.shorter, 1u);
  EXPECT_DOUBLE_EQ(summary.tokenRate(), 2.25);
  EXPECT_DOUBLE_EQ(summary.requestRate(), 0.75);
  EXPECT_DOUBLE_EQ(summary.lateness, 0.25);
  EXPECT_DOUBLE_EQ(summary.timeToFirst.p50, 0.5);
  EXPECT_DOUBLE_EQ(summary.total.most, 1.5); // 0.5 + 4 x 0.25, and 0.5 + 2 x 0.5
  // (1.5 - 0.5) / 4 and (1.5 - 0.5) / 2; one token has no time for each.
  EXPECT_EQ(summary.perToken.count, 2u);
  EXPECT_DOUBLE_EQ(summary.perToken.p50, 0.375);
  EXPECT_EQ(summary.betweenTokens.count, 6u);
  EXPECT_DOUBLE_EQ(summary.betweenTokens.mean, (4 * 0.25 + 2 * 0.5) / 6);
  EXPECT_EQ(summary.failures["429"].count, 2u);
  EXPECT_EQ(summary.failures["429"].message, "later");
  EXPECT_EQ(summary.failures["hang-up"].count, 1u);
}

TEST(SummaryTest, RunsAddUp) {
  RunResult runs[2];
  runs[0].seconds = 1;
  runs[0].records = {record(4, 0.5)};
  runs[1].seconds = 3;
  runs[1].records = {record(4, 0.5)};
  Summary summary = Summary::of(runs, {});
  EXPECT_DOUBLE_EQ(summary.tokenRate(), 2);
  EXPECT_EQ(summary.complete, 2u);
  EXPECT_EQ(Summary::of({}, {}).tokenRate(), 0);
}

TEST(TargetsTest, AreReadInMilliseconds) {
  auto targets = Targets::parse("ttft=200,itl=50.5,tpot=1,e2e=3000");
  ASSERT_TRUE(targets);
  EXPECT_DOUBLE_EQ(*targets->timeToFirst, 0.2);
  EXPECT_DOUBLE_EQ(*targets->betweenTokens, 0.0505);
  EXPECT_DOUBLE_EQ(*targets->perToken, 0.001);
  EXPECT_DOUBLE_EQ(*targets->total, 3);
  EXPECT_FALSE(Targets::parse("")->any());
  for (const char *bad : {"ttft", "ttft=", "ttft=x", "ttft=-1", "ttft=0", "x=1", "ttft=1ms", "=1"})
    EXPECT_FALSE(Targets::parse(bad)) << bad;
}

TEST(TargetsTest, GoodputCountsWhatMeetsAll) {
  auto good = [](const RequestRecord &record, const char *targets) {
    return Targets::parse(targets)->areMet(record);
  };
  RequestRecord steady = record(11, 0.125); // 0.5 s to the first, 10 x 0.125
  EXPECT_TRUE(good(steady, "ttft=500,itl=125,tpot=125,e2e=1750"));
  EXPECT_FALSE(good(steady, "ttft=499"));
  EXPECT_FALSE(good(steady, "itl=124"));
  EXPECT_FALSE(good(steady, "tpot=124"));
  EXPECT_FALSE(good(steady, "e2e=1749"));
  EXPECT_FALSE(good(steady, "ttft=1000,e2e=1749"));
  RequestRecord jerky = record(301, 0.01f);
  jerky.gaps[100].seconds = 5; // one of 300 is forgiven, four are not
  EXPECT_TRUE(good(jerky, "itl=11"));
  for (int i = 0; i < 3; ++i)
    jerky.gaps[i].seconds = 5;
  EXPECT_FALSE(good(jerky, "itl=11"));
  steady.failure = "hang-up";
  EXPECT_FALSE(good(steady, "ttft=10000"));
  EXPECT_TRUE(good(record(1, 0), "itl=1,tpot=1"));
}

} // namespace
