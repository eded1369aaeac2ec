//===- SamplerTest.cpp - Greedy choice, penalties, log probabilities, refusals ----------------===//
//
// Expected numbers are worked out by hand in the comments.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/Sampler.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using nibble::Sampler;
using nibble::SamplingOptions;
using nibble::SamplingStep;
using testing::HasSubstr;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

SamplingOptions greedy() {
  SamplingOptions options;
  options.temperature = 0;
  return options;
}

int32_t sampleOne(std::vector<float> logits, const SamplingOptions &options, const SamplingStep &step = {}) {
  Sampler sampler;
  auto sampled = sampler.sample(logits, options, step);
  EXPECT_TRUE(sampled) << sampled.error().message;
  return sampled ? sampled->token : -1;
}

std::string errorOf(std::vector<float> logits, const SamplingOptions &options,
                    const SamplingStep &step = {}) {
  Sampler sampler;
  auto sampled = sampler.sample(logits, options, step);
  return sampled ? "no error" : sampled.error().message;
}

/// The logits after mask, bias and penalties: a greedy call leaves them in its buffer.
std::vector<float> changed(std::vector<float> logits, SamplingOptions options, const SamplingStep &step) {
  options.temperature = 0;
  Sampler sampler;
  EXPECT_TRUE(sampler.sample(logits, options, step));
  EXPECT_TRUE(sampler.sample(logits, greedy(), {})); // scratch is clean for the next call
  return logits;
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  EXPECT_EQ(sampleOne({1, 5, 3, 5, 5}, greedy()), 1);
  EXPECT_EQ(sampleOne({-infinity, -7}, greedy()), 1);
  SamplingOptions topOne;
  topOne.topK = 1;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    topOne.seed = seed;
    EXPECT_EQ(sampleOne({1, 5, 3, 5, 5}, topOne), 1);
  }
}

TEST(Sampler, RepetitionPenaltySeesPromptAndGenerated) {
  const std::vector<int32_t> prompt = {0, 1, 1}, generated = {1, 3};
  SamplingOptions options;
  options.repetitionPenalty = 2;
  // 4 / 2; -3 * 2, once though seen three times; token 2 was never seen; 0 stays 0.
  EXPECT_EQ(changed({4, -3, 5, 0}, options, {prompt, generated}), (std::vector<float>{2, -6, 5, 0}));
}

TEST(Sampler, PresenceAndFrequencySeeGeneratedOnly) {
  const std::vector<int32_t> prompt = {0, 0, 2}, generated = {1, 3, 1, 1};
  SamplingOptions options;
  options.presencePenalty = 0.5f;
  options.frequencyPenalty = 0.25f;
  // Token 1: 2 - 0.5 - 3 * 0.25 = 0.75; token 3: 4 - 0.5 - 0.25 = 3.25; 0 and 2 are in the prompt alone.
  EXPECT_EQ(changed({1, 2, 3, 4}, options, {prompt, generated}), (std::vector<float>{1, 0.75f, 3, 3.25f}));
}

TEST(Sampler, RepetitionComesBeforePresence) {
  const std::vector<int32_t> generated = {0};
  SamplingOptions options;
  options.repetitionPenalty = 2;
  options.presencePenalty = 1;
  EXPECT_EQ(changed({4, 0}, options, {{}, generated}),
            (std::vector<float>{1, 0})); // 4 / 2 - 1, not (4 - 1) / 2
}

TEST(Sampler, BiasComesBeforePenalties) {
  const std::vector<int32_t> generated = {0};
  SamplingOptions options;
  options.logitBias = {{0, 2.0f}, {1, -1.0f}};
  options.repetitionPenalty = 2;
  EXPECT_EQ(changed({4, 0}, options, {{}, generated}), (std::vector<float>{3, -1})); // (4 + 2) / 2
}

TEST(Sampler, GrammarBeatsBias) {
  SamplingOptions options = greedy();
  options.logitBias = {{2, 100.0f}};
  const std::vector<uint32_t> onlyZeroAndOne = {0b011};
  EXPECT_EQ(sampleOne({1, 2, 3}, options, {{}, {}, 0, 0, onlyZeroAndOne}), 1);
}

TEST(Sampler, SameKeySameToken) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>(i % 7);
  SamplingOptions options;
  options.seed = 42;
  options.topP = 0.9f;
  SamplingStep step;
  step.choice = 3;
  int different = 0;
  for (step.token = 0; step.token < 50; ++step.token) {
    int32_t token = sampleOne(logits, options, step);
    EXPECT_EQ(token, sampleOne(logits, options, step));
    SamplingStep other = step;
    other.choice = 4;
    different += token != sampleOne(logits, options, other);
  }
  EXPECT_GT(different, 40);
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  // exp: 1, 2, 4, 1 of 8.
  const float two = std::log(2.0f);
  SamplingOptions options = greedy();
  options.topLogprobs = 3;
  options.logitBias = {{1, 50.0f}}; // changes the choice, not the probabilities
  std::vector<float> logits = {0, two, 2 * two, 0};
  Sampler sampler;
  auto sampled = sampler.sample(logits, options, {});
  ASSERT_TRUE(sampled);
  EXPECT_EQ(sampled->token, 1);
  EXPECT_NEAR(sampled->logprob, std::log(2.0 / 8), 1e-6);
  ASSERT_EQ(sampled->top.size(), 3u);
  EXPECT_EQ(sampled->top[0].token, 2);
  EXPECT_NEAR(sampled->top[0].logprob, std::log(4.0 / 8), 1e-6);
  EXPECT_EQ(sampled->top[1].token, 1);
  EXPECT_EQ(sampled->top[2].token, 0); // the lower id of two equals
  EXPECT_NEAR(sampled->top[2].logprob, std::log(1.0 / 8), 1e-6);
  EXPECT_EQ(nibble::logprobsOf(logits, 0, 100).top.size(), 4u);
}

TEST(Sampler, RefusesBrokenLogits) {
  EXPECT_THAT(errorOf({1, NAN, 2}, greedy()), HasSubstr("token 1 is NaN"));
  EXPECT_THAT(errorOf({1, infinity}, {}), HasSubstr("token 1 is infinite"));
  EXPECT_THAT(errorOf({-infinity, -infinity}, {}), HasSubstr("no token is possible"));
  EXPECT_THAT(errorOf({}, {}), HasSubstr("no logits"));
  const std::vector<uint32_t> nothing = {0}, tooShort = {1};
  EXPECT_THAT(errorOf({1, 2}, {}, {{}, {}, 0, 0, nothing}), HasSubstr("the grammar forbids"));
  EXPECT_THAT(errorOf(std::vector<float>(40), {}, {{}, {}, 0, 0, tooShort}), HasSubstr("mask has 1 words"));
}

TEST(Sampler, RefusesForeignTokens) {
  SamplingOptions options;
  options.repetitionPenalty = 1.1f;
  const std::vector<int32_t> outside = {5}, negative = {-1};
  EXPECT_THAT(errorOf({1, 2}, options, {outside, {}}), HasSubstr("token 5 of the prompt"));
  EXPECT_THAT(errorOf({1, 2}, options, {{}, negative}), HasSubstr("token -1 of the generated text"));
  options.logitBias = {{2, 1.0f}};
  EXPECT_THAT(errorOf({1, 2}, options), HasSubstr("logit_bias names token 2"));
}

TEST(Sampler, ImpossibleTokensAreNeverDrawn) {
  SamplingOptions options;
  options.temperature = 100;
  for (options.seed = 0; options.seed < 500; ++options.seed)
    EXPECT_NE(sampleOne({-infinity, 1, -infinity, 2}, options) % 2, 0);
}

TEST(SamplingOptions, RangesAreNamed) {
  auto errorWith = [](auto &&change) {
    SamplingOptions options;
    change(options);
    auto valid = nibble::validate(options, 10);
    return valid ? std::string("valid") : valid.error().message;
  };
  using O = SamplingOptions &;
  EXPECT_EQ(errorWith([](O) {}), "valid");
  EXPECT_EQ(errorWith([](O o) { o.temperature = 0, o.topK = -1, o.topP = 0.01f, o.minP = 1; }), "valid");
  EXPECT_EQ(errorWith([](O o) { o.temperature = -0.5f; }),
            "temperature must be at least 0 and at most 1000, not -0.5");
  EXPECT_EQ(errorWith([](O o) { o.temperature = NAN; }),
            "temperature must be at least 0 and at most 1000, not nan");
  EXPECT_EQ(errorWith([](O o) { o.topP = 0; }), "top_p must be greater than 0 and at most 1, not 0");
  EXPECT_EQ(errorWith([](O o) { o.topP = 1.5f; }), "top_p must be greater than 0 and at most 1, not 1.5");
  EXPECT_THAT(errorWith([](O o) { o.topK = -2; }), HasSubstr("top_k must be positive"));
  EXPECT_THAT(errorWith([](O o) { o.minP = -0.1f; }), HasSubstr("min_p must be between 0 and 1"));
  EXPECT_THAT(errorWith([](O o) { o.typicalP = 0; }), HasSubstr("typical_p"));
  EXPECT_THAT(errorWith([](O o) { o.repetitionPenalty = 0; }), HasSubstr("repetition_penalty"));
  EXPECT_THAT(errorWith([](O o) { o.presencePenalty = 2.1f; }),
              HasSubstr("presence_penalty must be between -2 and 2"));
  EXPECT_THAT(errorWith([](O o) { o.frequencyPenalty = NAN; }), HasSubstr("frequency_penalty"));
  EXPECT_THAT(errorWith([](O o) { o.logitBias = {{10, 1.0f}}; }), HasSubstr("the tokens 0 to 9"));
  EXPECT_THAT(errorWith([](O o) { o.logitBias = {{3, 101.0f}}; }), HasSubstr("logit_bias of token 3"));
  EXPECT_THAT(errorWith([](O o) { o.topLogprobs = -2; }), HasSubstr("top_logprobs"));
}

} // namespace
