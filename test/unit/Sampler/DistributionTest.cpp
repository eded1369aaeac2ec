//===- DistributionTest.cpp - 100,000 draws fit the exact distribution ------------------------===//
//
// The exact distribution is computed here, in plain double arithmetic on sorted lists straight from the
// papers' definitions; Pearson's chi-squared test then compares. Seeds are fixed: the outcome never changes
// by chance.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/Sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>

using nibble::Sampler;
using nibble::SamplingOptions;
using nibble::SamplingStep;

namespace {

constexpr size_t vocabulary = 60;
constexpr size_t draws = 100'000;

/// Between -6 and 6, unordered, some equal.
std::vector<float> someLogits() {
  std::vector<float> logits(vocabulary);
  for (size_t i = 0; i < vocabulary; ++i)
    logits[i] = static_cast<float>(static_cast<int>((i * 37 + 11) % 49) - 24) / 4.0f;
  return logits;
}

/// Tokens that the prompt and the generated text hold: probable ones (1, 46, 38, 34), and improbable ones.
const std::vector<int32_t> prompt = {1, 46, 46, 9, 40, 41};
const std::vector<int32_t> generated = {46, 9, 38, 38, 17, 34};

using Distribution = std::vector<double>; // [vocabulary], sums to 1

void normalize(Distribution &p) {
  double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double &x : p)
    x /= total;
}

/// Zeroes all but the leading tokens of `order` whose sum first reaches `mass`.
void keepMass(Distribution &p, const std::vector<size_t> &order, double mass) {
  double sum = 0;
  for (size_t token : order) {
    if (sum >= mass)
      p[token] = 0;
    sum += p[token];
  }
  normalize(p);
}

std::vector<size_t> orderBy(const std::function<double(size_t)> &key, const Distribution &p) {
  std::vector<size_t> order(vocabulary);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    // Equals: the more probable first, then the lower id.
    return key(a) != key(b) ? key(a) < key(b) : p[a] != p[b] ? p[a] > p[b] : a < b;
  });
  return order;
}

Distribution exact(const SamplingOptions &options, const std::vector<uint32_t> &grammar) {
  std::vector<double> logits;
  for (float logit : someLogits())
    logits.push_back(logit);
  std::vector<bool> allowed(vocabulary, true);
  if (!grammar.empty())
    for (size_t i = 0; i < vocabulary; ++i)
      allowed[i] = grammar[i / 32] & (1u << (i % 32));
  for (auto [token, bias] : options.logitBias)
    logits[token] += bias;
  for (size_t i = 0; i < vocabulary; ++i) {
    auto token = static_cast<int32_t>(i);
    auto inGenerated = std::count(generated.begin(), generated.end(), token);
    bool seen = inGenerated > 0 || std::count(prompt.begin(), prompt.end(), token) > 0;
    if (seen)
      logits[i] =
          logits[i] > 0 ? logits[i] / options.repetitionPenalty : logits[i] * options.repetitionPenalty;
    if (inGenerated > 0)
      logits[i] -= options.presencePenalty + options.frequencyPenalty * static_cast<double>(inGenerated);
  }
  Distribution p(vocabulary, 0.0);
  for (size_t i = 0; i < vocabulary; ++i)
    if (allowed[i])
      p[i] = std::exp(logits[i] / options.temperature);
  normalize(p);
  auto falling = [&](size_t i) { return -p[i]; };
  if (options.topK > 0) {
    std::vector<size_t> order = orderBy(falling, p);
    for (size_t rank = static_cast<size_t>(options.topK); rank < vocabulary; ++rank)
      p[order[rank]] = 0;
    normalize(p);
  }
  if (options.topP < 1)
    keepMass(p, orderBy(falling, p), options.topP);
  if (options.minP > 0) {
    double greatest = *std::max_element(p.begin(), p.end());
    for (double &x : p)
      x = x < options.minP * greatest ? 0 : x;
    normalize(p);
  }
  if (options.typicalP < 1) {
    double entropy = 0;
    for (double x : p)
      entropy -= x > 0 ? x * std::log(x) : 0;
    Distribution before = p;
    keepMass(
        p,
        orderBy([&](size_t i) { return before[i] > 0 ? std::fabs(-std::log(before[i]) - entropy) : 1e300; },
                before),
        options.typicalP);
  }
  return p;
}

/// What each draw of a series changes.
enum class Along { Token, Choice, Seed };

std::vector<size_t> sampleMany(SamplingOptions options, const std::vector<uint32_t> &grammar, Along along) {
  Sampler sampler;
  std::vector<size_t> counts(vocabulary, 0);
  const std::vector<float> logits = someLogits();
  std::vector<float> scratch(vocabulary);
  for (size_t i = 0; i < draws; ++i) {
    scratch = logits;
    SamplingStep step{prompt, generated, 0, 0, grammar};
    if (along == Along::Token)
      step.token = i;
    else if (along == Along::Choice)
      step.choice = static_cast<uint32_t>(i);
    else
      options.seed = i;
    auto sampled = sampler.sample(scratch, options, step);
    if (!sampled) {
      ADD_FAILURE() << sampled.error().message;
      break;
    }
    ++counts[static_cast<size_t>(sampled->token)];
  }
  return counts;
}

/// Pearson's statistic turned into a standard normal deviate (Wilson and Hilferty 1931); bins expecting fewer
/// than 8 draws are merged. Infinite where an impossible token was drawn.
double deviate(const std::vector<size_t> &counts, const Distribution &p) {
  double statistic = 0, restExpected = 0, restSeen = 0;
  int bins = 0;
  for (size_t i = 0; i < vocabulary; ++i) {
    double expected = p[i] * draws, seen = static_cast<double>(counts[i]);
    if (expected == 0 && seen > 0)
      return HUGE_VAL;
    if (expected < 8) {
      restExpected += expected;
      restSeen += seen;
      continue;
    }
    statistic += (seen - expected) * (seen - expected) / expected;
    ++bins;
  }
  if (restExpected >= 1) {
    statistic += (restSeen - restExpected) * (restSeen - restExpected) / restExpected;
    ++bins;
  }
  if (bins < 2)
    return 0;
  double k = bins - 1;
  return (std::cbrt(statistic / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
}

/// One in 30,000 correct samplers would exceed this with other seeds.
constexpr double limit = 4;

struct Case {
  const char *name;
  SamplingOptions options;
  std::vector<uint32_t> grammar;
};

std::vector<Case> cases() {
  std::vector<Case> list;
  auto add = [&](const char *name, auto &&change) -> Case & {
    Case made{name, {}, {}};
    change(made.options);
    made.options.seed = 1234 + list.size();
    list.push_back(made);
    return list.back();
  };
  using O = SamplingOptions &;
  add("Plain", [](O) {});
  add("Cold", [](O o) { o.temperature = 0.4f; });
  add("Hot", [](O o) { o.temperature = 1.7f; });
  add("TopK", [](O o) { o.topK = 7; });
  add("TopKHot", [](O o) { o.topK = 20, o.temperature = 3; });
  add("TopP", [](O o) { o.topP = 0.8f; });
  add("TopPSmall", [](O o) { o.topP = 0.3f; });
  add("MinP", [](O o) { o.minP = 0.05f; });
  add("Typical", [](O o) { o.typicalP = 0.5f; });
  add("TypicalHot", [](O o) { o.typicalP = 0.9f, o.temperature = 2; });
  add("Repetition", [](O o) { o.repetitionPenalty = 1.5f; });
  add("RepetitionBelowOne", [](O o) { o.repetitionPenalty = 0.7f; });
  add("Presence", [](O o) { o.presencePenalty = 1.5f; });
  add("Frequency", [](O o) { o.frequencyPenalty = -0.9f; });
  add("Bias", [](O o) { o.logitBias = {{3, 4.0f}, {20, -100.0f}, {59, 2.5f}}; });
  add("Grammar", [](O) {}).grammar = {0x0f0f00ff, 0x00ff1234};
  add("Everything", [](O o) {
    o.temperature = 1.3f, o.topK = 30, o.topP = 0.95f, o.minP = 0.02f, o.typicalP = 0.9f;
    o.repetitionPenalty = 1.2f, o.presencePenalty = 0.5f, o.frequencyPenalty = 0.3f;
    o.logitBias = {{2, 5.0f}, {9, 3.0f}};
  }).grammar = {0xfffffff7, 0x0fffffff};
  return list;
}

class SamplerDistribution : public testing::TestWithParam<Case> {};

TEST_P(SamplerDistribution, FitsTheExactOne) {
  const Case &test = GetParam();
  ASSERT_TRUE(nibble::validate(test.options, vocabulary));
  Distribution expected = exact(test.options, test.grammar);
  EXPECT_LT(deviate(sampleMany(test.options, test.grammar, Along::Token), expected), limit);
}

INSTANTIATE_TEST_SUITE_P(Options, SamplerDistribution, testing::ValuesIn(cases()),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(SamplerDistribution, FitsAlongChoicesAndSeedsToo) {
  SamplingOptions options;
  options.temperature = 1.2f;
  Distribution expected = exact(options, {});
  EXPECT_LT(deviate(sampleMany(options, {}, Along::Choice), expected), limit);
  EXPECT_LT(deviate(sampleMany(options, {}, Along::Seed), expected), limit);
}

/// The test itself can fail: small changes of an option are noticed in 100,000 draws.
TEST(SamplerDistribution, NoticesWrongDistributions) {
  SamplingOptions options, other;
  std::vector<size_t> counts = sampleMany(options, {}, Along::Token);
  other.temperature = 1.03f;
  EXPECT_GT(deviate(counts, exact(other, {})), limit);
  other = options;
  other.presencePenalty = 0.1f;
  EXPECT_GT(deviate(counts, exact(other, {})), limit);
  other = options;
  other.topK = 40;
  EXPECT_GT(deviate(counts, exact(other, {})), limit);
  other = options;
  other.minP = 0.002f;
  EXPECT_GT(deviate(counts, exact(other, {})), limit);
}

} // namespace
