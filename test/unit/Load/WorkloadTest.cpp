//===- WorkloadTest.cpp - Draws follow their distributions ------------------------------------===//

#include "runtime/load/Workload.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

using namespace nibble;
using namespace nibble::load;

namespace {

struct Moments {
  double mean = 0, deviation = 0;
};
template <typename T> Moments moments(const std::vector<T> &values) {
  double count = static_cast<double>(values.size()), sum = 0, squares = 0;
  for (T value : values)
    sum += static_cast<double>(value);
  for (T value : values)
    squares += (static_cast<double>(value) - sum / count) * (static_cast<double>(value) - sum / count);
  return {sum / count, std::sqrt(squares / (count - 1))};
}

std::vector<double> intervals(double rate, double burstiness, size_t count = 100'000) {
  Random random = randomFor(1, 1);
  std::vector<double> times = arrivalTimes(count, rate, burstiness, random);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  std::adjacent_difference(times.begin(), times.end(), times.begin());
  return times;
}

// The standard error of the mean of 100,000 intervals is deviation / 316; five of them are allowed.
TEST(WorkloadTest, PoissonArrivalsHaveTheRate) {
  auto found = moments(intervals(4, 1));
  EXPECT_NEAR(found.mean, 0.25, 5 * 0.25 / 316);
  EXPECT_NEAR(found.deviation, 0.25, 0.01); // an exponential's is its mean
  std::vector<double> values = intervals(4, 1);
  auto below = std::count_if(values.begin(), values.end(), [](double value) { return value < 0.25; });
  EXPECT_NEAR(static_cast<double>(below) / 1e5, 1 - std::exp(-1.0), 5 * 0.0015);
}

TEST(WorkloadTest, BurstinessChangesTheDeviationOnly) {
  for (double shape : {0.25, 4.0}) { // deviation = mean / sqrt(shape)
    auto found = moments(intervals(10, shape));
    double deviation = 0.1 / std::sqrt(shape);
    EXPECT_NEAR(found.mean, 0.1, 5 * deviation / 316);
    EXPECT_NEAR(found.deviation, deviation, 0.03 * deviation);
  }
  EXPECT_EQ(intervals(INFINITY, 1, 10), std::vector<double>(10, 0.0));
}

std::vector<uint32_t> draw(const std::string &text, size_t count = 100'000) {
  auto lengths = Lengths::parse(text);
  EXPECT_TRUE(lengths) << text;
  Random random = randomFor(2, 0);
  std::vector<uint32_t> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(lengths->draw(random));
  EXPECT_LE(*std::max_element(values.begin(), values.end()), lengths->limit());
  EXPECT_GE(*std::min_element(values.begin(), values.end()), 1u);
  return values;
}

TEST(WorkloadTest, LogNormalLengthsHaveTheirMoments) {
  // Of exp(N(mu, s)) with the mean m: deviation m sqrt(exp(s^2) - 1), median m exp(-s^2 / 2).
  std::vector<uint32_t> values = draw("lognormal:400:0.5");
  auto found = moments(values);
  double deviation = 400 * std::sqrt(std::exp(0.25) - 1);
  EXPECT_NEAR(found.mean, 400, 5 * deviation / 316);
  EXPECT_NEAR(found.deviation, deviation, 0.05 * deviation);
  std::nth_element(values.begin(), values.begin() + 50'000, values.end());
  EXPECT_NEAR(values[50'000], 400 * std::exp(-0.125), 3);
}

TEST(WorkloadTest, ShareGPTsMeansAreThePapers) {
  // Cut at 2,048, which costs the long tail a little.
  EXPECT_NEAR(moments(draw("sharegpt-prompt")).mean, 161.31, 12);
  EXPECT_NEAR(moments(draw("sharegpt-output")).mean, 337.99, 12);
}

TEST(WorkloadTest, ExponentialLengthsAreCapped) {
  // E[min(X, c)] = m (1 - exp(-c / m))
  std::vector<uint32_t> values = draw("exponential:128:512");
  EXPECT_NEAR(moments(values).mean, 128 * (1 - std::exp(-4.0)), 2);
  EXPECT_EQ(*std::max_element(values.begin(), values.end()), 512u);
}

TEST(WorkloadTest, FixedLengthsAreFixed) {
  EXPECT_EQ(draw("77", 3), (std::vector<uint32_t>{77, 77, 77}));
  for (const char *bad :
       {"", "0", "-1", "1.5", "x", "12x", "lognormal", "lognormal:1", "lognormal:x:1", "lognormal:1:-1",
        "lognormal:1:1:1", "exponential:1:0", "uniform:1:2", "99999999", "nan", "inf"})
    EXPECT_FALSE(Lengths::parse(bad)) << bad;
}

TEST(WorkloadTest, PromptsComeFromTheSeed) {
  PromptSource source;
  source.vocabulary = 1600;
  auto prompt = [&](uint64_t seed, uint64_t stream) {
    Random random = randomFor(seed, stream);
    return makePrompt(source, 500, random);
  };
  EXPECT_EQ(prompt(1, 2), prompt(1, 2));
  EXPECT_NE(prompt(1, 2), prompt(1, 3));
  EXPECT_NE(prompt(1, 2), prompt(2, 2));
  std::set<int> ids;
  for (int id : prompt(1, 2))
    ids.insert(id);
  EXPECT_GE(*ids.begin(), 100);
  EXPECT_LT(*ids.rbegin(), 1500);
  EXPECT_GT(ids.size(), 350u); // of 1400, 500 draws: 1400 (1 - exp(-500 / 1400)) = 420

  source.sharedTokens = 400;
  auto one = prompt(1, 2), other = prompt(1, 3);
  EXPECT_TRUE(std::equal(one.begin(), one.begin() + 400, other.begin()));
  EXPECT_NE(one, other);

  source.words = true;
  std::string text = prompt(1, 2);
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 499);
  source.chat = true;
  EXPECT_EQ(prompt(1, 2)[0]["content"], text);
  EXPECT_EQ(prompt(1, 2)[0]["role"], "user");
}

} // namespace
