//===- ExpandFloats.cpp - Floating-point operations that a CPU target lacks -------------------===//
//
// Without F16C or SSE4.1, LLVM makes calls of conversions and of rounding, and kernels call nothing. The
// integer forms give the same bits as the instructions.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace nibble {
#define GEN_PASS_DEF_NIBBLEEXPANDFLOATSPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

namespace {

/// The bits of f32 values of one shape, as unsigned integers.
struct Bits {
  ImplicitLocOpBuilder b;
  Type shape;

  Bits(PatternRewriter &rewriter, Operation *op)
      : b(op->getLoc(), rewriter), shape(op->getResult(0).getType()) {}

  Type of(Type element) {
    if (auto vector = dyn_cast<VectorType>(shape))
      return vector.clone(element);
    return element;
  }
  Type ints() { return of(b.getI32Type()); }
  Type floats() { return of(b.getF32Type()); }

  Value constant(int64_t value) {
    TypedAttr attr = b.getI32IntegerAttr(static_cast<int32_t>(value));
    if (auto vector = dyn_cast<VectorType>(ints()))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, x, y); }
  Value both(Value x, int64_t y) { return both(x, constant(y)); }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value add(Value x, int64_t y) { return add(x, constant(y)); }
  Value left(Value x, int64_t y) { return arith::ShLIOp::create(b, x, constant(y)); }
  Value right(Value x, int64_t y) { return arith::ShRUIOp::create(b, x, constant(y)); }
  /// Of values below 2^31, where the signed comparison that all targets have is the unsigned one.
  Value less(Value x, int64_t y) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, constant(y));
  }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, c, x, y); }
  Value asFloat(Value x) { return arith::BitcastOp::create(b, floats(), x); }
  Value asInt(Value x) { return arith::BitcastOp::create(b, ints(), x); }
  /// The 16 bits of a half, zero-extended, and back.
  Value widen(Value half) {
    return arith::ExtUIOp::create(b, ints(), arith::BitcastOp::create(b, of(b.getIntegerType(16)), half));
  }
  Value narrow(Value x, Type half) {
    return arith::BitcastOp::create(b, of(half), arith::TruncIOp::create(b, of(b.getIntegerType(16)), x));
  }

  Value fromF16(Value half) {
    Value bits = widen(half), magnitude = both(bits, 0x7fff);
    // Subnormal halves are exact as f32, and so is the product with 2^112, the difference of the two biases.
    Value factor = asFloat(constant(int64_t(127 + 112) << 23));
    Value value = asInt(arith::MulFOp::create(b, asFloat(left(magnitude, 13)), factor));
    Value special = select(less(magnitude, 0x7c00), constant(0), constant(0x7f800000));
    return asFloat(either(either(value, special), left(both(bits, 0x8000), 16)));
  }

  Value toF16(Value x) {
    Value bits = asInt(x), magnitude = both(bits, 0x7fffffff), sign = both(right(bits, 16), 0x8000);
    // Normal halves: add just under half a unit, and the rest if the bit that stays last is odd.
    Value odd = both(right(magnitude, 13), 1);
    Value normal = right(add(add(magnitude, odd), 0xfff - (int64_t(127 - 15) << 23)), 13);
    // Subnormal ones: adding 2^-1, whose last bit is the last of a subnormal half, rounds to it.
    int64_t half = int64_t(126) << 23;
    Value sum = arith::AddFOp::create(b, asFloat(magnitude), asFloat(constant(half)));
    Value subnormal = add(asInt(sum), -half);
    Value special = select(less(magnitude, 0x7f800001), constant(0x7c00), constant(0x7e00));
    Value result = select(less(magnitude, int64_t(127 + 16) << 23), normal, special);
    result = select(less(magnitude, int64_t(127 - 14) << 23), subnormal, result);
    return narrow(either(result, sign), b.getF16Type());
  }

  Value fromBF16(Value half) { return asFloat(left(widen(half), 16)); }

  Value toBF16(Value x) {
    Value bits = asInt(x), high = right(bits, 16);
    Value rounded = right(add(add(bits, both(high, 1)), 0x7fff), 16);
    Value number = less(both(bits, 0x7fffffff), 0x7f800001);
    return narrow(select(number, rounded, either(high, constant(0x40))), b.getBF16Type());
  }
};

Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

/// arith.extf and arith.truncf between f32 and f16 (where `half`) or bf16.
template <typename Op> struct ExpandConversion : OpRewritePattern<Op> {
  bool half;
  ExpandConversion(MLIRContext *context, bool half) : OpRewritePattern<Op>(context), half(half) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    constexpr bool extends = std::is_same_v<Op, arith::ExtFOp>;
    Type wide = elementOf(extends ? op.getOut() : op.getIn()),
         stored = elementOf(extends ? op.getIn() : op.getOut());
    if (!wide.isF32() || !(stored.isBF16() || (half && stored.isF16())))
      return rewriter.notifyMatchFailure(op, "the target has this conversion");
    Bits bits(rewriter, op);
    Value in = op.getIn();
    if constexpr (extends)
      rewriter.replaceOp(op, stored.isF16() ? bits.fromF16(in) : bits.fromBF16(in));
    else
      rewriter.replaceOp(op, stored.isF16() ? bits.toF16(in) : bits.toBF16(in));
    return success();
  }
};

/// fma(x, y, z)  ->  x * y + z, rounded twice
template <typename Op> struct ExpandFMA : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Value product = arith::MulFOp::create(rewriter, op.getLoc(), op->getOperand(0), op->getOperand(1));
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op->getOperand(2));
    return success();
  }
};

/// roundeven(x)  ->  (x + m) - m with the sign of x, m = copysign(2^23, x), where |x| < 2^23 (2^52 in f64)
struct ExpandRoundEven : OpRewritePattern<math::RoundEvenOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::RoundEvenOp op, PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value x = op.getOperand();
    TypedAttr limit = b.getFloatAttr(elementOf(x), elementOf(x).isF64() ? 0x1p52 : 0x1p23);
    if (auto vector = dyn_cast<VectorType>(x.getType()))
      limit = DenseElementsAttr::get(vector, Attribute(limit));
    Value m = arith::ConstantOp::create(b, limit);
    Value small = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, math::AbsFOp::create(b, x), m);
    Value signedM = math::CopySignOp::create(b, m, x);
    Value rounded = arith::SubFOp::create(b, arith::AddFOp::create(b, x, signedM), signedM);
    rounded = math::CopySignOp::create(b, rounded, x);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, small, rounded, x);
    return success();
  }
};

struct NibbleExpandFloatsPass : nibble::impl::NibbleExpandFloatsPassBase<NibbleExpandFloatsPass> {
  using NibbleExpandFloatsPassBase::NibbleExpandFloatsPassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation()->emitError() << found.error().message;
      return signalPassFailure();
    }
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<ExpandConversion<arith::ExtFOp>, ExpandConversion<arith::TruncFOp>>(context,
                                                                                     !found->hasHalf);
    if (!found->hasFMA)
      patterns.add<ExpandFMA<math::FmaOp>, ExpandFMA<vector::FMAOp>>(context);
    if (!found->hasRounding)
      patterns.add<ExpandRoundEven>(context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
