//===- AttentionCache.cpp - The paged cache as kernels see it ---------------------------------===//
#include "AttentionCache.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nibble;

CacheHead AttentionCache::head(KernelBuilder &b, Value keys, Value values, Value page, Value kvHead) const {
  Value offset = b.mul(b.add(b.mul(page, kvHeads), kvHead), headBytes());
  return {b.at(keys, offset), b.at(values, offset)};
}

Value AttentionCache::load(KernelBuilder &b, Value pointer, int64_t lanes) const {
  if (!hasScales())
    return b.loadFloats(element, pointer, lanes, elementBytes);
  Value codes = arith::ExtSIOp::create(b, b.vec(lanes, b.i32()), b.load(b.vec(lanes, b.i8()), pointer, 1));
  return arith::SIToFPOp::create(b, b.vec(lanes, b.f32()), codes);
}

void AttentionCache::storeRow(KernelBuilder &b, Value x, Value out, Value scale) const {
  SmallVector<Piece> pieces = b.pieces(headDim);
  auto type = [&](const Piece &piece) { return b.vec(piece.lanes, b.f32()); };
  auto load = [&](const Piece &piece) { return b.load(type(piece), x, 4 * piece.begin, 4); };
  if (!hasScales()) {
    for (const Piece &piece : pieces)
      b.storeFloats(element, load(piece), b.at(out, piece.begin * elementBytes), elementBytes);
    return;
  }
  // d = max |x| / 127, as rows of activations are quantized; a row of zeros divides by one.
  Value largest;
  for (const Piece &piece : pieces) {
    Value most = b.reduceMax(math::AbsFOp::create(b, load(piece)));
    largest = largest ? b.greater(largest, most) : most;
  }
  Value d = arith::DivFOp::create(b, largest, b.constant(b.f32(), 127.0));
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, d, b.constant(b.f32(), 0.0));
  Value divisor = b.select(isZero, b.constant(b.f32(), 1.0), d);
  for (const Piece &piece : pieces) {
    Value q =
        math::RoundEvenOp::create(b, arith::DivFOp::create(b, load(piece), b.splat(divisor, piece.lanes)));
    q = arith::FPToSIOp::create(b, b.vec(piece.lanes, b.i32()), q);
    b.store(arith::TruncIOp::create(b, b.vec(piece.lanes, b.i8()), q), b.at(out, piece.begin), 1);
  }
  b.store(d, scale, 4);
}

void AttentionCache::store(KernelBuilder &b, const CacheHead &head, Value slot, Value k, Value v,
                           Value scratch) const {
  Value scale = b.add(b.mul(slot, 4), scaleOffset());
  storeRow(b, v, b.at(head.values, b.mul(slot, headDim * elementBytes)), b.at(head.values, scale));
  storeRow(b, k, scratch, b.at(head.keys, scale));
  // K's elements lie a page apart.
  Type bits = b.getIntegerType(static_cast<unsigned>(8 * elementBytes));
  Value column = b.at(head.keys, b.mul(slot, elementBytes));
  auto align = static_cast<unsigned>(elementBytes);
  b.loop(b.index(0), b.index(headDim), 1, [&](Value d) {
    Value x = b.load(bits, b.at(scratch, b.mul(d, elementBytes)), align);
    b.store(x, b.at(column, b.mul(d, kPageSize * elementBytes)), align);
  });
}
