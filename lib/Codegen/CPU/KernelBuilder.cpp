//===- KernelBuilder.cpp - Shorthand for the IR of kernels ------------------------------------===//
#include "KernelBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;
using namespace nibble;

static constexpr arith::IntegerOverflowFlags noWrap =
    arith::IntegerOverflowFlags::nsw | arith::IntegerOverflowFlags::nuw;

static bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

//===------------------------------------------------------------------------------------------===//
// Constants and arithmetic
//===------------------------------------------------------------------------------------------------------===//

Value KernelBuilder::constant(Type type, int64_t value) {
  if (isa<FloatType>(getElementTypeOrSelf(type)))
    return constant(type, static_cast<double>(value));
  TypedAttr attr = getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return arith::ConstantOp::create(*this, type, attr);
}

Value KernelBuilder::constant(Type type, double value) {
  TypedAttr attr = getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return arith::ConstantOp::create(*this, type, attr);
}

Value KernelBuilder::add(Value a, Value b) {
  if (isFloat(a))
    return arith::AddFOp::create(*this, a, b);
  if (a.getType().isInteger(64))
    return arith::AddIOp::create(*this, a, b, noWrap);
  return arith::AddIOp::create(*this, a, b);
}

Value KernelBuilder::sub(Value a, Value b) {
  if (isFloat(a))
    return arith::SubFOp::create(*this, a, b);
  return arith::SubIOp::create(*this, a, b);
}

Value KernelBuilder::mul(Value a, Value b) {
  if (isFloat(a))
    return arith::MulFOp::create(*this, a, b);
  if (a.getType().isInteger(64))
    return arith::MulIOp::create(*this, a, b, noWrap);
  return arith::MulIOp::create(*this, a, b);
}

Value KernelBuilder::div(Value a, int64_t b) {
  return b == 1 ? a : arith::DivUIOp::create(*this, a, constant(a.getType(), b)).getResult();
}
Value KernelBuilder::mod(Value a, int64_t b) {
  return arith::RemUIOp::create(*this, a, constant(a.getType(), b));
}
Value KernelBuilder::min(Value a, Value b) { return arith::MinUIOp::create(*this, a, b); }
Value KernelBuilder::max(Value a, Value b) { return arith::MaxSIOp::create(*this, a, b); }

Value KernelBuilder::fma(Value a, Value b, Value c) {
  if (isa<VectorType>(a.getType()))
    return vector::FMAOp::create(*this, a, b, c);
  return math::FmaOp::create(*this, a, b, c);
}

Value KernelBuilder::toI64(Value unsigned32) { return arith::ExtUIOp::create(*this, i64(), unsigned32); }
Value KernelBuilder::less(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, a, b);
}

Value KernelBuilder::select(Value condition, Value yes, Value no) {
  return arith::SelectOp::create(*this, condition, yes, no);
}
Value KernelBuilder::greater(Value a, Value b) {
  return select(arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, a, b), a, b);
}

Value KernelBuilder::roundToInt(Value value) {
  // Where floats are one apart, adding rounds.
  Type ints = i32();
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    ints = vector.clone(ints);
  Value moved = add(value, constant(value.getType(), double(kCountingOrigin)));
  return sub(arith::BitcastOp::create(*this, ints, moved), constant(ints, int64_t(kCountingBits)));
}

//===------------------------------------------------------------------------------------------------------===//
// Memory
//===------------------------------------------------------------------------------------------------------===//

Value KernelBuilder::at(Value pointer, int64_t offset) {
  if (offset == 0)
    return pointer;
  return LLVM::GEPOp::create(*this, ptr(), i8(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)},
                             LLVM::GEPNoWrapFlags::inbounds);
}

Value KernelBuilder::at(Value pointer, Value offset) {
  return LLVM::GEPOp::create(*this, ptr(), i8(), pointer, ArrayRef<LLVM::GEPArg>{offset},
                             LLVM::GEPNoWrapFlags::inbounds);
}

Value KernelBuilder::load(Type type, Value pointer, unsigned align) {
  return LLVM::LoadOp::create(*this, type, pointer, align);
}

void KernelBuilder::store(Value value, Value pointer, unsigned align) {
  LLVM::StoreOp::create(*this, value, pointer, align);
}

Value KernelBuilder::loadSplat(Type element, Value pointer, int64_t offset, int64_t lanes) {
  return splat(load(element, pointer, offset, byteWidth(element)), lanes);
}

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(*this, vec(lanes, scalar.getType()), scalar);
}

void KernelBuilder::prefetch(Value pointer, int64_t offset, CacheLevel level) {
  // Not inbounds: it may lie behind the end of the weights.
  Value address =
      LLVM::GEPOp::create(*this, ptr(), i8(), pointer, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
  LLVM::Prefetch::create(*this, address, /*rw=*/0, /*hint=*/level == CacheLevel::First ? 3 : 2,
                         /*cache=*/1);
}

Value KernelBuilder::loadFloats(Type stored, Value pointer, int64_t lanes, unsigned align) {
  if (stored.isF32())
    return load(vec(lanes, stored), pointer, align);
  if (stored.isF16())
    return arith::ExtFOp::create(*this, vec(lanes, f32()), load(vec(lanes, stored), pointer, align));
  // bf16 is the upper half of an f32; as integers no target needs bf16 instructions.
  Value bits = load(vec(lanes, i16()), pointer, align);
  bits = arith::ExtUIOp::create(*this, vec(lanes, i32()), bits);
  bits = arith::ShLIOp::create(*this, bits, constant(bits.getType(), int64_t(16)));
  return arith::BitcastOp::create(*this, vec(lanes, f32()), bits);
}

Value KernelBuilder::floatBits(Type stored, Value value) {
  auto type = cast<VectorType>(value.getType());
  int64_t lanes = type.getDimSize(0);
  if (stored.isF32())
    return arith::BitcastOp::create(*this, vec(lanes, i32()), value);
  if (stored.isF16())
    return arith::BitcastOp::create(*this, vec(lanes, i16()),
                                    arith::TruncFOp::create(*this, vec(lanes, stored), value).getResult());
  // Nearest even: add 0x7fff, plus one if the bit that stays last is odd. NaN does not occur behind a norm or
  // linear of finite weights; an infinity stays one.
  VectorType bitsType = vec(lanes, i32());
  Value bits = arith::BitcastOp::create(*this, bitsType, value);
  Value sixteen = constant(bitsType, int64_t(16));
  Value odd = arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, bits, sixteen),
                                    constant(bitsType, int64_t(1)));
  bits = add(add(bits, constant(bitsType, int64_t(0x7fff))), odd);
  bits = arith::ShRUIOp::create(*this, bits, sixteen);
  return arith::TruncIOp::create(*this, vec(lanes, i16()), bits);
}

void KernelBuilder::storeFloats(Type stored, Value value, Value pointer, unsigned align) {
  if (stored.isF32())
    return store(value, pointer, align);
  if (stored.isF16()) {
    VectorType halves = vec(cast<VectorType>(value.getType()).getDimSize(0), stored);
    return store(arith::TruncFOp::create(*this, halves, value), pointer, align);
  }
  store(floatBits(stored, value), pointer, align);
}

//===------------------------------------------------------------------------------------------------------===//
// Reductions
//===------------------------------------------------------------------------------------------------------===//

Value KernelBuilder::reduce(Value vector, llvm::function_ref<Value(Value, Value)> combine) {
  auto type = cast<VectorType>(vector.getType());
  for (int64_t lanes = type.getDimSize(0); lanes > 1; lanes /= 2) {
    Value low = vector::ExtractStridedSliceOp::create(*this, vector, ArrayRef<int64_t>{0},
                                                      ArrayRef<int64_t>{lanes / 2}, ArrayRef<int64_t>{1});
    Value high = vector::ExtractStridedSliceOp::create(*this, vector, ArrayRef<int64_t>{lanes / 2},
                                                       ArrayRef<int64_t>{lanes / 2}, ArrayRef<int64_t>{1});
    vector = combine(low, high);
  }
  return vector::ExtractOp::create(*this, vector, ArrayRef<int64_t>{0});
}

Value KernelBuilder::reduceAdd(Value vector) {
  return reduce(vector, [&](Value a, Value b) { return add(a, b); });
}

Value KernelBuilder::reduceMax(Value vector) {
  return reduce(vector, [&](Value a, Value b) { return greater(a, b); });
}

Value KernelBuilder::reduceEach(SmallVector<Value> vectors, llvm::function_ref<Value(Value, Value)> combine) {
  const auto count = static_cast<int64_t>(vectors.size());
  int64_t lanes = cast<VectorType>(vectors.front().getType()).getDimSize(0); // of a vector
  int64_t part = lanes;                                                      // that belong to one source
  // The parts' halves of one vector, or of two side by side, meet.
  auto halves = [&](Value a, Value b, int64_t sources) {
    SmallVector<int64_t> low, high;
    for (int64_t source = 0; source < sources; ++source)
      for (int64_t i = 0; i < part / 2; ++i) {
        low.push_back(source * part + i);
        high.push_back(source * part + part / 2 + i);
      }
    return combine(vector::ShuffleOp::create(*this, a, b, low), vector::ShuffleOp::create(*this, a, b, high));
  };
  for (; part > 1; part /= 2) {
    if (vectors.size() == 1) {
      vectors = {halves(vectors[0], vectors[0], count)};
      continue;
    }
    SmallVector<Value> pairs;
    for (size_t i = 0; i < vectors.size(); i += 2)
      pairs.push_back(halves(vectors[i], vectors[i + 1], 2 * lanes / part));
    vectors = pairs;
  }
  // More sources than lanes: side by side.
  for (; vectors.size() > 1; lanes *= 2) {
    SmallVector<int64_t> all(2 * lanes);
    std::iota(all.begin(), all.end(), 0);
    SmallVector<Value> pairs;
    for (size_t i = 0; i < vectors.size(); i += 2)
      pairs.push_back(vector::ShuffleOp::create(*this, vectors[i], vectors[i + 1], all));
    vectors = pairs;
  }
  return vectors[0];
}

SmallVector<Value> KernelBuilder::transpose(SmallVector<Value> rows) {
  auto lanes = static_cast<int64_t>(rows.size());
  // [A B; C D] becomes [A C; B D], then each quarter likewise.
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    SmallVector<int64_t> upper, lower;
    for (int64_t i = 0; i < lanes; ++i) {
      upper.push_back(i & half ? lanes + i - half : i);
      lower.push_back(i & half ? lanes + i : i + half);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & half)
        continue;
      Value first = rows[i], second = rows[i + half];
      rows[i] = vector::ShuffleOp::create(*this, first, second, upper);
      rows[i + half] = vector::ShuffleOp::create(*this, first, second, lower);
    }
  }
  return rows;
}

Value KernelBuilder::laneNumbers(int64_t lanes) {
  SmallVector<int32_t> numbers(lanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  VectorType type = vec(lanes, i32());
  return arith::ConstantOp::create(*this, type, DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
}

SmallVector<Piece> KernelBuilder::pieces(int64_t count) const {
  SmallVector<Piece> result;
  for (int64_t begin = 0, lanes = target.lanes(); begin < count;) {
    if (lanes > count - begin) {
      lanes /= 2;
      continue;
    }
    result.push_back({begin, lanes});
    begin += lanes;
  }
  return result;
}

//===------------------------------------------------------------------------------------------------------===//
// Control
//===------------------------------------------------------------------------------------------------------===//

void KernelBuilder::loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body) {
  loop(begin, end, step, ValueRange(), [&](Value i, ValueRange) -> SmallVector<Value> {
    body(i);
    return {};
  });
}

SmallVector<Value> KernelBuilder::loop(Value begin, Value end, int64_t step, ValueRange init,
                                       llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto forOp = scf::ForOp::create(*this, begin, end, index(step), init);
  OpBuilder::InsertionGuard guard(*this);
  Block *block = forOp.getBody();
  if (init.empty())
    block->getTerminator()->erase();
  setInsertionPointToEnd(block);
  SmallVector<Value> carried = body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  scf::YieldOp::create(*this, carried);
  return SmallVector<Value>(forOp.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto ifOp = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(ifOp.thenBlock()->getTerminator());
  body();
}

void KernelBuilder::ifElse(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no) {
  auto ifOp = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(ifOp.thenBlock()->getTerminator());
  yes();
  setInsertionPoint(ifOp.elseBlock()->getTerminator());
  no();
}

SmallVector<Value> KernelBuilder::ifElse(Value condition, TypeRange types,
                                         llvm::function_ref<SmallVector<Value>()> yes,
                                         llvm::function_ref<SmallVector<Value>()> no) {
  auto ifOp = scf::IfOp::create(*this, types, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(ifOp.thenBlock());
  scf::YieldOp::create(*this, yes());
  setInsertionPointToStart(ifOp.elseBlock());
  scf::YieldOp::create(*this, no());
  return SmallVector<Value>(ifOp.getResults());
}

SmallVector<Value> KernelBuilder::repeat(ValueRange init, llvm::function_ref<Value(ValueRange)> condition,
                                         llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  auto whileOp = scf::WhileOp::create(
      *this, init.getTypes(), init,
      [&](OpBuilder &builder, Location, ValueRange carried) {
        OpBuilder::InsertionGuard guard(*this);
        setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
        scf::ConditionOp::create(*this, condition(carried), carried);
      },
      [&](OpBuilder &builder, Location, ValueRange carried) {
        OpBuilder::InsertionGuard guard(*this);
        setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
        scf::YieldOp::create(*this, body(carried));
      });
  return SmallVector<Value>(whileOp.getResults());
}
