//===- Candidates.h - The tokens that are still possible ---------------------------------------*- C++
//-*-===//
//
// Filters narrow a list of candidates. None sorts the whole vocabulary: the most probable tokens are selected
// in growing portions until a filter has what it needs.
//
//===------------------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nibble {

struct Candidate {
  int32_t token;
  float logit;  // as it came, to order by: differences of equals are never rounded away
  float scaled; // after temperature, less the greatest: at most 0
  float weight; // exp(scaled): proportional to the probability
};

/// e^x for x <= 0, relative error under 3e-7; 0 below -87. No libm: the same bits on every machine, and it
/// vectorizes.
float exponential(float x);

/// All tokens with a logit above -infinity, in order of their ids. `greatest` is the greatest logit.
void makeCandidates(std::span<const float> logits, float greatest, float temperature,
                    std::vector<Candidate> &out);

/// The k most probable, most probable first; equals in order of their ids.
void keepTopK(std::vector<Candidate> &candidates, size_t k);

/// The fewest most probable ones whose share of all weight reaches p, most probable first (Holtzman et al.
/// 2020).
void keepTopP(std::vector<Candidate> &candidates, float p);

/// Those at least p times as probable as the most probable one; order is kept (Nguyen et al. 2024).
void keepMinP(std::vector<Candidate> &candidates, float p);

/// The fewest whose surprise is nearest to the entropy and whose share reaches p, nearest first (Meister et
/// al. 2023).
void keepTypical(std::vector<Candidate> &candidates, float p);

/// Sum of the weights, in order.
double totalWeight(const std::vector<Candidate> &candidates);

/// The candidate under u * total weight, where u is in [0, 1).
int32_t draw(const std::vector<Candidate> &candidates, double u);

} // namespace nibble
