//===- MatrixTile.h - Integer linears on a unit of matrix tiles ---------------------*- C++ -*-===//
//
// For whole records of tokens, on targets that have such a unit (CPUTarget::hasTiles). Results are, to the
// bit, those of emitIntegerTile.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "IntegerRecord.h"
#include "UnpackedPanel.h"

namespace nibble {

/// Where a tile's operands are. The two parts of scratch memory are aligned to 64 bytes.
struct MatrixAddress {
  Value unpacked;  // what emitUnpackedPanel wrote, codes signed
  Value sums;      // scratch of matrixSumsBytes(rows, records)
  Value rows;      // first byte of the first record
  int64_t records; // of 8 tokens each
};

/// Bytes that the sums of one group take.
int64_t matrixSumsBytes(lowbit::RowsType rows, int64_t records);

/// Sum over K for integer rows: [8 * records] vectors of f32.
SmallVector<Value> emitMatrixTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                  const MatrixAddress &tile);

} // namespace nibble
