//===- Workload.h - When requests come, and how long they are -----------------------*- C++ -*-===//
//
// Everything is drawn from a seed: two servers that are compared get the very same requests.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace nibble::load {

using Random = std::mt19937_64;
/// An independent source for each (seed, stream).
Random randomFor(uint64_t seed, uint64_t stream);

/// How many tokens a prompt or an output has.
class Lengths {
public:
  /// "128"; "lognormal:MEAN:SIGMA" (the mean of the lengths, the standard deviation of their logarithms);
  /// "exponential:MEAN:CAP"; "sharegpt-prompt" and "sharegpt-output", which are log-normal.
  static Result<Lengths> parse(const std::string &text);
  /// In [1, limit()].
  uint32_t draw(Random &random) const;
  /// The longest that can come.
  uint32_t limit() const { return cap; }
  bool isFixed() const { return kind == Kind::Fixed; }

private:
  enum class Kind : uint8_t { Fixed, LogNormal, Exponential };
  Kind kind = Kind::Fixed;
  double mean = 1, sigma = 0;
  uint32_t cap = 1;
};

/// Seconds at which requests come: intervals of a gamma distribution with the mean 1 / rate and the shape
/// `burstiness` (1: a Poisson process; less: in bursts; more: evenly). An infinite rate: all at 0.
std::vector<double> arrivalTimes(size_t count, double rate, double burstiness, Random &random);

/// What prompts are made of.
struct PromptSource {
  bool words = false; // text, of about a token a word, instead of token ids
  bool chat = false;  // as a message; words
  uint32_t vocabulary = 0;
  uint32_t sharedTokens = 0; // that all prompts begin with
};

/// "prompt" or "messages" of a request: the same for the same random numbers.
nlohmann::json makePrompt(const PromptSource &source, uint32_t tokens, Random &random);

} // namespace nibble::load
