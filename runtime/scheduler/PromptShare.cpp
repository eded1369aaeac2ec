//===- PromptShare.cpp - How much of a prompt goes into a step with others --------------------===//

#include "runtime/scheduler/PromptShare.h"
#include <algorithm>
#include <bit>
#include <cmath>

using namespace nibble;

// After this time the length of a plain step is measured again, by a step without prompt tokens.
static constexpr std::chrono::seconds kFresh{5};
// A clock that does not move measures this.
static constexpr double kLeast = 1e-9;

size_t PromptShare::bucketOf(uint32_t rows) {
  if (rows < 32)
    return rows;
  auto power = static_cast<uint32_t>(std::bit_width(rows)) - 1; // at least 5
  return std::min<size_t>(32 + (power - 5) * 8 + (rows >> (power - 3) & 7), 95);
}

double PromptShare::plainSeconds(uint32_t decodeRows, TimePoint now) const {
  size_t bucket = bucketOf(decodeRows);
  for (size_t distance : {0, 1, 2})
    for (size_t near : {bucket - std::min(bucket, distance), std::min(bucket + distance, plain.size() - 1)})
      if (plain[near].seconds > 0 && now - plain[near].measured <= kFresh)
        return plain[near].seconds;
  return 0;
}

/// How many times longer the delay may be.
static double pressure(uint32_t prompts) { return std::clamp(prompts, 1u, 4u); }

uint32_t PromptShare::tokens(uint32_t decodeRows, uint32_t prompts, uint32_t most, TimePoint now) const {
  if (plainSeconds(decodeRows, now) <= 0)
    return 0; // a step without prompt tokens, to learn its length
  return std::min(std::max(static_cast<uint32_t>(share * pressure(prompts)), 1u), most);
}

void PromptShare::learn(uint32_t decodeRows, uint32_t prompts, uint32_t promptTokens, double seconds,
                        TimePoint now) {
  if (decodeRows == 0)
    return;
  if (promptTokens == 0) {
    Plain &measured = plain[bucketOf(decodeRows)];
    // One slow step (the machine was busy) is no reason to be generous: down at once, up by small steps.
    bool isKnown = measured.seconds > 0 && now - measured.measured <= kFresh;
    measured = {isKnown ? std::min(seconds, measured.seconds * 1.05) : std::max(seconds, kLeast), now};
    return;
  }
  double factor = pressure(prompts), plainStep = plainSeconds(decodeRows, now);
  if (plainStep <= 0 || promptTokens + 1 < share * factor)
    return; // a prompt's short rest says little about a full share
  double ratio = seconds / plainStep;
  double correction = ratio > 1 ? (slowdown - 1) * factor / (ratio - 1) : 2;
  // Half of the way, in the logarithm: steps are noisy.
  share = std::clamp(share * std::sqrt(std::clamp(correction, 0.25, 1.5)), 1.0, 65536.0);
}
