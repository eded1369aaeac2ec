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

// Weights that are added up by themselves: a draw finds its block first.
static constexpr size_t kBlock = 256;
// Weights below are 0. Products with greater factors than this would not stay finite.
static constexpr float kMost = 1e30f;

static inline float scaledLogit(float logit, float greatest, float inverse) {
  float scaled = (logit - greatest) * inverse; // 0 or less; 0 times a huge inverse stays 0
  return scaled < -kMost ? -kMost : scaled;
}

double sumOfExponentials(std::span<const float> logits, float greatest) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {};
  float terms[kBlock];
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    auto part = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    for (size_t i = 0; i < part.size(); ++i)
      terms[i] = exponential(part[i] - greatest);
    for (size_t i = 0; i < part.size(); ++i)
      lanes[i % kLanes] += static_cast<double>(terms[i]);
  }
  double sum = 0;
  for (double lane : lanes)
    sum += lane;
  return sum;
}

void Candidates::reset(std::span<const float> newLogits, float newGreatest, float temperature) {
  logits = newLogits;
  greatest = newGreatest;
  inverse = static_cast<float>(std::min(1.0 / static_cast<double>(temperature), static_cast<double>(kMost)));
  isWhole = true;
  items.clear();
}

Candidate Candidates::candidate(int32_t token, float logit) const {
  float scaled = scaledLogit(logit, greatest, inverse);
  return {token, logit, scaled, exponential(scaled)};
}

double Candidates::computeWeights() {
  constexpr size_t kLanes = 8;
  weights.resize(logits.size());
  blockSums.clear();
  double total = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    size_t end = std::min(begin + kBlock, logits.size());
    for (size_t i = begin; i < end; ++i)
      weights[i] = exponential(scaledLogit(logits[i], greatest, inverse));
    double lanes[kLanes] = {};
    for (size_t i = begin; i < end; ++i)
      lanes[i % kLanes] += static_cast<double>(weights[i]);
    double sum = 0;
    for (double lane : lanes)
      sum += lane;
    blockSums.push_back(sum);
    total += sum;
  }
  return total;
}

void Candidates::makeList(float least) {
  isWhole = false;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    auto part = std::span(weights).subspan(begin, std::min(kBlock, logits.size() - begin));
    uint32_t any = 0;
    for (float weight : part)
      any |= static_cast<uint32_t>(weight >= least);
    for (size_t i = 0; any && i < part.size(); ++i)
      if (float logit = logits[begin + i];
          part[i] >= least && logit > -std::numeric_limits<float>::infinity())
        items.push_back(candidate(static_cast<int32_t>(begin + i), logit));
  }
}

const std::vector<Candidate> &Candidates::list() {
  if (isWhole) {
    computeWeights();
    makeList(0);
  }
  return items;
}

static bool moreProbable(const Candidate &a, const Candidate &b) {
  return isMoreProbable({a.token, a.logit}, {b.token, b.logit});
}

void Candidates::keepTopK(size_t k) {
  if (k == 0)
    return;
  if (isWhole) {
    if (k >= logits.size())
      return;
    isWhole = false;
    findMostProbable(logits, k, found);
    std::ranges::sort(found, {}, &TokenLogit::token);
    for (auto [token, logit] : found)
      items.push_back(candidate(token, logit));
    return;
  }
  if (k >= items.size())
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
  double total = isWhole ? computeWeights() : totalWeight(), target = static_cast<double>(p) * total;
  // All tokens under this weight together stay below the (1 - p) that may be dropped; half of it, for
  // rounding.
  auto least = 0.5 * (total - target) / static_cast<double>(isWhole ? logits.size() : items.size());
  if (isWhole)
    makeList(static_cast<float>(least));
  keepFewest(target, moreProbable, [&](const Candidate &candidate) { return candidate.weight >= least; });
}

void Candidates::keepMinP(float p) {
  if (isWhole) { // the most probable one weighs 1
    computeWeights();
    return makeList(p);
  }
  float most = 0;
  for (const Candidate &candidate : items)
    most = std::max(most, candidate.weight);
  std::erase_if(items, [&](const Candidate &candidate) { return candidate.weight < p * most; });
}

void Candidates::keepTypical(float p) {
  list();
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

int32_t Candidates::draw(double u) {
  if (isWhole)
    return drawFromAll(u);
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

int32_t Candidates::drawFromAll(double u) {
  double target = u * computeWeights(), reached = 0;
  size_t block = 0, last = 0;
  for (; block < blockSums.size() && reached + blockSums[block] <= target; ++block) {
    reached += blockSums[block];
    if (blockSums[block] > 0)
      last = block;
  }
  if (block == blockSums.size()) { // u * total was rounded up to the total
    block = last;
    target = std::numeric_limits<double>::infinity(); // the block's last one
  }
  int32_t token = -1;
  for (size_t i = block * kBlock; i < std::min((block + 1) * kBlock, weights.size()); ++i) {
    if (weights[i] <= 0)
      continue;
    token = static_cast<int32_t>(i);
    reached += static_cast<double>(weights[i]);
    if (reached > target)
      return token;
  }
  return token;
}

} // namespace nibble
