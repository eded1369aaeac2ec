//===- Greatest.cpp - The greatest of many logits ---------------------------------------------===//

#include "runtime/sampler/Greatest.h"
#include <algorithm>
#include <limits>

using namespace nibble;

static constexpr size_t kBlock = 256;
static constexpr size_t kLanes = 16; // a maximum for each, so that the loop becomes vector instructions
static constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// -infinity for none; a NaN counts as none.
static float greatestOf(std::span<const float> logits) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -kInfinity);
  size_t whole = logits.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
  float greatest = *std::max_element(lanes, lanes + kLanes);
  for (float logit : logits.subspan(whole))
    greatest = logit > greatest ? logit : greatest;
  return greatest;
}

static bool areSound(std::span<const float> logits) {
  uint32_t unsound = 0;
  for (float logit : logits)
    unsound |= static_cast<uint32_t>(!(logit < kInfinity));
  return unsound == 0;
}

Greatest nibble::findGreatest(std::span<const float> logits) {
  Greatest result;
  float greatest = -kInfinity;
  size_t block = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    auto part = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    result.isSound &= areSound(part);
    if (float most = greatestOf(part); most > greatest) {
      greatest = most;
      block = begin;
    }
  }
  auto found = std::find(logits.begin() + static_cast<ptrdiff_t>(block), logits.end(), greatest);
  result.index = static_cast<size_t>(found - logits.begin());
  if (found == logits.end()) // nothing but NaN
    result = {.index = 0, .isSound = false};
  return result;
}

bool nibble::isMoreProbable(const TokenLogit &a, const TokenLogit &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void nibble::findMostProbable(std::span<const float> logits, size_t k, std::vector<TokenLogit> &found) {
  found.clear();
  // What is not above the least of k that were found cannot be among the k: of equals the first count.
  float least = -kInfinity;
  auto keepBest = [&] {
    if (found.size() <= k)
      return;
    std::nth_element(found.begin(), found.begin() + static_cast<ptrdiff_t>(k - 1), found.end(),
                     isMoreProbable);
    found.resize(k);
    least = found.back().logit;
  };
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    auto part = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    if (!(greatestOf(part) > least))
      continue;
    for (size_t i = 0; i < part.size(); ++i)
      if (part[i] > least)
        found.push_back({static_cast<int32_t>(begin + i), part[i]});
    if (found.size() >= 2 * k + kBlock)
      keepBest();
  }
  keepBest();
}
