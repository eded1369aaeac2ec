//===- CandidatesTest.cpp - The filters on a large vocabulary ---------------------------------===//
//
// Filters that select in portions must keep what sorting everything would keep.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/sampler/Candidates.h"
#include "runtime/sampler/Philox.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>

using nibble::Candidates;

namespace {

constexpr size_t vocabulary = 50'000;

std::vector<float> randomLogits(uint64_t seed, float spread) {
  std::vector<float> logits(vocabulary);
  for (size_t i = 0; i < vocabulary; ++i) { // sum of uniforms: near normal
    double sum = 0;
    for (uint32_t j = 0; j < 6; ++j)
      sum += nibble::uniform(seed, j, i) - 0.5;
    logits[i] = static_cast<float>(sum) * spread;
  }
  return logits;
}

Candidates candidatesOf(const std::vector<float> &logits) {
  Candidates candidates;
  candidates.reset(logits, *std::max_element(logits.begin(), logits.end()), 1);
  return candidates;
}

std::vector<int32_t> tokensOf(Candidates candidates) {
  std::vector<int32_t> tokens;
  for (const nibble::Candidate &candidate : candidates.list())
    tokens.push_back(candidate.token);
  return tokens;
}

std::vector<int32_t> sortedTokens(const std::vector<float> &logits) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  return order;
}

TEST(Exponential, IsExactToSingleRounding) {
  double worst = 0;
  for (int i = 0; i <= 87'000; ++i) {
    auto x = static_cast<float>(-i * 0.000999);
    double truth = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(nibble::exponential(x) - truth) / truth);
  }
  EXPECT_LT(worst, 3e-7);
  EXPECT_EQ(nibble::exponential(0), 1.0f);
  EXPECT_EQ(nibble::exponential(-88), 0.0f);
  EXPECT_EQ(nibble::exponential(-1e30f), 0.0f);
}

TEST(CandidateFilters, TopKKeepsTheGreatest) {
  std::vector<float> logits = randomLogits(1, 5);
  logits[777] = logits[123]; // equal logits: the lower id first
  for (size_t k : {1u, 2u, 63u, 1000u, 49'999u, 50'000u}) {
    Candidates candidates = candidatesOf(logits);
    candidates.keepTopK(k);
    std::vector<int32_t> expected = sortedTokens(logits);
    expected.resize(k);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(tokensOf(candidates), expected) << k;
  }
}

TEST(CandidateFilters, TopPKeepsTheFewestThatReachTheMass) {
  for (float spread : {0.5f, 5.0f, 20.0f}) {
    std::vector<float> logits = randomLogits(2, spread);
    std::vector<int32_t> order = sortedTokens(logits);
    double total = 0;
    for (float logit : logits)
      total += std::exp(static_cast<double>(logit) - logits[order[0]]);
    for (float p : {0.01f, 0.5f, 0.9f, 0.99f}) {
      double sum = 0;
      size_t kept = 0;
      while (sum < p * total)
        sum += std::exp(static_cast<double>(logits[order[kept++]]) - logits[order[0]]);
      Candidates candidates = candidatesOf(logits);
      candidates.keepTopP(p);
      // Single precision may move the border by a token among thousands.
      EXPECT_NEAR(static_cast<double>(candidates.list().size()), static_cast<double>(kept), 1 + kept * 1e-4)
          << spread << " " << p;
      std::vector<int32_t> expected(order.begin(),
                                    order.begin() + static_cast<ptrdiff_t>(candidates.list().size()));
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(tokensOf(candidates), expected);
    }
  }
}

TEST(CandidateFilters, MinPKeepsARatio) {
  std::vector<float> logits = randomLogits(3, 5);
  float greatest = *std::max_element(logits.begin(), logits.end());
  Candidates candidates = candidatesOf(logits);
  candidates.keepMinP(0.1f);
  std::vector<int32_t> expected;
  for (size_t i = 0; i < vocabulary; ++i)
    if (logits[i] >= greatest + std::log(0.1))
      expected.push_back(static_cast<int32_t>(i));
  EXPECT_EQ(tokensOf(candidates), expected);
}

TEST(CandidateFilters, DrawsFromAllAsFromAList) {
  for (float spread : {0.0f, 2.0f, 30.0f}) {
    std::vector<float> logits = randomLogits(9, spread);
    logits[5] = -std::numeric_limits<float>::infinity();
    Candidates listed = candidatesOf(logits);
    listed.list(); // from now on it draws from the list
    for (uint32_t i = 0; i < 300; ++i) {
      double u = nibble::uniform(10, 0, i);
      Candidates whole = candidatesOf(logits);
      // Sums in another order may move the border between two tokens by a rounding.
      EXPECT_EQ(whole.draw(u), listed.draw(u)) << u;
    }
    Candidates whole = candidatesOf(logits);
    EXPECT_EQ(whole.draw(0.0), listed.draw(0.0));
    EXPECT_EQ(whole.draw(1.0), listed.draw(1.0));
  }
}

TEST(GreatestTest, FindsTheFirstOfEqualsAndWhatIsUnsound) {
  std::vector<float> logits = randomLogits(11, 5);
  for (size_t size : {1u, 7u, 255u, 256u, 257u, 1000u, 50'000u}) {
    std::span<const float> part = std::span(logits).first(size);
    nibble::Greatest greatest = nibble::findGreatest(part);
    EXPECT_TRUE(greatest.isSound);
    EXPECT_EQ(greatest.index, static_cast<size_t>(std::ranges::max_element(part) - part.begin()));
  }
  logits[40'000] = logits[300] = 1000;
  EXPECT_EQ(nibble::findGreatest(logits).index, 300u);
  for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (size_t place : {0u, 255u, 49'999u}) {
      std::vector<float> broken = logits;
      broken[place] = bad;
      EXPECT_FALSE(nibble::findGreatest(broken).isSound);
    }
  }
  const std::vector<float> nothing(300, -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(nibble::findGreatest(nothing).isSound);
  EXPECT_EQ(nibble::findGreatest(nothing).index, 0u);
}

TEST(CandidateFilters, TypicalByHand) {
  // p = 1/2, 1/4, 1/8, 1/8: entropy 1.75 bits; surprises 1, 2, 3, 3 bits; distances 0.75, 0.25, 1.25, 1.25.
  const std::vector<float> logits = {std::log(4.0f), std::log(2.0f), 0, 0};
  auto kept = [&](float p) {
    Candidates candidates = candidatesOf(logits);
    candidates.keepTypical(p);
    return tokensOf(candidates);
  };
  EXPECT_EQ(kept(0.2f), (std::vector<int32_t>{1}));
  EXPECT_EQ(kept(0.3f), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(kept(0.8f), (std::vector<int32_t>{0, 1, 2})); // the lower id of two equals
  EXPECT_EQ(kept(0.9f), (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(CandidateFilters, TinyTemperaturesLeaveTheGreatest) {
  Candidates candidates;
  const std::vector<float> logits = {1, 3, 3, -2};
  candidates.reset(logits, 3, 1e-38f);
  EXPECT_EQ(candidates.list()[0].weight, 0);
  EXPECT_EQ(candidates.list()[1].weight, 1);
  EXPECT_EQ(candidates.list()[2].weight, 1);
  EXPECT_EQ(candidates.draw(0.0), 1); // never a token of weight 0
  EXPECT_EQ(candidates.draw(0.499), 1);
  EXPECT_EQ(candidates.draw(0.5), 2);
  EXPECT_EQ(candidates.draw(std::nextafter(1.0, 0.0)), 2);
  EXPECT_EQ(candidates.draw(1.0), 2);
}

TEST(CandidateFilters, ImpossibleTokensAreNoCandidates) {
  constexpr float impossible = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(tokensOf(candidatesOf({impossible, 1, impossible, 2})), (std::vector<int32_t>{1, 3}));
}

TEST(CandidateFilters, TypicalAgreesWithSortingEverything) {
  std::vector<float> logits = randomLogits(4, 4);
  double greatest = *std::max_element(logits.begin(), logits.end()), total = 0, entropy = 0;
  std::vector<double> p;
  for (float logit : logits)
    p.push_back(std::exp(logit - greatest)), total += p.back();
  for (double &x : p)
    x /= total, entropy -= x * std::log(x);
  std::vector<int32_t> order(vocabulary);
  std::iota(order.begin(), order.end(), 0);
  auto distance = [&](int32_t i) { return std::fabs(-std::log(p[i]) - entropy); };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return distance(a) < distance(b); });
  double sum = 0;
  size_t count = 0;
  while (sum < 0.4)
    sum += p[order[count++]];
  Candidates candidates = candidatesOf(logits);
  candidates.keepTypical(0.4f);
  std::vector<int32_t> kept = tokensOf(candidates), common;
  EXPECT_NEAR(static_cast<double>(kept.size()), static_cast<double>(count), 1 + count * 1e-3);
  std::vector<int32_t> expected(order.begin(), order.begin() + static_cast<ptrdiff_t>(count));
  std::sort(expected.begin(), expected.end());
  std::set_intersection(kept.begin(), kept.end(), expected.begin(), expected.end(),
                        std::back_inserter(common));
  EXPECT_GE(common.size(),
            kept.size() - 1 - kept.size() / 1000); // the border is as exact as single precision
}

} // namespace
