//===- PromptShare.cpp - How much of a prompt goes into a step with others --------------------===//

#include "runtime/scheduler/PromptShare.h"
#include <algorithm>
#include <bit>
#include <cmath>

using namespace nibble;

// After this time the length of a plain step is measured again, by a step without prompt tokens.
static constexpr std::chrono::seconds kFresh{5};

size_t PromptShare::bucketOf(uint32_t rows) {
  if (rows < 32)
    return rows;
  auto power = static_cast<uint32_t>(std::bit_width(rows)) - 1; // at least 5
  return std::min<size_t>(32 + (power - 5) * 8 + (rows >> (power - 3) & 7), 95);
}

/// How many times longer the delay may be.
static double pressure(uint32_t prompts) { return std::clamp(prompts, 1u, 4u); }

uint32_t PromptShare::tokens(uint32_t decodeRows, uint32_t prompts, uint32_t most, TimePoint now) const {
  const Plain &measured = plain[bucketOf(decodeRows)];
  if (measured.seconds < 0 || now - measured.measured > kFresh)
    return 0;
  return std::min(std::max(static_cast<uint32_t>(share * pressure(prompts)), 1u), most);
}

void PromptShare::learn(uint32_t decodeRows, uint32_t prompts, uint32_t promptTokens, double seconds,
                        TimePoint now) {
  if (decodeRows == 0)
    return;
  Plain &measured = plain[bucketOf(decodeRows)];
  if (promptTokens == 0) {
    // One slow step (the machine was busy) is no reason to be generous: down at once, up by small steps.
    measured.seconds = measured.seconds <= 0              ? seconds
                       : now - measured.measured > kFresh ? seconds
                                                          : std::min(seconds, measured.seconds * 1.05);
    measured.measured = now;
    return;
  }
  double factor = pressure(prompts);
  if (measured.seconds <= 0 || promptTokens + 1 < share * factor)
    return; // a prompt's short rest says little about a full share
  double ratio = seconds / measured.seconds;
  double correction = ratio > 1 ? (slowdown - 1) * factor / (ratio - 1) : 2;
  // Half of the way, in the logarithm: steps are noisy.
  share = std::clamp(share * std::sqrt(std::clamp(correction, 0.25, 1.5)), 1.0, 65536.0);
}
