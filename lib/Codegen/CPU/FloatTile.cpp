//===- FloatTile.cpp - f32 or bf16 activations times float weights or dequantized codes -------===//
//
// Column k of a panel becomes a vector w of f32 (widened, or scale * code + minimum), and acc[m] += w *
// x[m][k]. Four accumulators a token, by k mod 4, hide the latency of multiply-adds; they are added as (0 +
// 1) + (2 + 3).
//
//===------------------------------------------------------------------------------------------===//
#include "WeightPanel.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kChains = 4;
static constexpr int64_t kUnroll = 8; // columns in the body of the loop over float weights

namespace {

struct FloatTile {
  KernelBuilder &b;
  const WeightPanel &weight;
  const TileAddress &tile;
  lowbit::RowsType rows;
  bool bf16 = rows.getActivations() == lowbit::ActivationKind::BF16;
  int64_t width = bf16 ? 2 : 4; // bytes of an activation
  int64_t lanes = b.target.lanes();
  VectorType floats = b.vec(lanes, b.f32());

  /// acc[m * kChains + chain] += w * x[m][column]; `columns` points at the first token's element of the
  /// column.
  void multiply(Value w, Value columns, int64_t column, int64_t chain, MutableArrayRef<Value> acc) {
    for (int64_t m = 0; m < tile.count; ++m) {
      Value x = activation(columns, m, column);
      Value &sum = acc[m * kChains + chain];
      sum = b.fma(w, x, sum);
    }
  }

  /// x[m][column] in all lanes. Two columns of bf16 share a dword: f32 is bf16 with 16 more bits.
  Value activation(Value columns, int64_t m, int64_t column) {
    int64_t row = m * rows.getRowBytes();
    if (!bf16)
      return b.loadSplat(b.f32(), columns, row + 4 * column, lanes);
    VectorType ints = b.vec(lanes, b.i32());
    Value pair = b.loadSplat(b.i32(), columns, row + 4 * (column / 2), lanes);
    Value bits = column % 2
                     ? arith::AndIOp::create(b, pair, b.constant(ints, int64_t(0xffff0000))).getResult()
                     : arith::ShLIOp::create(b, pair, b.constant(ints, int64_t(16))).getResult();
    return vector::BitCastOp::create(b, floats, bits);
  }

  SmallVector<Value> floatWeights(ValueRange init) {
    Type stored = weight.layout.format.element == Element::F32   ? b.f32()
                  : weight.layout.format.element == Element::F16 ? Type(b.getF16Type())
                                                                 : Type(b.getBF16Type());
    int64_t stride = KernelBuilder::byteWidth(stored), column = kPanelRows * stride;
    Value base = moveRows(b, tile.panel, tile.rowOffset, stride);
    return b.loop(b.index(0), b.index(weight.layout.paddedColumns()), kUnroll, init,
                  [&](Value k, ValueRange carried) {
                    SmallVector<Value> acc(carried);
                    Value weights = b.at(base, b.mul(k, column)), columns = b.at(tile.rows, b.mul(k, width));
                    for (int64_t i = 0; i < kUnroll; ++i)
                      multiply(b.loadFloats(stored, b.at(weights, i * column), lanes, lanes * stride),
                               columns, i, i % kChains, acc);
                    return acc;
                  });
  }

  /// The code that starts at bit `shift` of each lane, less its bias.
  Value integerCode(Value packed, int64_t shift) {
    VectorType ints = b.vec(lanes, b.i32());
    if (shift)
      packed = arith::ShRUIOp::create(b, packed, b.constant(ints, shift));
    int64_t mask = (1 << weight.layout.format.bits()) - 1;
    packed = arith::AndIOp::create(b, packed, b.constant(ints, mask));
    return weight.bias ? b.sub(packed, b.constant(ints, weight.bias)) : packed;
  }

  /// A codebook's entries for the low (0) or high (1) nibbles of each byte, four to a lane.
  Value entriesOf(Value packed, int64_t half) {
    VectorType ints = b.vec(lanes, b.i32()), bytes = b.vec(4 * lanes, b.i8());
    if (half)
      packed = arith::ShRUIOp::create(b, packed, b.constant(ints, int64_t(4)));
    Value codes = vector::BitCastOp::create(b, bytes, packed);
    codes = arith::AndIOp::create(b, codes, b.constant(bytes, int64_t(15)));
    return vector::BitCastOp::create(b, ints, lookUpEntries(b, weight, codes, 0));
  }

  Value signedByte(Value lane, int64_t i) {
    VectorType ints = b.vec(lanes, b.i32());
    if (i < 3)
      lane = arith::ShLIOp::create(b, lane, b.constant(ints, 24 - 8 * i));
    return arith::ShRSIOp::create(b, lane, b.constant(ints, int64_t(24)));
  }

  SmallVector<Value> integerWeights(ValueRange init) {
    const int64_t bits = weight.layout.format.bits();
    const VectorType ints = b.vec(lanes, b.i32());
    auto subgroup = [&](Value codes, Value number, Value scales, Value minima, ValueRange carried) {
      SmallVector<Value> acc(carried);
      Value columns = b.at(tile.rows, b.mul(number, kSubgroup * width));
      Value base = moveRows(b, codes, tile.rowOffset, 4);
      for (int64_t vector = 0; vector < bits; ++vector) {
        // A lane holds four codes of a byte, or four low and four high nibbles, of one row.
        Value packed = b.load(ints, base, 64 * vector, 4 * lanes);
        for (int64_t half = 0; half < (bits == 4 ? 2 : 1); ++half) {
          Value entries = weight.layout.format.isCodebook() ? entriesOf(packed, half) : Value();
          for (int64_t i = 0; i < 4; ++i) {
            Value code = entries ? signedByte(entries, i) : integerCode(packed, 8 * i + 4 * half);
            Value value = arith::SIToFPOp::create(b, floats, code);
            Value w = minima ? b.fma(scales, value, minima) : b.mul(scales, value);
            multiply(w, columns, 16 * half + 4 * vector + i, i, acc);
          }
        }
      }
      return acc;
    };
    return forEachSubgroup(b, weight, tile, /*prefetch=*/tile.count > 1, init, subgroup);
  }
};

} // namespace

SmallVector<Value> nibble::emitFloatTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                         const TileAddress &tile) {
  FloatTile emit{b, weight, tile, rows};
  SmallVector<Value> init(tile.count * kChains, b.constant(emit.floats, 0.0));
  SmallVector<Value> acc =
      weight.layout.format.isFloat() ? emit.floatWeights(init) : emit.integerWeights(init);
  SmallVector<Value> result;
  for (int64_t m = 0; m < tile.count; ++m) {
    Value *sum = &acc[m * kChains];
    result.push_back(b.add(b.add(sum[0], sum[1]), b.add(sum[2], sum[3])));
  }
  return result;
}
