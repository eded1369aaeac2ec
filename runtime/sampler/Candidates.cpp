//===- Candidates.cpp - The filters of the sampler
//--------------------------------------------------------===//
//
// Sums are in double, in a fixed order, so that the same logits always keep the same tokens.
//
//===------------------------------------------------------------------------------------------------------===//
#include "runtime/sampler/Candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace nibble {

float exponential(float x) {
  // 2^n e^r with |r| <= ln(2)/2: Cody and Waite's reduction, then e^r's series to r^7 (next term under 3e-9).
  bool zero = !(x > -87.0f);
  float clamped = zero ? 0.0f : x;
  float n = static_cast<float>(
      static_cast<int32_t>(clamped * 1.44269504f - 0.5f)); // clamped <= 0: rounds to nearest
  float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float series = 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  auto scale = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return zero ? 0.0f : series * scale;
}

void makeCandidates(std::span<const float> logits, float greatest, float temperature,
                    std::vector<Candidate> &out) {
  out.resize(logits.size());
  double inverse = 1.0 / static_cast<double>(temperature);
  for (size_t i = 0; i < logits.size(); ++i) {
    float distance = logits[i] - greatest; // 0 or less; 0 times a huge inverse stays 0
    auto scaled = static_cast<float>(std::clamp(static_cast<double>(distance) * inverse, -1e30, 0.0));
    out[i] = {static_cast<int32_t>(i), logits[i], scaled, exponential(scaled)};
  }
  if (std::ranges::find(logits, -std::numeric_limits<float>::infinity()) != logits.end())
    std::erase_if(out, [](const Candidate &candidate) { return std::isinf(candidate.logit); });
}

static bool moreProbable(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void keepTopK(std::vector<Candidate> &candidates, size_t k) {
  if (k < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(k), candidates.end(),
                     moreProbable);
    candidates.resize(k);
  }
  std::ranges::sort(candidates, moreProbable);
}

double totalWeight(const std::vector<Candidate> &candidates) {
  double total = 0;
  for (const Candidate &candidate : candidates)
    total += candidate.weight;
  return total;
}

/// Orders the least prefix (by `before`) whose weight reaches `target` and drops the rest. Sorts no more than
/// it needs.
template <typename Before>
static void keepPrefix(std::vector<Candidate> &candidates, double target, Before before) {
  constexpr size_t firstPortion = 64, growth = 8;
  double reached = 0;
  for (size_t begin = 0, portion = firstPortion; begin < candidates.size(); portion *= growth) {
    size_t end = std::min(candidates.size(), begin + portion);
    auto first = candidates.begin() + static_cast<ptrdiff_t>(begin),
         last = candidates.begin() + static_cast<ptrdiff_t>(end);
    if (end < candidates.size())
      std::nth_element(first, last, candidates.end(), before);
    std::sort(first, last, before);
    for (; begin < end; ++begin) {
      reached += candidates[begin].weight;
      if (reached >= target) {
        candidates.resize(begin + 1);
        return;
      }
    }
  }
}

void keepTopP(std::vector<Candidate> &candidates, float p) {
  keepPrefix(candidates, static_cast<double>(p) * totalWeight(candidates), moreProbable);
}

void keepMinP(std::vector<Candidate> &candidates, float p) {
  float greatest = 0;
  for (const Candidate &candidate : candidates)
    greatest = std::max(greatest, candidate.weight);
  std::erase_if(candidates, [&](const Candidate &candidate) { return candidate.weight < p * greatest; });
}

void keepTypical(std::vector<Candidate> &candidates, float p) {
  double total = totalWeight(candidates), logTotal = std::log(total), entropy = 0;
  for (const Candidate &candidate : candidates)
    entropy += candidate.weight / total * (logTotal - candidate.scaled);
  auto distance = [&](const Candidate &candidate) {
    return std::fabs(logTotal - candidate.scaled - entropy);
  };
  keepPrefix(candidates, static_cast<double>(p) * total, [&](const Candidate &a, const Candidate &b) {
    double left = distance(a), right = distance(b);
    return left != right ? left < right : moreProbable(a, b);
  });
}

int32_t draw(const std::vector<Candidate> &candidates, double u) {
  double target = u * totalWeight(candidates), reached = 0;
  int32_t last = -1;
  for (const Candidate &candidate : candidates) {
    if (candidate.weight <= 0)
      continue;
    last = candidate.token;
    reached += candidate.weight;
    if (reached > target)
      return last;
  }
  return last; // u * total was rounded up to the total
}

} // namespace nibble
