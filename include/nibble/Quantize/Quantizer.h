//===- Quantizer.h - From values to codes and scales --------------------------------*- C++ -*-===//
//
// Round to nearest with a search: for each group 46 candidate scales are tried, each is refined by least
// squares, the one with the smallest squared error wins. The same values give the same bits on every CPU:
// products and sums are in one order and one precision whatever the vector width (no FMA, lanes are groups).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/RowBlock.h"

namespace nibble {

/// Which instructions the search uses. All give the same bits; tests compare them.
enum class QuantizerPath : uint8_t { Fastest, Baseline, AVX2, AVX512 };

bool isPathSupported(QuantizerPath path);

/// Symmetric (Zero::None), for each group of the row: e = its element of largest magnitude, with sign; for
/// each factor f = 0.70, 0.71 ... 1.15:
///   q = clamp(round(w / (f e / -2^(b-1))), -2^(b-1), 2^(b-1) - 1), half to even, in f32
///   s = f16(sum(w q) / sum(q q))
/// and the first f with the smallest sum((w - s q)^2) wins. That error is compared less sum(w^2), as
///   s^2 sum(q q) - 2 s sum(w q), in f64 with sums of exact products.
/// A group of zeros has scale 0 and codes 0.
///
/// Zero::Minimum: the same factors stretch the range lo..hi of the group about its middle; codes are
/// clamp(round((w - lo) / d), 0, 2^b - 1) with d = (hi - lo) / (2^b - 1); scale and minimum are the least
/// squares solution for these codes, rounded to f16; at the end codes are rounded once more against the
/// winner.
///
/// `values` is a block in a float format. `firstRow` is its place in the tensor, for messages. Fails where a
/// value is infinite or NaN, where a scale is past f16, and for Zero::Integer, whose codes only come from
/// checkpoints.
Result<RowBlock> quantize(const RowBlock &values, const Format &format, int64_t firstRow = 0,
                          QuantizerPath path = QuantizerPath::Fastest);

} // namespace nibble
