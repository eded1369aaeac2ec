//===- IntegerTile.cpp - int8 or int16 activations times int4 or int8 codes -------------------===//
//
// For each subgroup of 32 columns, exact integer dot products start at -bias sum(q), which takes the codes'
// bias out again; two multiplications fold both scales in, the weight's and the activation's:
//
//   acc[m] = fma(float(-bias sum(q[m]) + sum(u8 code * s8 q[m])) * scale, d[m], acc[m])
//
// The conversion costs nothing: the dot products start at the bits of a float c[m], o = 1.5 2^23 more than
// that, and end at those of a float f[m] that is o more than the sum. Scales have 11 bits, so that o * scale
// is exact, and float(..) * scale = fma(f[m], scale, -o * scale), the last factor being that of all tokens.
//
// The entries of codebooks, plus 128, are looked up. int16 activations are two int8 planes, q = 256 hi + lo,
// that the same codes multiply; their sums take more than 24 bits, so they are converted.
//
//===------------------------------------------------------------------------------------------===//
#include "IntegerRecord.h"
#include "TileModel.h"
#include "UnpackedPanel.h"

using namespace mlir;
using namespace nibble;

Value nibble::combinePlanes(KernelBuilder &b, ValueRange sums) {
  if (sums.size() == 1)
    return sums[0];
  return b.add(sums[1], arith::ShLIOp::create(b, sums[0], b.constant(sums[0].getType(), int64_t(8))));
}

Value nibble::scaleSum(KernelBuilder &b, Value sum, Value scales) {
  return b.mul(arith::SIToFPOp::create(b, scales.getType(), sum), scales);
}

SmallVector<Value> nibble::scaleCounts(KernelBuilder &b, ArrayRef<Value> sums, Value scales) {
  Value origin = b.constant(scales.getType(), double(-kCountingOrigin)), shift;
  if (b.target.hasFMA)
    shift = b.mul(scales, origin);
  SmallVector<Value> scaled;
  for (Value sum : sums) {
    Value count = vector::BitCastOp::create(b, cast<VectorType>(scales.getType()), sum);
    scaled.push_back(shift ? b.fma(count, scales, shift) : b.mul(b.add(count, origin), scales));
  }
  return scaled;
}

Value nibble::addGroup(KernelBuilder &b, Value record, const RecordOffsets &offsets, int64_t token,
                       Value scaled, Value minima, Value acc) {
  const int64_t lanes = b.target.lanes();
  acc = b.fma(scaled, b.loadSplat(b.f32(), record, offsets.d(token), lanes), acc);
  if (minima)
    acc = b.fma(minima, b.loadSplat(b.f32(), record, offsets.s(token), lanes), acc);
  return acc;
}

Value nibble::nibblesOf(KernelBuilder &b, Value bytes, int64_t half) {
  auto type = cast<VectorType>(bytes.getType());
  if (half) {
    // Shifted as i16: a shift of i8 becomes an affine transform, which is slower.
    VectorType words = b.vec(type.getDimSize(0) / 2, b.i16());
    bytes = vector::BitCastOp::create(b, words, bytes);
    bytes = arith::ShRUIOp::create(b, bytes, b.constant(words, int64_t(4)));
    bytes = vector::BitCastOp::create(b, type, bytes);
  }
  return arith::AndIOp::create(b, bytes, b.constant(type, int64_t(15)));
}

namespace {

class IntegerTile {
public:
  IntegerTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows, const TileAddress &tile)
      : b(b), weight(weight), tile(tile), rows(rows) {}

  /// The sums, `carried` before, after group `number` (i64) of the columns too.
  SmallVector<Value> addColumns(ArrayRef<GroupRows> group, Value number, ValueRange carried) {
    Value record = b.at(tile.rows, b.mul(number, tile.record * rows.getRecordBytes()));
    Sums sums = start(record);
    for (int64_t column = 0; column < (isPacked ? 4 : 8); ++column) {
      SmallVector<Value> codes;
      for (const GroupRows &one : group)
        codes.push_back(b.load(bytes, one.codes, 64 * column, 4 * lanes));
      prefetchCodes(group, column, CacheLevel::First);
      multiply(sums, record, isPacked ? entriesOf(codes, 0) : codes, column, isPacked ? 0 : column);
      prefetchCodes(group, column, CacheLevel::Second);
      if (isPacked)
        multiply(sums, record, entriesOf(codes, 1), 4 + column, 1);
    }
    SmallVector<Value> result;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      SmallVector<Value> scaled = scale(sums, vector, group[vector].scales);
      for (int64_t m = 0; m < count; ++m)
        result.push_back(addGroup(b, record, offsets, tile.first + m, scaled[m], group[vector].minima,
                                  carried[vector * count + m]));
    }
    return result;
  }

private:
  using Sums = SmallVector<SmallVector<SmallVector<Value>>>; // [chain][plane][vector * count + token]

  /// c belongs to the low bytes.
  Sums start(Value record) {
    Sums sums(chains, {static_cast<size_t>(planes),
                       {static_cast<size_t>(vectors * count), b.constant(ints, int64_t(0))}});
    for (int64_t m = 0; m < count; ++m) {
      Value c = b.loadSplat(b.i32(), record, offsets.c(tile.first + m, weight.biasIndex), lanes);
      for (int64_t vector = 0; vector < vectors; ++vector)
        sums[0][planes - 1][vector * count + m] = c;
    }
    return sums;
  }

  /// Adds codes of each vector times one dword of each token's activations.
  void multiply(Sums &sums, Value record, ArrayRef<Value> codes, int64_t dword, int64_t chain) {
    for (int64_t m = 0; m < count; ++m)
      for (int64_t plane = 0; plane < planes; ++plane) {
        Value q = b.loadSplat(b.i32(), record, offsets.q(plane, tile.first + m, dword), lanes);
        q = vector::BitCastOp::create(b, bytes, q);
        for (int64_t vector = 0; vector < vectors; ++vector) {
          Value &sum = sums[chain % chains][plane][vector * count + m];
          sum = lowbit::Dot4Op::create(b, ints, sum, codes[vector], q, codeMax);
        }
      }
  }

  /// The low (0) or high (1) codes of packed ones.
  SmallVector<Value> entriesOf(ArrayRef<Value> codes, int64_t half) {
    SmallVector<Value> entries;
    for (Value code : codes) {
      Value nibbles = nibblesOf(b, code, half);
      entries.push_back(isCodebook ? lookUpEntries(b, weight, nibbles, weight.bias) : nibbles);
    }
    return entries;
  }

  void prefetchCodes(ArrayRef<GroupRows> group, int64_t column, CacheLevel level) {
    for (int64_t vector = 0; vector < vectors && !tile.unpacked; ++vector)
      if (placeOf(b, vector).row == 0)
        prefetchAhead(b, b.at(group[vector].codes, 64 * column), level, tile);
  }

  /// A vector's sums times its scales, one for each token.
  SmallVector<Value> scale(const Sums &sums, int64_t vector, Value scales) {
    SmallVector<Value> totals;
    for (int64_t place = vector * count; place < (vector + 1) * count; ++place) {
      SmallVector<Value> ofPlanes;
      for (int64_t plane = 0; plane < planes; ++plane) {
        Value sum = sums[0][plane][place];
        ofPlanes.push_back(chains == 2 ? b.add(sum, sums[1][plane][place]) : sum);
      }
      totals.push_back(combinePlanes(b, ofPlanes));
    }
    if (planes == 1)
      return scaleCounts(b, totals, scales);
    for (Value &sum : totals)
      sum = scaleSum(b, sum, scales);
    return totals;
  }

  KernelBuilder &b;
  const WeightPanel &weight;
  const TileAddress &tile;
  const lowbit::RowsType rows;
  const int64_t lanes = b.target.lanes(), count = tile.count, vectors = tile.vectors;
  const int64_t planes = rows.getPlanes();
  const int64_t chains = dotChains(b.target, {vectors, count}, planes);
  const RecordOffsets offsets{tile.record, planes, static_cast<int64_t>(rows.getBiases().size())};
  const VectorType bytes = b.vec(4 * lanes, b.i8()), ints = b.vec(lanes, b.i32());
  const bool isCodebook = weight.layout.format.isCodebook(), int4 = weight.layout.format.bits() == 4;
  const bool isPacked = int4 && !tile.unpacked;
  const IntegerAttr codeMax = b.getI32IntegerAttr(int4 && !isCodebook ? 15 : 255);
};

} // namespace

SmallVector<Value> nibble::emitIntegerTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                           const TileAddress &tile) {
  IntegerTile emit(b, weight, rows, tile);
  const int64_t lanes = b.target.lanes();
  if (tile.unpacked)
    return b.loop(b.index(0), tile.groups, 1, tile.sums, [&](Value number, ValueRange carried) {
      SmallVector<GroupRows> group;
      for (int64_t vector = 0; vector < tile.vectors; ++vector) {
        VectorPlace place = placeOf(b, vector);
        Value part = b.at(tile.unpacked, place.panel * unpackedPanelBytes(weight) + 4 * place.row);
        group.push_back(unpackedGroup(b, weight, part, number, tile.rowOffset));
      }
      return emit.addColumns(group, number, carried);
    });
  SmallVector<Value> zero(tile.vectors * tile.count, b.constant(b.vec(lanes, b.f32()), 0.0));
  return forEachGroup(b, weight, tile, zero,
                      [&](ArrayRef<GroupRows> group, Value number, ValueRange carried) {
                        SmallVector<GroupRows> moved(group);
                        for (GroupRows &one : moved)
                          one.codes = moveRows(b, one.codes, tile.rowOffset, 4);
                        return emit.addColumns(moved, number, carried);
                      });
}
