//===- SearchTest.cpp - The search for a tuning, on machines made up --------------------------===//
#include "lib/Tune/Search.h"

#include <gmock/gmock.h>

#include <functional>
#include <random>

using namespace nibble;

namespace {

const std::vector<uint32_t> kTokens = {1, 4, 8, 16, 64, 256};

CPUTuning estimate() { return findCPUTarget("avx512-vnni", "znver4")->tuning; }

/// A machine whose times are a formula, and whose clock is moved by what is asked of it.
class FakeBench : public TuningBench {
public:
  /// Seconds of a step of so many tokens.
  std::function<double(const CPUTuning &, uint32_t)> seconds;
  double noise = 0; // standard deviation, of the time
  double compileSeconds = 0.1;
  size_t prepared = 0;

  Result<size_t> prepare(const CPUTuning &candidate) override {
    ++prepared;
    clock += compileSeconds;
    // What a field stands for where it is 0 is the same code.
    CPUTuning code = candidate;
    code.chains = code.chains ? code.chains : 2;
    auto [entry, isNew] = numbers.try_emplace(code.spelling(), codes.size());
    if (isNew)
      codes.push_back(code);
    return entry->second;
  }

  std::vector<std::vector<double>> measure(std::span<const size_t> numbers,
                                           std::span<const uint32_t> tokens) override {
    std::vector<std::vector<double>> all;
    for (size_t number : numbers) {
      all.emplace_back();
      for (uint32_t count : tokens) {
        double time = seconds(codes[number], count) * (1 + noise * normal(generator));
        clock += time;
        all.back().push_back(time);
      }
    }
    return all;
  }

  double now() override { return clock; }

private:
  double clock = 0;
  std::map<std::string, size_t> numbers;
  std::vector<CPUTuning> codes;
  std::minstd_rand generator{7};
  std::normal_distribution<double> normal;
};

/// Least at a tile of 4 tokens, a distance of 4608 for one token, and items of 32 KiB; more so for more
/// tokens, as of a real machine.
double valley(const CPUTuning &tuning, uint32_t tokens) {
  double time = 1e-4 * tokens;
  if (tokens == 1)
    time *= tuning.loneNearPrefetch == 4608 ? 0.9 : 1;
  else
    time *= tuning.tileTokens == 4 ? 0.8 : tuning.tileTokens == 2 ? 1.5 : 1;
  return time * (tuning.itemBytes == 32 << 10 ? 0.95 : 1);
}

SearchResult search(FakeBench &bench, double seconds = 60) {
  auto found = searchTuning(estimate(), bench, {.tokens = kTokens, .seconds = seconds});
  EXPECT_TRUE(found);
  return *found;
}

const ChoiceTurn *turnOf(const SearchResult &found, std::string_view field) {
  auto turn = std::ranges::find(found.turns, field, &ChoiceTurn::field);
  return turn == found.turns.end() ? nullptr : &*turn;
}

TEST(Quartiles, OfRatios) {
  Quartiles seven({7, 1, 5, 3, 4, 6, 2});
  EXPECT_EQ(seven.lower, 2);
  EXPECT_EQ(seven.median, 4);
  EXPECT_EQ(seven.upper, 6);
  EXPECT_EQ(Quartiles({2, 1}).median, 1.5);
  EXPECT_TRUE(Quartiles({0.9, 0.91, 0.9}).isGain());
  EXPECT_FALSE(Quartiles({0.9, 1.02, 0.7}).isGain()) << "spreads more than it gains";
  EXPECT_FALSE(Quartiles({0.999, 0.999, 0.999}).isGain()) << "not worth a change";
  EXPECT_FALSE(Quartiles({1.1, 1.1, 1.1}).isGain());
}

TEST(Search, FindsTheMinimum) {
  FakeBench bench;
  bench.seconds = valley;
  SearchResult found = search(bench);
  EXPECT_EQ(found.best.spelling(), "znver4,lone-near-prefetch=4608,tile-tokens=4,item-bytes=32768");
  EXPECT_TRUE(found.complete);
  ASSERT_EQ(found.steps.size(), kTokens.size());
  EXPECT_NEAR(found.steps[0].ratio.median, 0.9 * 0.95, 1e-9);
  EXPECT_NEAR(found.steps[5].ratio.median, 0.8 * 0.95, 1e-9);
  EXPECT_NEAR(found.steps[5].estimateSeconds, 0.0256, 1e-9);

  const ChoiceTurn *tile = turnOf(found, "tile-tokens");
  ASSERT_TRUE(tile);
  EXPECT_EQ(tile->before, 0);
  EXPECT_EQ(tile->best, 4);
  EXPECT_TRUE(tile->taken);
  EXPECT_NEAR(tile->ratio.median, 0.8, 1e-9);
  // (4 * 8 * 16 * 64 * 256)^(1/5) tokens: one token is none of its concern.
  EXPECT_NEAR(tile->beforeSeconds, 1e-4 * 24.2515, 1e-7);
}

/// A choice that is best only once another was made is found when its turn comes again.
TEST(Search, ComesBackToAChoice) {
  FakeBench bench;
  bench.seconds = [](const CPUTuning &tuning, uint32_t tokens) {
    bool items = tuning.itemBytes == 64 << 10, tile = tuning.tileTokens == 2;
    return 1e-4 * tokens * (items && tile ? 0.5 : items ? 0.9 : tile ? 1.01 : 1);
  };
  EXPECT_EQ(search(bench).best.spelling(), "znver4,tile-tokens=2,item-bytes=65536");
}

TEST(Search, KeepsTheEstimateUnderNoise) {
  FakeBench bench;
  bench.seconds = [](const CPUTuning &, uint32_t tokens) { return 1e-4 * tokens; };
  bench.noise = 0.1;
  SearchResult found = search(bench, 600);
  EXPECT_EQ(found.best.spelling(), "znver4");
  EXPECT_TRUE(found.steps.empty());
  EXPECT_TRUE(found.complete);
}

TEST(Search, FindsAGainUnderNoise) {
  FakeBench bench;
  bench.seconds = [](const CPUTuning &tuning, uint32_t tokens) {
    return 1e-4 * tokens * (tuning.tileTokens == 4 ? 0.7 : 1);
  };
  bench.noise = 0.03;
  EXPECT_EQ(search(bench).best.spelling(), "znver4,tile-tokens=4");
}

/// Gains that each hold but do not hold together are given back.
TEST(Search, ComparesTheResultWithTheEstimate) {
  FakeBench bench;
  size_t rounds = 0;
  bench.seconds = [&](const CPUTuning &tuning, uint32_t tokens) {
    // A machine that was disturbed whenever the estimate's tile ran, in the first seconds.
    bool slow = ++rounds < 400 && tuning.tileTokens == 0;
    return 1e-4 * tokens * (slow ? 2 : 1) * (tuning.tileTokens ? 1.01 : 1);
  };
  SearchResult found = search(bench);
  EXPECT_TRUE(turnOf(found, "tile-tokens")->taken);
  EXPECT_EQ(found.best.spelling(), "znver4");
  EXPECT_NEAR(found.steps[3].ratio.median, 1.01, 1e-9);
}

/// Values that make the same code are not measured.
TEST(Search, LeavesOutWhatIsTheSame) {
  FakeBench bench;
  bench.seconds = valley;
  SearchResult found = search(bench);
  const ChoiceTurn *chains = turnOf(found, "chains");
  ASSERT_TRUE(chains);
  EXPECT_EQ(chains->best, 1) << "2 is what it is anyway";
  EXPECT_FALSE(chains->taken);
}

TEST(Search, StopsAtTheTimeBound) {
  for (double limit : {0.05, 1.0, 2.0}) {
    FakeBench bench;
    bench.seconds = valley;
    bench.compileSeconds = 0.2;
    SearchResult found = search(bench, limit);
    EXPECT_FALSE(found.complete) << limit;
    EXPECT_EQ(found.seconds, bench.now());
    // The candidate, or the round, that was begun; code for the last comparison is there already.
    double round = 5 * 0.0349, last = 2 * bench.compileSeconds;
    EXPECT_LE(found.seconds, limit + bench.compileSeconds + round + last) << limit;
  }
}

} // namespace
