//===- Codebook.h - The tables of 16-entry formats ----------------------------------*- C++ -*-===//
//
// A weight of such a format is scale * table[code]. The table is int8, so that the kernels of int8
// activations multiply it as it is; where a published table is of floats, its entries times a factor are
// rounded to the nearest integer, and the scale takes the factor in.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/Format.h"

#include <array>

namespace nibble {

using Codebook = std::array<int8_t, 16>;

/// NF4, quantiles of a normal distribution (Dettmers et al., arXiv 2305.14314), times 127 and rounded: no
/// entry is off by more than 0.004 of the largest.
inline constexpr Codebook kNF4 = {-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127};

/// The FP4 of bitsandbytes, 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4 and their negatives, times 120: exact, but
/// for 1/192 (0.625, rounded to 1).
inline constexpr Codebook kFP4 = {0, 1, 80, 120, 40, 60, 20, 30, 0, -1, -80, -120, -40, -60, -20, -30};

/// E2M1 of the OCP microscaling formats (MXFP4), 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, times 2:
/// exact.
inline constexpr Codebook kE2M1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// GGUF's IQ4_NL: integers already.
inline constexpr Codebook kIQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// The table of an element that has one.
constexpr const Codebook &codebook(Element element) {
  switch (element) {
  case Element::FP4:
    return kFP4;
  case Element::E2M1:
    return kE2M1;
  case Element::IQ4:
    return kIQ4;
  default:
    return kNF4;
  }
}

/// The code of the entry nearest to zero, the first of two: what padding holds.
constexpr uint8_t zeroCode(Element element) {
  const Codebook &table = codebook(element);
  uint8_t best = 0;
  for (uint8_t code = 1; code < table.size(); ++code)
    if (table[code] * table[code] < table[best] * table[best])
      best = code;
  return best;
}

} // namespace nibble
