//===- Greatest.h - The greatest of many logits -------------------------------------*- C++ -*-===//
//
// A vocabulary has up to 260,000 tokens, and a step draws for many requests: these go over logits once, by
// blocks whose greatest value is found without a branch.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nibble {

struct Greatest {
  size_t index = 0;    // the lowest among equals
  bool isSound = true; // no logit is NaN or +infinity
};
/// Of at least one logit.
Greatest findGreatest(std::span<const float> logits);

struct TokenLogit {
  int32_t token;
  float logit;
};
/// A greater logit, and among equals a lower id.
bool isMoreProbable(const TokenLogit &a, const TokenLogit &b);

/// The k most probable tokens (k > 0; all if there are fewer), in no order; none with a logit of -infinity.
void findMostProbable(std::span<const float> logits, size_t k, std::vector<TokenLogit> &found);

} // namespace nibble
