//===- GroupSearch.h - The search for scales over 16 groups at once -----------------*- C++ -*-===//
//
// The bottleneck of compiling: 46 candidates for every weight. Sixteen groups are transposed so that lane =
// group; then no sum crosses lanes, and the order of additions is that of the elements for every vector
// width.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/Quantizer.h"

namespace nibble {

inline constexpr int64_t kSearchLanes = 16;

struct GroupSearch {
  const float *values; // [length][16] f32, finite; beyond a lane's own length zero
  int64_t length;      // of the longest lane
  int32_t lengths[16]; // of each lane's group; 0 where there is no group
  int8_t *codes;       // [length][16], written
  float scales[16];    // written; f16 values; not finite where no candidate fits f16
  float zeros[16];     // written for Zero::Minimum: minima, f16 values; for Zero::Integer: the zero points
};

using GroupSearchFunction = void (*)(GroupSearch &);

/// The search for a format with codes. The path must be supported by this CPU.
GroupSearchFunction groupSearchFunction(const Format &format, QuantizerPath path);

} // namespace nibble
