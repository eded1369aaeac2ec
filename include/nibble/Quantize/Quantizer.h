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
/// Zero::Integer: lo = min(w, 0), hi = max(w, 0) of the group; the same factors stretch the range lo..hi
/// about its middle. With r = f (hi - lo) / 2, d = 2 r / (2^b - 1):
///   z = clamp(round((r - (lo + hi) / 2) / d), 0, 2^b - 1)
///   q = clamp(round(w / d), -z, 2^b - 1 - z), s = f16(sum(w q) / sum(q q))
/// and the first f with the smallest sum((w - s q)^2) wins; at the end q is rounded once more, with s for d,
/// and the codes are q + z. Scales are never negative; a group of zeros has scale, zero point and codes 0.
///
/// Codebooks, with a table whose lowest entry is t0: 46 candidates again, for each f = 0.70, 0.72 ... 1.14
/// the step d = f e / t0 and then d = -f e / t0;
///   t = the entry nearest to w / d, of two equally near the lower; s = f16(sum(w t) / sum(t t))
/// and the first with the smallest sum((w - s t)^2) wins; at the end each code is that of the entry nearest
/// to w / s. Where s is 0 it is that of the entry nearest to 0.
///
/// `values` is a block in a float format. `firstRow` is its place in the tensor, for messages. Fails where a
/// value is infinite or NaN, and where a scale is past f16.
Result<RowBlock> quantize(const RowBlock &values, const Format &format, int64_t firstRow = 0,
                          QuantizerPath path = QuantizerPath::Fastest);

} // namespace nibble
