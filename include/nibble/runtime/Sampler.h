//===- Sampler.h - From logits to a token -------------------------------------------*- C++ -*-===//
//
// Order: grammar mask, logit bias, penalties, temperature, top-k, top-p, min-p, typical; then one draw. The
// random number depends on nothing but (seed, index of the choice, index of the generated token), so a
// request gives the same text in any batch, after preemption, and on any number of threads.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace nibble {

/// The defaults sample from the model's own distribution. OpenAI's and transformers' names are the same
/// words.
struct SamplingOptions {
  float temperature = 1;       // >= 0; 0 takes the most probable token, the lowest id among equals
  int32_t topK = 0;            // keep this many most probable tokens; 0 or -1: all
  float topP = 1;              // (0, 1]: keep the fewest most probable tokens that reach this probability
  float minP = 0;              // [0, 1]: keep tokens at least this times as probable as the most probable one
  float typicalP = 1;          // (0, 1]: keep the tokens nearest to the entropy that reach this probability
  float repetitionPenalty = 1; // [0.01, 100]: see Sampler::sample
  float presencePenalty = 0;   // [-2, 2]
  float frequencyPenalty = 0;  // [-2, 2]
  std::vector<std::pair<int32_t, float>> logitBias; // token, added to its logit: [-100, 100]
  uint64_t seed = 0;
  int32_t topLogprobs =
      -1; // -1: no log probabilities; else the chosen token's and those of so many most probable
};

/// Refuses values outside of their ranges; the message names the option as requests spell it ("top_p must be
/// ..."). Call it once a request; `vocabulary` is the number of logits.
Result<void> validate(const SamplingOptions &options, size_t vocabulary);

/// Where a draw stands in its request.
struct SamplingStep {
  std::span<const int32_t> prompt = {};    // token ids
  std::span<const int32_t> generated = {}; // of this choice so far
  uint32_t choice = 0;                     // index of the choice (n > 1)
  uint64_t token = 0;                      // index of the token that is drawn now, 0 for the first
  std::span<const uint32_t> grammar = {}; // bit t % 32 of word t / 32 set: token t is allowed; empty: all are
};

struct TokenLogprob {
  int32_t token;
  float logprob; // natural logarithm of the model's own probability, before bias, penalties and temperature
};

struct SampledToken {
  int32_t token = -1;
  float logprob = 0;             // as TokenLogprob; only where options.topLogprobs >= 0
  std::vector<TokenLogprob> top; // the most probable ones, most probable first
};

/// Holds scratch memory: one for each thread that samples.
class Sampler {
public:
  Sampler();
  ~Sampler();
  Sampler(Sampler &&) noexcept;
  Sampler &operator=(Sampler &&) noexcept;

  /// Draws one token; `logits` [vocabulary] f32 is used up as scratch. Penalties:
  ///  * repetition (CTRL, Keskar et al. 2019; transformers): tokens of the prompt or generated; a logit > 0
  ///  is divided
  ///    by the penalty, one <= 0 multiplied.
  ///  * presence and frequency (OpenAI): generated tokens only; the logit loses presence once, and frequency
  ///  as often
  ///    as the token was generated.
  /// Fails where a logit is NaN or +infinity (a broken checkpoint or kernel), where no token is possible, and
  /// where an id is outside of the vocabulary. Options that `validate` refuses give an error or some token.
  /// -infinity is a token that is never drawn.
  Result<SampledToken> sample(std::span<float> logits, const SamplingOptions &options,
                              const SamplingStep &step);

private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch;
};

/// log softmax of one row, for prompts with `echo`: the token's and the `count` most probable ones, ties by
/// lower id. `logits` must not hold NaN or +infinity.
SampledToken logprobsOf(std::span<const float> logits, int32_t token, int32_t count);

} // namespace nibble
