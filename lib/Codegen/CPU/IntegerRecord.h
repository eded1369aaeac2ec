//===- IntegerRecord.h - What all integer tiles share -------------------------------*- C++ -*-===//
//
// Where the parts of a record of integer rows are (LowbitDialect.td, RowsType), and what becomes of a group's
// exact sum: the same operations in the same order, whatever multiplied the codes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "WeightPanel.h"

namespace nibble {

inline constexpr int64_t kRecordTokens = 8; // tokens in a record, but for the last of a batch

/// Offsets within the part of a record that belongs to one group of 32 columns: `record` tokens.
struct RecordOffsets {
  int64_t record, planes, biases;
  int64_t q(int64_t plane, int64_t token, int64_t dword) const {
    return 32 * (plane * record + token) + 4 * dword;
  }
  int64_t c(int64_t token, int64_t bias) const { return 32 * planes * record + 4 * (bias * record + token); }
  int64_t d(int64_t token) const { return c(token, biases); }
  int64_t s(int64_t token) const { return d(token) + 4 * record; }
};

/// The sum of codes times q = 256 hi + lo out of those of its planes; the high one first.
Value combinePlanes(KernelBuilder &b, ValueRange sums);

/// float(sum) scale, rounded once.
Value scaleSum(KernelBuilder &b, Value sum, Value scales);

/// The same for several sums that are the bits of floats, kCountingOrigin more than what they mean.
SmallVector<Value> scaleCounts(KernelBuilder &b, llvm::ArrayRef<Value> sums, Value scales);

/// acc + scaled d + minimum s for one token; `minima` may be null.
Value addGroup(KernelBuilder &b, Value record, const RecordOffsets &offsets, int64_t token, Value scaled,
               Value minima, Value acc);

/// The low (0) or high (1) nibbles of each byte.
Value nibblesOf(KernelBuilder &b, Value bytes, int64_t half);

} // namespace nibble
