//===- Sampler.cpp - Mask, bias, penalties, temperature, and the draw -------------------------===//
//
// The steps before temperature change logits in place; what follows works on candidates (Candidates.h).
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/Sampler.h"

#include "runtime/sampler/Candidates.h"
#include "runtime/sampler/Philox.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace nibble {

struct Sampler::Scratch {
  Candidates candidates;
  std::vector<uint32_t> counts; // [vocabulary], all zero between calls
};

Sampler::Sampler() : scratch(std::make_unique<Scratch>()) {}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler &&) noexcept = default;
Sampler &Sampler::operator=(Sampler &&) noexcept = default;

constexpr float impossible = -std::numeric_limits<float>::infinity();

static Result<void> applyGrammar(std::span<float> logits, std::span<const uint32_t> grammar) {
  if (grammar.empty())
    return {};
  if (grammar.size() < (logits.size() + 31) / 32)
    return failure("the grammar mask has " + std::to_string(grammar.size()) +
                   " words of 32 tokens, but there are " + std::to_string(logits.size()) + " logits");
  for (size_t i = 0; i < logits.size(); ++i)
    if (!(grammar[i / 32] >> (i % 32) & 1))
      logits[i] = impossible;
  return {};
}

static Result<void> checkTokens(std::span<const int32_t> tokens, size_t vocabulary, const char *where) {
  for (int32_t token : tokens)
    if (token < 0 || static_cast<size_t>(token) >= vocabulary)
      return failure("token " + std::to_string(token) + " of the " + where +
                     " is outside of the vocabulary of " + std::to_string(vocabulary));
  return {};
}

static Result<void> applyPenalties(std::span<float> logits, const SamplingOptions &options,
                                   const SamplingStep &step, std::vector<uint32_t> &counts) {
  bool repetition = options.repetitionPenalty != 1;
  bool counted = options.presencePenalty != 0 || options.frequencyPenalty != 0;
  if (!repetition && !counted)
    return {};
  NIBBLE_CHECK(checkTokens(step.prompt, logits.size(), "prompt"));
  NIBBLE_CHECK(checkTokens(step.generated, logits.size(), "generated text"));
  if (counts.size() < logits.size())
    counts.resize(logits.size(), 0);
  // Every distinct token is changed once: its mark is taken away with the change.
  auto forEachDistinct = [&](std::span<const int32_t> tokens, auto &&change) {
    for (int32_t token : tokens)
      if (uint32_t count = std::exchange(counts[static_cast<size_t>(token)], 0))
        change(logits[static_cast<size_t>(token)], count);
  };
  if (repetition) {
    auto penalize = [&](float &logit, uint32_t) {
      logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
    };
    for (std::span<const int32_t> tokens : {step.prompt, step.generated})
      for (int32_t token : tokens)
        counts[static_cast<size_t>(token)] = 1;
    forEachDistinct(step.prompt, penalize);
    forEachDistinct(step.generated, penalize);
  }
  if (counted) {
    for (int32_t token : step.generated)
      ++counts[static_cast<size_t>(token)];
    forEachDistinct(step.generated, [&](float &logit, uint32_t count) {
      logit -= options.presencePenalty + options.frequencyPenalty * static_cast<float>(count);
    });
  }
  return {};
}

/// Says what is wrong with logits that are not sound.
static Result<void> blame(std::span<const float> logits) {
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isnan(logits[i]) || logits[i] == std::numeric_limits<float>::infinity())
      return failure(
          "the logit of token " + std::to_string(i) + " is " + (std::isnan(logits[i]) ? "NaN" : "infinite") +
          ": the checkpoint is damaged, or its values overflow in this precision (try --activations=f32 or "
          "--kv-cache=f32)");
  return {};
}

Result<SampledToken> Sampler::sample(std::span<float> logits, const SamplingOptions &options,
                                     const SamplingStep &step) {
  if (logits.empty())
    return failure("there are no logits to sample from");
  Greatest greatest = findGreatest(logits);
  if (!greatest.isSound)
    NIBBLE_CHECK(blame(logits));
  SampledToken result;
  std::vector<float> original; // log probabilities are the model's own
  if (options.topLogprobs >= 0)
    original.assign(logits.begin(), logits.end());
  auto finish = [&](int32_t token) {
    if (options.topLogprobs >= 0)
      return logprobsOf(original, token, options.topLogprobs);
    result.token = token;
    return std::move(result);
  };

  NIBBLE_CHECK(applyGrammar(logits, step.grammar));
  for (const auto &[token, bias] : options.logitBias) {
    if (token < 0 || static_cast<size_t>(token) >= logits.size())
      return failure("logit_bias names token " + std::to_string(token) + ", but the vocabulary has " +
                     std::to_string(logits.size()));
    logits[static_cast<size_t>(token)] += bias;
  }
  NIBBLE_CHECK(applyPenalties(logits, options, step, scratch->counts));
  bool areChanged = !step.grammar.empty() || !options.logitBias.empty() || options.repetitionPenalty != 1 ||
                    options.presencePenalty != 0 || options.frequencyPenalty != 0;
  size_t best = areChanged ? findGreatest(logits).index : greatest.index;
  if (logits[best] == impossible)
    return failure(step.grammar.empty()
                       ? "no token is possible: every logit is -infinity"
                       : "no token is possible: the grammar forbids all that the model can give");
  if (std::isinf(logits[best]))
    return failure("the repetition penalty makes a logit infinite");
  if (options.temperature == 0)
    return finish(static_cast<int32_t>(best));

  Candidates &candidates = scratch->candidates;
  candidates.reset(logits, logits[best], options.temperature);
  if (options.topK > 0)
    candidates.keepTopK(static_cast<size_t>(options.topK));
  if (options.topP < 1)
    candidates.keepTopP(options.topP);
  if (options.minP > 0)
    candidates.keepMinP(options.minP);
  if (options.typicalP < 1)
    candidates.keepTypical(options.typicalP);
  int32_t token = candidates.draw(uniform(options.seed, step.choice, step.token));
  if (token < 0)
    return failure("the sampling options leave no token; were they validated?");
  return finish(token);
}

SampledToken logprobsOf(std::span<const float> logits, int32_t token, int32_t count) {
  SampledToken result;
  result.token = token;
  float greatest = logits[findGreatest(logits).index];
  double logTotal = static_cast<double>(greatest) + std::log(sumOfExponentials(logits, greatest));
  auto logprob = [&](size_t i) { return static_cast<float>(static_cast<double>(logits[i]) - logTotal); };
  result.logprob = logprob(static_cast<size_t>(token));
  if (count <= 0)
    return result;
  std::vector<TokenLogit> top;
  findMostProbable(logits, static_cast<size_t>(count), top);
  std::ranges::sort(top, isMoreProbable);
  for (auto [mostProbable, logit] : top)
    result.top.push_back({mostProbable, logprob(static_cast<size_t>(mostProbable))});
  return result;
}

} // namespace nibble
