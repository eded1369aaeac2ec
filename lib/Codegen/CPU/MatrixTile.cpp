//===- MatrixTile.cpp - Integer linears on a unit of matrix tiles -----------------------------===//
//
// The bytes of a group of an unpacked panel are a tile of 8 x 64 as the unit wants it. Codes are signed there
// (their bias taken off), so nothing starts at c as in IntegerTile.cpp: the sums are the same integers, and
// what follows from them is the same floats.
//
// Activations have a scale for every 32 columns, so a group's sums leave the unit before the next group's
// come, and half of a tile's 64 columns stay empty: 512 of the unit's 1024 products a cycle are what a linear
// can have.
//
//===------------------------------------------------------------------------------------------===//
#include "MatrixTile.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kLine = 4 * kPanelRows; // bytes of a row of sums

int64_t nibble::matrixSumsBytes(lowbit::RowsType rows, int64_t records) {
  return records * rows.getPlanes() * kRecordTokens * kLine;
}

SmallVector<Value> nibble::emitMatrixTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                          const MatrixAddress &tile) {
  const VectorType ints = b.vec(kPanelRows, b.i32()), floats = b.vec(kPanelRows, b.f32());
  const int64_t planes = rows.getPlanes();
  const RecordOffsets offsets{kRecordTokens, planes, static_cast<int64_t>(rows.getBiases().size())};

  auto group = [&](Value number, ValueRange carried) {
    GroupRows unpacked = unpackedGroup(b, weight, tile.unpacked, number);
    SmallVector<Value> records;
    for (int64_t i = 0; i < tile.records; ++i)
      records.push_back(b.at(b.at(tile.rows, i * kRecordTokens * rows.getRowBytes()),
                             b.mul(number, kRecordTokens * rows.getRecordBytes())));
    // The planes of a record follow each other: rows of one tile. Sums are [record][plane][token][16].
    lowbit::DotTileOp::create(b, unpacked.codes, records, tile.sums, planes * kRecordTokens, kSubgroup,
                              /*unsigned_codes=*/weight.bias == 0);
    SmallVector<Value> result;
    for (int64_t m = 0; m < tile.records * kRecordTokens; ++m) {
      int64_t record = m / kRecordTokens, token = m % kRecordTokens;
      SmallVector<Value> sums;
      for (int64_t plane = 0; plane < planes; ++plane)
        sums.push_back(
            b.load(ints, tile.sums, ((record * planes + plane) * kRecordTokens + token) * kLine, kLine));
      Value scaled = scaleSum(b, combinePlanes(b, sums), unpacked.scales);
      result.push_back(addGroup(b, records[record], offsets, token, scaled, unpacked.minima, carried[m]));
    }
    return result;
  };
  SmallVector<Value> zero(tile.records * kRecordTokens, b.constant(floats, 0.0));
  return b.loop(b.index(0), b.index(weight.layout.subgroups()), 1, zero, group);
}
