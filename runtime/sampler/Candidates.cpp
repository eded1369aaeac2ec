//===- Candidates.cpp - The filters of the sampler --------------------------------------------===//
//
// Sums are in double, in a fixed order, so that the same logits always keep the same tokens.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/sampler/Candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
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

void Candidates::reset(std::span<const float> logits, float greatest, float temperature) {
  items.resize(logits.size());
  double inverse = 1.0 / static_cast<double>(temperature);
  for (size_t i = 0; i < logits.size(); ++i) {
    float distance = logits[i] - greatest; // 0 or less; 0 times a huge inverse stays 0
    auto scaled = static_cast<float>(std::clamp(static_cast<double>(distance) * inverse, -1e30, 0.0));
    items[i] = {static_cast<int32_t>(i), logits[i], scaled, exponential(scaled)};
  }
  if (std::ranges::find(logits, -std::numeric_limits<float>::infinity()) != logits.end())
    std::erase_if(items, [](const Candidate &candidate) { return std::isinf(candidate.logit); });
}

static bool moreProbable(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void Candidates::keepTopK(size_t k) {
  if (k == 0 || k >= items.size())
    return;
  scratch = items;
  auto last = scratch.begin() + static_cast<ptrdiff_t>(k - 1);
  std::nth_element(scratch.begin(), last, scratch.end(), moreProbable);
  std::erase_if(items,
                [border = *last](const Candidate &candidate) { return moreProbable(border, candidate); });
}

double Candidates::totalWeight() const {
  double total = 0;
  for (const Candidate &candidate : items)
    total += candidate.weight;
  return total;
}

template <typename Before, typename Matters>
void Candidates::keepFewest(double target, Before before, Matters matters) {
  scratch.clear();
  std::ranges::copy_if(items, std::back_inserter(scratch), matters);
  // [begin, end) holds the border; what precedes begin weighs `reached`, which is less than the target.
  constexpr ptrdiff_t fewEnoughToSort = 32;
  auto begin = scratch.begin(), end = scratch.end();
  double reached = 0;
  while (end - begin > fewEnoughToSort) {
    auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, before);
    double half = 0;
    for (auto at = begin; at != middle; ++at)
      half += at->weight;
    if (reached + half >= target) {
      end = middle;
    } else {
      reached += half;
      begin = middle;
    }
  }
  std::sort(begin, end, before);
  for (; begin != end; ++begin) {
    reached += begin->weight;
    if (reached < target)
      continue;
    std::erase_if(items, [&](const Candidate &candidate) { return before(*begin, candidate); });
    return;
  }
}

void Candidates::keepTopP(float p) {
  double total = totalWeight(), target = static_cast<double>(p) * total;
  // All tokens under this weight together stay below the (1 - p) that may be dropped; half of it, for
  // rounding.
  auto least = 0.5 * (total - target) / static_cast<double>(items.size());
  keepFewest(target, moreProbable, [&](const Candidate &candidate) { return candidate.weight >= least; });
}

void Candidates::keepMinP(float p) {
  float greatest = 0;
  for (const Candidate &candidate : items)
    greatest = std::max(greatest, candidate.weight);
  std::erase_if(items, [&](const Candidate &candidate) { return candidate.weight < p * greatest; });
}

void Candidates::keepTypical(float p) {
  double total = totalWeight(), logTotal = std::log(total), entropy = 0;
  for (const Candidate &candidate : items)
    entropy += candidate.weight / total * (logTotal - candidate.scaled);
  auto distance = [&](const Candidate &candidate) {
    return std::fabs(logTotal - candidate.scaled - entropy);
  };
  keepFewest(
      static_cast<double>(p) * total,
      [&](const Candidate &a, const Candidate &b) {
        double left = distance(a), right = distance(b);
        return left != right ? left < right : moreProbable(a, b);
      },
      [](const Candidate &) { return true; });
}

int32_t Candidates::draw(double u) const {
  double target = u * totalWeight(), reached = 0;
  int32_t last = -1;
  for (const Candidate &candidate : items) {
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
