//===- FloatTile.cpp - f32 or bf16 activations times float weights or dequantized codes -------===//
//
// Column k of a panel becomes a vector w of f32 (widened, or scale * code + minimum), and acc[m] += w *
// x[m][k]. Four accumulators a token, by k mod 4, hide the latency of multiply-adds; they are added as (0 +
// 1) + (2 + 3). Weights of bf16 lie in pairs of columns; where the target multiplies pairs of bf16 faster, it
// multiplies them as they are, pair j into accumulator j mod 4.
//
//===------------------------------------------------------------------------------------------===//
#include "TileModel.h"
#include "WeightPanel.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kChains = kFloatChains;
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

  /// x[m][column] in all lanes.
  Value activation(Value columns, int64_t m, int64_t column) {
    if (bf16)
      return half(activationPair(columns, m, column / 2), column % 2);
    return b.loadSplat(b.f32(), columns, m * rows.getRowBytes() + 4 * column, lanes);
  }

  /// Columns 2 pair and 2 pair + 1 of a token in all lanes, as dwords.
  Value activationPair(Value columns, int64_t m, int64_t pair) {
    return b.loadSplat(b.i32(), columns, m * rows.getRowBytes() + 4 * pair, lanes);
  }

  /// One of the two columns that each dword holds: f32 is bf16 with 16 more bits.
  Value half(Value pair, int64_t which) {
    VectorType ints = b.vec(lanes, b.i32());
    Value bits = which ? arith::AndIOp::create(b, pair, b.constant(ints, int64_t(0xffff0000))).getResult()
                       : arith::ShLIOp::create(b, pair, b.constant(ints, int64_t(16))).getResult();
    return vector::BitCastOp::create(b, floats, bits);
  }

  /// Calls body(first byte of the weights, of the activations, accumulators) for every kUnroll columns.
  SmallVector<Value> forEachRun(int64_t width, ValueRange init,
                                function_ref<void(Value, Value, MutableArrayRef<Value>)> body) {
    return b.loop(b.index(0), b.index(weight.layout.paddedColumns()), kUnroll, init,
                  [&](Value k, ValueRange carried) {
                    SmallVector<Value> acc(carried);
                    Value weights = b.at(tile.panel, b.mul(k, kPanelRows * width));
                    body(weights, b.at(tile.rows, b.mul(k, this->width)), acc);
                    return acc;
                  });
  }

  SmallVector<Value> pairWeights(ValueRange init) {
    const VectorType ints = b.vec(lanes, b.i32()), halves = b.vec(2 * lanes, b.getBF16Type());
    const bool together = bf16 && multipliesPairs(b.target);
    return forEachRun(2, init, [&](Value weights, Value columns, MutableArrayRef<Value> acc) {
      Value base = moveRows(b, weights, tile.rowOffset, 4);
      for (int64_t pair = 0; pair < kUnroll / 2; ++pair) {
        prefetchStream(b, b.at(weights, 4 * kPanelRows * pair), 4 * kPanelRows, tile);
        Value w = b.load(ints, base, 4 * kPanelRows * pair, 4 * lanes);
        if (!together) {
          for (int64_t i = 0; i < 2; ++i)
            multiply(half(w, i), columns, 2 * pair + i, (2 * pair + i) % kChains, acc);
          continue;
        }
        w = vector::BitCastOp::create(b, halves, w);
        for (int64_t m = 0; m < tile.count; ++m) {
          Value x = vector::BitCastOp::create(b, halves, activationPair(columns, m, pair));
          Value &sum = acc[m * kChains + pair % kChains];
          sum = lowbit::Dot2Op::create(b, floats, sum, w, x);
        }
      }
    });
  }

  SmallVector<Value> floatWeights(ValueRange init) {
    if (weight.layout.columnsTogether() == 2)
      return pairWeights(init);
    Type stored = weight.layout.format.element == Element::F32 ? Type(b.f32()) : Type(b.getF16Type());
    int64_t width = KernelBuilder::byteWidth(stored);
    return forEachRun(width, init, [&](Value weights, Value columns, MutableArrayRef<Value> acc) {
      Value base = moveRows(b, weights, tile.rowOffset, width);
      for (int64_t i = 0; i < kUnroll; ++i) {
        int64_t column = i * kPanelRows * width;
        if (column % 64 == 0)
          prefetchStream(b, b.at(weights, column), 64, tile);
        multiply(b.loadFloats(stored, b.at(base, column), lanes, lanes * width), columns, i, i % kChains,
                 acc);
      }
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
        prefetchStream(b, b.at(codes, 64 * vector), 64, tile);
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
    return forEachSubgroup(b, weight, tile, init, subgroup);
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
