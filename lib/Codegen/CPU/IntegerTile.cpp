//===- IntegerTile.cpp - int8 or int16 activations times int4 or int8 codes -------------------===//
//
// For each subgroup of 32 columns, exact integer dot products start at c = -bias sum(q), which takes the
// codes' bias out again; one multiply-add folds both scales in:
//
//   acc[m] = fma(scale * d[m], float(c[m] + sum(u8 code * s8 q[m])), acc[m])
//
// The entries of codebooks, plus 128, are looked up. int16 activations are two int8 planes, q = 256 hi + lo,
// that the same codes multiply.
//
//===------------------------------------------------------------------------------------------===//
#include "WeightPanel.h"

using namespace mlir;
using namespace nibble;

namespace {

/// Offsets within the record that `tile` tokens have for one group of 32 columns (LowbitDialect.td,
/// RowsType).
struct RecordOffsets {
  int64_t record, planes, biases;
  int64_t q(int64_t plane, int64_t token, int64_t dword) const {
    return 32 * (plane * record + token) + 4 * dword;
  }
  int64_t c(int64_t token, int64_t bias) const { return 32 * planes * record + 4 * (bias * record + token); }
  int64_t d(int64_t token) const { return c(token, biases); }
  int64_t s(int64_t token) const { return d(token) + 4 * record; }
};

} // namespace

SmallVector<Value> nibble::emitIntegerTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                           const TileAddress &tile) {
  const int64_t lanes = b.target.lanes(), count = tile.count;
  const VectorType bytes = b.vec(4 * lanes, b.i8()), ints = b.vec(lanes, b.i32()),
                   floats = b.vec(lanes, b.f32());
  const bool int4 = weight.layout.format.bits() == 4, isCodebook = weight.layout.format.isCodebook();
  const int64_t planes = rows.getPlanes();
  const RecordOffsets offsets{tile.record, planes, static_cast<int64_t>(rows.getBiases().size())};
  // One token leaves dot products waiting for each other: two chains hide their latency.
  const int64_t chains = count == 1 ? 2 : 1;
  const IntegerAttr codeMax = b.getI32IntegerAttr(int4 && !isCodebook ? 15 : 255);

  auto subgroup = [&](Value codes, Value number, Value scales, Value minima, ValueRange carried) {
    Value record = b.at(tile.rows, b.mul(number, tile.record * rows.getRecordBytes()));
    // [chain][plane][token]; c belongs to the low bytes.
    SmallVector<SmallVector<SmallVector<Value>>> sums(
        chains, {static_cast<size_t>(planes), {static_cast<size_t>(count), b.constant(ints, int64_t(0))}});
    for (int64_t m = 0; m < count; ++m)
      sums[0][planes - 1][m] =
          b.loadSplat(b.i32(), record, offsets.c(tile.first + m, weight.biasIndex), lanes);
    auto multiply = [&](Value code, int64_t dword, int64_t chain) {
      for (int64_t m = 0; m < count; ++m)
        for (int64_t plane = 0; plane < planes; ++plane) {
          Value q = b.loadSplat(b.i32(), record, offsets.q(plane, tile.first + m, dword), lanes);
          q = vector::BitCastOp::create(b, bytes, q);
          Value &sum = sums[chain % chains][plane][m];
          sum = lowbit::Dot4Op::create(b, ints, sum, code, q, codeMax);
        }
    };
    Value base = moveRows(b, codes, tile.rowOffset, 4);
    for (int64_t vector = 0; vector < (int4 ? 4 : 8); ++vector) {
      Value code = b.load(bytes, base, 64 * vector, 4 * lanes);
      if (!int4) {
        multiply(code, vector, vector);
        continue;
      }
      auto unpack = [&](Value nibbles) -> Value {
        nibbles = arith::AndIOp::create(b, nibbles, b.constant(bytes, int64_t(15)));
        return isCodebook ? lookUpEntries(b, weight, nibbles, weight.bias) : nibbles;
      };
      multiply(unpack(code), vector, 0);
      // Shifted as i16: a shift of i8 becomes an affine transform, which is slower.
      VectorType words = b.vec(2 * lanes, b.i16());
      Value high = vector::BitCastOp::create(b, words, code);
      high = arith::ShRUIOp::create(b, high, b.constant(words, int64_t(4)));
      high = vector::BitCastOp::create(b, bytes, high);
      multiply(unpack(high), 4 + vector, 1);
    }
    SmallVector<Value> result;
    for (int64_t m = 0; m < count; ++m) {
      auto planeSum = [&](int64_t plane) {
        Value sum = sums[0][plane][m];
        return chains == 2 ? b.add(sum, sums[1][plane][m]) : sum;
      };
      Value sum = planeSum(planes - 1);
      if (planes == 2)
        sum = b.add(sum, arith::ShLIOp::create(b, planeSum(0), b.constant(ints, int64_t(8))));
      Value scale = b.mul(scales, b.loadSplat(b.f32(), record, offsets.d(tile.first + m), lanes));
      Value acc = b.fma(scale, arith::SIToFPOp::create(b, floats, sum), carried[m]);
      if (minima)
        acc = b.fma(minima, b.loadSplat(b.f32(), record, offsets.s(tile.first + m), lanes), acc);
      result.push_back(acc);
    }
    return result;
  };
  SmallVector<Value> zero(count, b.constant(floats, 0.0));
  return forEachSubgroup(b, weight, tile, /*prefetch=*/count > 1, zero, subgroup);
}
