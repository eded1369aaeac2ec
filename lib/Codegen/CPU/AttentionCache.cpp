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

SmallVector<Value> AttentionCache::elements(KernelBuilder &b, Value x, Value scale) const {
  SmallVector<Value> result;
  SmallVector<Piece> pieces = b.pieces(headDim);
  for (const Piece &piece : pieces)
    result.push_back(b.load(b.vec(piece.lanes, b.f32()), x, 4 * piece.begin, 4));
  if (!hasScales())
    return result;
  // d = max |x| / 127 and q = round(x / d); a row of zeros divides by one.
  Value largest;
  for (Value values : result) {
    Value most = b.reduceMax(math::AbsFOp::create(b, values));
    largest = largest ? b.greater(largest, most) : most;
  }
  Value d = arith::DivFOp::create(b, largest, b.constant(b.f32(), 127.0));
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, d, b.constant(b.f32(), 0.0));
  Value divisor = b.select(isZero, b.constant(b.f32(), 1.0), d);
  for (auto [values, piece] : llvm::zip(result, pieces))
    values = math::RoundEvenOp::create(b, arith::DivFOp::create(b, values, b.splat(divisor, piece.lanes)));
  b.store(d, scale, 4);
  return result;
}

Value AttentionCache::bits(KernelBuilder &b, Value elements) const {
  if (!hasScales())
    return b.floatBits(element, elements);
  int64_t lanes = cast<VectorType>(elements.getType()).getDimSize(0);
  Value codes = arith::FPToSIOp::create(b, b.vec(lanes, b.i32()), elements);
  return arith::TruncIOp::create(b, b.vec(lanes, b.i8()), codes);
}

void AttentionCache::storeRow(KernelBuilder &b, Value x, Value out, Value scale) const {
  for (auto [values, piece] : llvm::zip(elements(b, x, scale), b.pieces(headDim)))
    b.store(bits(b, values), out, piece.begin * elementBytes, elementBytes);
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

void AttentionCache::storeValue(KernelBuilder &b, const CacheHead &head, Value slot, Value k, Value v) const {
  Value scale = b.add(b.mul(slot, 4), scaleOffset());
  storeRow(b, v, b.at(head.values, b.mul(slot, headDim * elementBytes)), b.at(head.values, scale));
  if (!hasScales())
    return;
  for (auto [values, piece] : llvm::zip(elements(b, k, b.at(head.keys, scale)), b.pieces(headDim)))
    b.store(values, k, 4 * piece.begin, 4);
}

void AttentionCache::storeKeys(KernelBuilder &b, const CacheHead &head, Value slot, Value rows,
                               int64_t stride, Value begin, Value end) const {
  int64_t lanes = b.target.lanes();
  VectorType floats = b.vec(lanes, b.f32());
  Type stored = b.getIntegerType(static_cast<unsigned>(8 * elementBytes));
  Value column = b.at(head.keys, b.mul(slot, elementBytes));
  auto align = static_cast<unsigned>(elementBytes);
  // `isInRun`: of each lane; null where all are.
  auto storeBlock = [&](Value first, int64_t columns, Value isInRun) {
    SmallVector<Value> block;
    for (int64_t i = 0; i < lanes; ++i)
      block.push_back(b.load(floats, b.at(rows, b.mul(first, 4)), i * stride, 4));
    block = b.transpose(std::move(block));
    for (int64_t i = 0; i < columns; ++i) {
      Value to = b.at(column, b.mul(b.add(first, i), kPageSize * elementBytes)), value = bits(b, block[i]);
      if (isInRun)
        value = b.select(isInRun, value, b.load(b.vec(lanes, stored), to, align));
      b.store(value, to, align);
    }
  };
  auto storeBlocks = [&](Value isInRun) {
    int64_t whole = headDim / lanes * lanes;
    b.loop(b.index(0), b.index(whole), lanes, [&](Value first) { storeBlock(first, lanes, isInRun); });
    if (whole < headDim)
      storeBlock(b.index(whole), headDim - whole, isInRun);
  };
  Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.sub(end, begin), b.index(lanes));
  b.ifElse(
      isWhole, [&] { storeBlocks(nullptr); },
      [&] {
        // Other slots of the sequence's page stay as they are.
        auto splat = [&](Value x) { return b.splat(arith::TruncIOp::create(b, b.i32(), x), lanes); };
        Value lane = b.laneNumbers(lanes);
        Value isBehind = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lane, splat(begin)),
              isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lane, splat(end));
        storeBlocks(arith::AndIOp::create(b, isBehind, isBefore));
      });
}
