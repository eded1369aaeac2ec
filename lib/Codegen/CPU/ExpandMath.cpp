//===- ExpandMath.cpp - exp, tanh, sin and cos on f32 as polynomials --------------------------===//
//
// Kernels call nothing. Each function is a range reduction and a polynomial, lane by lane, so that its
// results do not depend on the vector's width. Coefficients of exp and tanh: Cephes (Moshier 1992); of sin
// and cos: Taylor, in f64.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace nibble {
#define GEN_PASS_DEF_NIBBLEEXPANDMATHPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

namespace {

/// Elementwise arithmetic on values of one shape.
struct Elementwise {
  ImplicitLocOpBuilder b;

  Elementwise(PatternRewriter &rewriter, Location loc) : b(loc, rewriter) {}

  static Type withElement(Type like, Type element) {
    if (auto vector = dyn_cast<VectorType>(like))
      return vector.clone(element);
    return element;
  }
  Value number(Type type, double value) {
    TypedAttr attr = b.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value integer(Type type, int64_t value) {
    TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value mul(Value x, double y) { return mul(x, number(x.getType(), y)); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value fma(Value x, double y, Value z) { return fma(x, number(x.getType(), y), z); }
  Value round(Value x) { return math::RoundEvenOp::create(b, x); }
  Value less(Value x, Value y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, c, x, y); }

  /// c[0] x^(n-1) + ... + c[n-1], by Horner's rule.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value y = number(x.getType(), coefficients.front());
    for (double c : coefficients.drop_front())
      y = fma(y, x, number(x.getType(), c));
    return y;
  }

  /// 2^n for integers n in -126 .. 127.
  Value powerOfTwo(Value n) {
    Value biased = arith::AddIOp::create(b, n, integer(n.getType(), 127));
    Value bits = arith::ShLIOp::create(b, biased, integer(n.getType(), 23));
    return arith::BitcastOp::create(b, withElement(n.getType(), b.getF32Type()), bits);
  }

  /// exp(x - n ln 2) for |x - n ln 2| <= ln 2 / 2; ln 2 is subtracted in two parts.
  Value expOfRest(Value x, Value n) {
    Value r = fma(n, -0.693359375, x);
    r = fma(n, 2.12194440e-4, r);
    Value p = polynomial(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
                             1.6666665459e-1, 5.0000001201e-1});
    return add(fma(p, mul(r, r), r), number(x.getType(), 1.0));
  }

  /// exp(x) = 2^n exp(x - n ln 2), n = round(x / ln 2).
  Value exp(Value x) {
    Type ints = withElement(x.getType(), b.getI32Type());
    Value low = number(x.getType(), -110.0), high = number(x.getType(), 100.0);
    x = select(less(x, low), low, x);
    x = select(less(high, x), high, x);
    Value n = round(mul(x, 1.44269504088896341));
    Value y = expOfRest(x, n);
    // Two factors, so that neither leaves the range of an exponent: results become subnormal, 0 or infinite
    // by themselves.
    Value whole = arith::FPToSIOp::create(b, ints, n);
    Value half = arith::ShRSIOp::create(b, whole, integer(ints, 1));
    Value rest = arith::SubIOp::create(b, whole, half);
    return mul(mul(y, powerOfTwo(half)), powerOfTwo(rest));
  }

  /// exp(x) for x <= 88 where nobody asks for results below the normal numbers: below -86.5 it is that of
  /// -86.5. 1.5 * 2^23 rounds x / ln 2 to an integer, in the low bits of the sum, from where a shift makes it
  /// an exponent.
  Value quickExp(Value x) {
    Type ints = withElement(x.getType(), b.getI32Type());
    Value low = number(x.getType(), -86.5), magic = number(x.getType(), 12582912.0);
    x = select(less(x, low), low, x);
    Value rounded = fma(x, 1.44269504088896341, magic);
    Value y = expOfRest(x, sub(rounded, magic));
    Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, ints, rounded), integer(ints, 23));
    Value bits = arith::AddIOp::create(b, arith::BitcastOp::create(b, ints, y), exponent);
    return arith::BitcastOp::create(b, x.getType(), bits);
  }

  /// Below 0.625 an odd polynomial; above, (1 - e) / (1 + e) with e = exp(-2 |x|) and the sign of x.
  Value tanh(Value x) {
    Value magnitude = math::AbsFOp::create(b, x), one = number(x.getType(), 1.0);
    Value z = mul(x, x);
    Value p = polynomial(
        z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1});
    Value small = fma(mul(p, z), x, x);
    Value e = exp(mul(magnitude, -2.0));
    Value large = math::CopySignOp::create(b, div(sub(one, e), add(one, e)), x);
    return select(less(magnitude, number(x.getType(), 0.625)), small, large);
  }

  /// sin(x + quadrants * pi / 2): the reduction is in f64 for |x| < 2^30. The first two of the three parts of
  /// pi / 2 have 21 bits, so that their products with n are exact, with multiply-adds or without.
  Value sine(Value x, int64_t quadrants) {
    Type doubles = withElement(x.getType(), b.getF64Type()), ints = withElement(x.getType(), b.getI32Type());
    Value wide = arith::ExtFOp::create(b, doubles, x);
    Value n = round(mul(wide, 0.63661977236758134308));
    Value r = fma(n, -0x1.921fbp+0, wide);
    r = fma(n, -0x1.5110bp-22, r);
    r = fma(n, -6.223372171896613e-14, r);
    Value z = mul(r, r);
    Value s = polynomial(z, {-1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6});
    s = fma(mul(s, z), r, r);
    Value c = polynomial(z, {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5});
    c = fma(c, z, number(doubles, 1.0));
    Value q = arith::AddIOp::create(b, arith::FPToSIOp::create(b, ints, n), integer(ints, quadrants));
    auto bit = [&](int64_t mask) -> Value {
      Value masked = arith::AndIOp::create(b, q, integer(ints, mask));
      return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked, integer(ints, 0));
    };
    Value y = select(bit(1), c, s);
    y = select(bit(2), arith::NegFOp::create(b, y), y);
    return arith::TruncFOp::create(b, x.getType(), y);
  }
};

/// Replaces an op on f32 by what `expand` builds.
template <typename Op> struct Expand : OpRewritePattern<Op> {
  using Function = Value (*)(Elementwise &, Op);
  Function expand;

  Expand(MLIRContext *context, Function expand) : OpRewritePattern<Op>(context), expand(expand) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "only f32 is expanded");
    Elementwise e(rewriter, op.getLoc());
    rewriter.replaceOp(op, expand(e, op));
    return success();
  }
};

Value expandExp(Elementwise &e, math::ExpOp op) {
  bool isQuick = bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn);
  return isQuick ? e.quickExp(op.getOperand()) : e.exp(op.getOperand());
}

struct NibbleExpandMathPass : nibble::impl::NibbleExpandMathPassBase<NibbleExpandMathPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<Expand<math::ExpOp>>(&getContext(), expandExp);
    patterns.add<Expand<math::TanhOp>>(
        &getContext(), [](Elementwise &e, math::TanhOp op) { return e.tanh(op.getOperand()); });
    patterns.add<Expand<math::SinOp>>(
        &getContext(), [](Elementwise &e, math::SinOp op) { return e.sine(op.getOperand(), 0); });
    patterns.add<Expand<math::CosOp>>(
        &getContext(), [](Elementwise &e, math::CosOp op) { return e.sine(op.getOperand(), 1); });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
