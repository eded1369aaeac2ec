//===- FuseEpilogue.cpp - Residual adds and gates into linears --------------------------------===//
//
// An epilogue works on a product while it is in registers; a dispatch of its own would read and write it
// again, behind a barrier.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Conversion/LLMToLowbit/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_FUSEEPILOGUEPASS
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

/// A linear under construction: operands and the f32 values that its epilogue has for them.
struct LinearBuilder {
  PatternRewriter &rewriter;
  lowbit::LinearOp linear;

  /// The union of the operands of `parts`, and `extra` if there is one. Its epilogue is empty yet.
  LinearBuilder(PatternRewriter &rewriter, Location loc, Type type, ArrayRef<lowbit::LinearOp> parts,
                Value extra)
      : rewriter(rewriter) {
    SmallVector<Value> weights, extras;
    for (lowbit::LinearOp part : parts) {
      llvm::append_range(weights, part.getWeights());
      llvm::append_range(extras, part.getExtras());
    }
    if (extra)
      extras.push_back(extra);
    linear = lowbit::LinearOp::create(rewriter, loc, type, lowbit::LinearOp(parts.front()).getInput(),
                                      weights, extras);
    SmallVector<Type> types(weights.size() + extras.size(), rewriter.getF32Type());
    rewriter.createBlock(&linear.getEpilogue(), {}, types, SmallVector<Location>(types.size(), loc));
  }

  /// Copies the epilogue of `part`, whose weights and extras follow `weightsBefore` and `extrasBefore`
  /// others; its value.
  Value inlineEpilogue(lowbit::LinearOp part, unsigned weightsBefore = 0, unsigned extrasBefore = 0) {
    Block &from = part.getEpilogue().front(), &to = linear.getEpilogue().front();
    IRMapping map;
    unsigned weights = part.getWeights().size();
    for (auto [i, argument] : llvm::enumerate(from.getArguments()))
      map.map(argument,
              to.getArgument(i < weights ? weightsBefore + i
                                         : linear.getWeights().size() + extrasBefore + i - weights));
    for (Operation &op : from.without_terminator())
      rewriter.clone(op, map);
    return map.lookupOrDefault(cast<lowbit::YieldOp>(from.getTerminator()).getValue());
  }

  /// The element of the last extra operand.
  Value lastExtra() { return linear.getEpilogue().front().getArguments().back(); }

  void finish(Location loc, Value value, Operation *replaced) {
    lowbit::YieldOp::create(rewriter, loc, value);
    rewriter.replaceOp(replaced, linear.getResult());
  }
};

/// act(x), f32.
Value activate(OpBuilder &builder, Location loc, llm::Activation activation, Value x) {
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
  };
  auto add = [&](Value a, Value b) -> Value { return arith::AddFOp::create(builder, loc, a, b); };
  auto mul = [&](Value a, Value b) -> Value { return arith::MulFOp::create(builder, loc, a, b); };
  switch (activation) {
  case llm::Activation::Silu: {
    Value e = math::ExpOp::create(builder, loc, arith::NegFOp::create(builder, loc, x));
    return arith::DivFOp::create(builder, loc, x, add(constant(1), e));
  }
  case llm::Activation::Gelu: {
    Value erf = math::ErfOp::create(builder, loc, mul(x, constant(0.70710678118654752)));
    return mul(mul(x, constant(0.5)), add(constant(1), erf));
  }
  case llm::Activation::GeluTanh: {
    Value cube = mul(mul(x, x), mul(x, constant(0.044715)));
    Value tanh = math::TanhOp::create(builder, loc, mul(constant(0.79788456080286536), add(x, cube)));
    return mul(mul(x, constant(0.5)), add(constant(1), tanh));
  }
  }
  llvm_unreachable("all activations are handled");
}

/// The linear that defines `value`, if nothing else reads it.
lowbit::LinearOp soleLinear(Value value) {
  auto linear = value.getDefiningOp<lowbit::LinearOp>();
  return linear && linear->hasOneUse() ? linear : nullptr;
}

/// %y = lowbit.linear %r, (%w) { yield %a };  %z = arith.addf %x, %y
/// -> %z = lowbit.linear %r, (%w) extra(%x) { yield %a + %e }
struct ResidualIntoLinear : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    if (!isa<RankedTensorType>(op.getType()))
      return rewriter.notifyMatchFailure(op, "adds numbers, not rows");
    lowbit::LinearOp linear = soleLinear(op.getRhs());
    Value residual = op.getLhs();
    if (!linear) {
      linear = soleLinear(op.getLhs());
      residual = op.getRhs();
    }
    if (!linear)
      return rewriter.notifyMatchFailure(op, "no operand is a linear that only this add reads");
    LinearBuilder fused(rewriter, op.getLoc(), op.getType(), linear, residual);
    Value product = fused.inlineEpilogue(linear);
    Value sum = arith::AddFOp::create(rewriter, op.getLoc(), product, fused.lastExtra());
    fused.finish(op.getLoc(), sum, op);
    return success();
  }
};

/// %g = linear %r, (%wg);  %u = linear %r, (%wu);  %y = llm.glu silu %g, %u
/// -> %y = linear %r, (%wg, %wu) { yield silu(%a) * %b }
/// or, the rows being different ones, %y = linear %s, (%wu) extra(%g) { yield silu(%e) * %b }
struct GateIntoLinear : OpRewritePattern<llm::GLUOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::GLUOp op, PatternRewriter &rewriter) const override {
    lowbit::LinearOp gate = soleLinear(op.getGate()), up = soleLinear(op.getUp());
    Location loc = op.getLoc();
    Value activated, factor;
    auto build = [&](ArrayRef<lowbit::LinearOp> parts, Value extra, auto &&values) {
      LinearBuilder fused(rewriter, loc, op.getType(), parts, extra);
      values(fused);
      activated = activate(rewriter, loc, op.getActivation(), activated);
      fused.finish(loc, arith::MulFOp::create(rewriter, loc, activated, factor), op);
    };
    if (gate && up && gate.getInput() == up.getInput())
      build({gate, up}, Value(), [&](LinearBuilder &fused) {
        activated = fused.inlineEpilogue(gate);
        factor = fused.inlineEpilogue(up, gate.getWeights().size(), gate.getExtras().size());
      });
    else if (up)
      build(up, op.getGate(), [&](LinearBuilder &fused) {
        activated = fused.lastExtra();
        factor = fused.inlineEpilogue(up);
      });
    else if (gate)
      build(gate, op.getUp(), [&](LinearBuilder &fused) {
        activated = fused.inlineEpilogue(gate);
        factor = fused.lastExtra();
      });
    else
      return rewriter.notifyMatchFailure(op, "neither gate nor up is a linear that only this op reads");
    return success();
  }
};

struct FuseEpiloguePass : nibble::impl::FuseEpiloguePassBase<FuseEpiloguePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ResidualIntoLinear, GateIntoLinear>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
