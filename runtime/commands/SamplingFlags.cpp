//===- SamplingFlags.cpp - How generate and chat choose tokens --------------------------------===//

#include "runtime/commands/SamplingFlags.h"
#include <random>

using namespace nibble;

void nibble::addSamplingFlags(CLI::App &verb, SamplingFlags &flags) {
  verb.add_option("--temperature", flags.temperature, "0 takes the most probable token")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--top-k", flags.topK, "Keep this many most probable tokens; 0: all")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--top-p", flags.topP, "Keep the most probable tokens up to this probability")
      ->check(CLI::Range(0.0, 1.0));
  verb.add_option("--min-p", flags.minP, "Keep tokens at least this times as probable as the first")
      ->check(CLI::Range(0.0, 1.0));
  verb.add_option("--typical-p", flags.typicalP, "Keep tokens near the entropy up to this probability")
      ->check(CLI::Range(0.0, 1.0));
  verb.add_option("--repetition-penalty", flags.repetitionPenalty,
                  "Above 1: make repeated tokens less probable")
      ->check(CLI::Range(0.01, 100.0));
  verb.add_option("--presence-penalty", flags.presencePenalty,
                  "Taken off logits of tokens that were generated")
      ->check(CLI::Range(-2.0, 2.0));
  verb.add_option("--frequency-penalty", flags.frequencyPenalty, "The same, as often as they were generated")
      ->check(CLI::Range(-2.0, 2.0));
  verb.add_option("--seed", flags.seed,
                  "The same seed gives the same text (the next prompt has the next seed)");
  verb.add_flag("--greedy", flags.greedy, "Always take the most probable token (--temperature 0)");
}

SamplingOptions nibble::samplingOptions(const SamplingFlags &flags, const GenerationDefaults &defaults) {
  SamplingOptions options;
  bool asked = flags.temperature || flags.topK || flags.topP || flags.minP || flags.typicalP;
  bool sample = !flags.greedy && (asked || defaults.sample);
  options.temperature = sample ? flags.temperature.value_or(defaults.temperature) : 0;
  options.topK = flags.topK.value_or(static_cast<int32_t>(std::min<uint32_t>(defaults.topK, INT32_MAX)));
  options.topP = flags.topP.value_or(defaults.topP);
  options.minP = flags.minP.value_or(defaults.minP);
  options.typicalP = flags.typicalP.value_or(1);
  options.repetitionPenalty = flags.repetitionPenalty.value_or(defaults.repetitionPenalty);
  options.presencePenalty = flags.presencePenalty;
  options.frequencyPenalty = flags.frequencyPenalty;
  options.seed = flags.seed ? *flags.seed : std::random_device()();
  return options;
}
