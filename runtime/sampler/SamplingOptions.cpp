//===- SamplingOptions.cpp - What a request may ask for ---------------------------------------===//
//
// Ranges are OpenAI's where it has the option, else those in which the option has a meaning.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/Sampler.h"

#include <cmath>
#include <cstdio>
#include <string>

namespace nibble {

static std::string show(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
  return text;
}

static Result<void> need(bool holds, const char *option, const char *range, float value) {
  if (holds)
    return {};
  return failure(std::string(option) + " must be " + range + ", not " + show(value));
}

Result<void> validate(const SamplingOptions &options, size_t vocabulary) {
  auto within = [](float value, float low, float high) {
    return value >= low && value <= high;
  }; // false for NaN
  NIBBLE_CHECK(need(within(options.temperature, 0, 1000), "temperature", "at least 0 and at most 1000",
                    options.temperature));
  NIBBLE_CHECK(need(options.topK >= -1, "top_k", "positive, or 0 or -1 to keep all tokens",
                    static_cast<float>(options.topK)));
  NIBBLE_CHECK(
      need(options.topP > 0 && options.topP <= 1, "top_p", "greater than 0 and at most 1", options.topP));
  NIBBLE_CHECK(need(within(options.minP, 0, 1), "min_p", "between 0 and 1", options.minP));
  NIBBLE_CHECK(need(options.typicalP > 0 && options.typicalP <= 1, "typical_p",
                    "greater than 0 and at most 1", options.typicalP));
  NIBBLE_CHECK(need(within(options.repetitionPenalty, 0.01f, 100), "repetition_penalty",
                    "between 0.01 and 100", options.repetitionPenalty));
  NIBBLE_CHECK(need(within(options.presencePenalty, -2, 2), "presence_penalty", "between -2 and 2",
                    options.presencePenalty));
  NIBBLE_CHECK(need(within(options.frequencyPenalty, -2, 2), "frequency_penalty", "between -2 and 2",
                    options.frequencyPenalty));
  for (const auto &[token, bias] : options.logitBias) {
    std::string option = "logit_bias of token " + std::to_string(token);
    if (token < 0 || static_cast<size_t>(token) >= vocabulary)
      return failure(option + ": the vocabulary has the tokens 0 to " + std::to_string(vocabulary - 1));
    NIBBLE_CHECK(need(within(bias, -100, 100), option.c_str(), "between -100 and 100", bias));
  }
  if (options.topLogprobs < -1)
    return failure("top_logprobs must be at least 0, not " + std::to_string(options.topLogprobs));
  return {};
}

} // namespace nibble
