//===- PromptShare.h - How much of a prompt goes into a step with others ------------*- C++ -*-===//
//
// Prompt tokens make a step longer, and everybody who reads along waits for it. While somebody does, a step
// may take `slowdown` times what it takes without prompt tokens; how many tokens that is, is learnt from the
// steps themselves: one number, corrected after every step by the ratio that it gave. Where several prompts
// are to be computed, each of up to four may delay the others by that much: small steps use the machine
// worse, and prompts that wait leave it fewer rows to decode.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Clock.h"
#include <array>
#include <cstdint>

namespace nibble {

class PromptShare {
public:
  explicit PromptShare(double slowdown) : slowdown(slowdown) {}

  /// Prompt tokens for a step that decodes `decodeRows` (at least one) at the time `now`, while `prompts`
  /// others could be computed; at most `most`.
  uint32_t tokens(uint32_t decodeRows, uint32_t prompts, uint32_t most, TimePoint now) const;
  /// A step of so many rows, for which tokens() was asked with `prompts`, ended at `now` and took `seconds`.
  void learn(uint32_t decodeRows, uint32_t prompts, uint32_t promptTokens, double seconds, TimePoint now);

private:
  /// Steps without prompt tokens, by the number of rows that they decoded.
  struct Plain {
    double seconds = 0; // none yet
    TimePoint measured;
  };
  static size_t bucketOf(uint32_t decodeRows);
  /// Seconds of a plain step of about so many rows, measured lately; 0 if none was.
  double plainSeconds(uint32_t decodeRows, TimePoint now) const;

  double slowdown;
  double share = 32;             // tokens
  std::array<Plain, 96> plain{}; // exact up to 32 rows, then eighths of powers of two
};

} // namespace nibble
