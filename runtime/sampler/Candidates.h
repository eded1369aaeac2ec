//===- Candidates.h - The tokens that are still possible ----------------------------*- C++ -*-===//
//
// Filters narrow a list of candidates, which stays in order of token ids. None sorts the vocabulary: the
// border of what is kept is found by repeated selection, in linear time, and one pass drops what lies beyond
// it. The list is not even made before a filter has said what cannot be in it: of 150,000 tokens most have no
// chance.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/sampler/Greatest.h"
#include <cstddef>
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
/// The sum of e^(logit - greatest).
double sumOfExponentials(std::span<const float> logits, float greatest);

/// "More probable" means a greater logit, and among equals a lower id.
class Candidates {
public:
  /// All tokens with a logit above -infinity. `greatest` is the greatest logit. The logits must stay as they
  /// are until the next reset.
  void reset(std::span<const float> logits, float greatest, float temperature);

  /// The k most probable.
  void keepTopK(size_t k);
  /// The fewest most probable ones whose share of all weight reaches p (Holtzman et al. 2020).
  void keepTopP(float p);
  /// Those at least p times as probable as the most probable one (Nguyen et al. 2024).
  void keepMinP(float p);
  /// The fewest whose surprise is nearest to the entropy and whose share of all weight reaches p (Meister et
  /// al. 2023).
  void keepTypical(float p);

  /// The token under u * total weight, where u is in [0, 1); -1 where nothing has a weight.
  int32_t draw(double u);

  const std::vector<Candidate> &list();

private:
  Candidate candidate(int32_t token, float logit) const;
  /// The weights of all tokens, and their sum.
  double computeWeights();
  /// Makes the list of those that weigh at least so much. computeWeights() has been called.
  void makeList(float least);
  double totalWeight() const;
  int32_t drawFromAll(double u);
  /// Keeps the fewest leading candidates (by `before`, a total order) whose weight reaches `target`; those
  /// that `matters` refuses cannot be among them.
  template <typename Before, typename Matters> void keepFewest(double target, Before before, Matters matters);

  std::span<const float> logits;
  float greatest = 0, inverse = 1; // 1 / temperature
  bool isWhole = false;            // every token is a candidate, and `items` is not made yet
  std::vector<Candidate> items;
  std::vector<Candidate> scratch;
  std::vector<TokenLogit> found;
  std::vector<float> weights;    // [token]
  std::vector<double> blockSums; // of kBlock weights each
};

} // namespace nibble
