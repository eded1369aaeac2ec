//===- FuseDequant.cpp - Linears of dequantized weights to products of packed weights ---------===//
//
// From here on no weight is ever a matrix of f32: kernels read codes and scales, in panels.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Conversion/LLMToLowbit/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_FUSEDEQUANTPASS
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

/// The rows type that the weight's kernel reads: its bias, and sums if the format has a zero point or
/// minimum.
lowbit::RowsType rowsFor(lowbit::PackedType weight, lowbit::RowCount count,
                         lowbit::ActivationKind precision) {
  lowbit::FormatAttr format = weight.getFormat();
  bool integer = lowbit::isInteger(precision);
  SmallVector<int32_t> biases;
  if (integer)
    biases.push_back(format.getBias());
  return lowbit::RowsType::get(weight.getContext(), count, weight.getColumns(), precision, biases,
                               integer && format.getZero() != lowbit::ZeroKind::None);
}

/// The weight in panels.
Value inPanels(PatternRewriter &rewriter, Location loc, TypedValue<lowbit::PackedType> weight) {
  lowbit::PackedType type = weight.getType();
  if (type.getLayout() == lowbit::LayoutKind::Panel)
    return weight;
  auto panels = lowbit::PackedType::get(type.getContext(), type.getRows(), type.getColumns(),
                                        type.getFormat(), lowbit::LayoutKind::Panel);
  return lowbit::RepackOp::create(rewriter, loc, panels, weight);
}

/// The packed weight behind an operand, and whether the product is possible.
FailureOr<TypedValue<lowbit::PackedType>> packedWeight(PatternRewriter &rewriter, Operation *op, Value weight,
                                                       std::optional<lowbit::ActivationKind> activations) {
  auto dequantize = weight.getDefiningOp<lowbit::DequantizeOp>();
  if (!dequantize)
    return rewriter.notifyMatchFailure(op, "the weight is not a dequantized one");
  if (!activations)
    return rewriter.notifyMatchFailure(op, "the precision of its activations is not set");
  if (lowbit::isInteger(*activations) && dequantize.getInput().getType().getFormat().isFloat())
    return rewriter.notifyMatchFailure(op, "integer activations need integer weights");
  return dequantize.getInput();
}

/// A linear whose epilogue adds `bias`, or yields the product as it is.
Value createLinear(PatternRewriter &rewriter, Location loc, Type type, Value rows, Value weight, Value bias) {
  SmallVector<Value> extras;
  if (bias)
    extras.push_back(bias);
  auto linear = lowbit::LinearOp::create(rewriter, loc, type, rows, weight, extras);
  OpBuilder::InsertionGuard guard(rewriter);
  SmallVector<Type> types(1 + extras.size(), rewriter.getF32Type());
  Block *block =
      rewriter.createBlock(&linear.getEpilogue(), {}, types, SmallVector<Location>(types.size(), loc));
  Value result = block->getArgument(0);
  if (bias)
    result = arith::AddFOp::create(rewriter, loc, result, block->getArgument(1));
  lowbit::YieldOp::create(rewriter, loc, result);
  return linear.getResult();
}

/// llm.linear %x, dequantize(%w) bias(%b) -> lowbit.linear quantize_rows(%x), (%w) extra(%b)
struct LinearOfDequantized : OpRewritePattern<llm::LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::LinearOp op, PatternRewriter &rewriter) const override {
    auto weight = packedWeight(rewriter, op, op.getWeight(), op.getActivations());
    if (failed(weight))
      return failure();
    auto type = rowsFor(weight->getType(), lowbit::RowCount::Tokens, *op.getActivations());
    auto rows = lowbit::QuantizeRowsOp::create(rewriter, op.getLoc(), type, /*sum=*/Type(), op.getInput(),
                                               /*residual=*/Value(), /*norm=*/Value(), /*selected=*/Value(),
                                               /*eps=*/FloatAttr());
    Value panels = inPanels(rewriter, op.getLoc(), *weight);
    rewriter.replaceOp(
        op, createLinear(rewriter, op.getLoc(), op.getType(), rows.getResult(), panels, op.getBias()));
    return success();
  }
};

/// llm.logits %x, %rows, dequantize(%w) -> lowbit.linear (quantize_rows %x select(%rows)), (%w)
struct LogitsOfDequantized : OpRewritePattern<llm::LogitsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::LogitsOp op, PatternRewriter &rewriter) const override {
    auto weight = packedWeight(rewriter, op, op.getWeight(), op.getActivations());
    if (failed(weight))
      return failure();
    auto type = rowsFor(weight->getType(), lowbit::RowCount::Logits, *op.getActivations());
    auto rows = lowbit::QuantizeRowsOp::create(rewriter, op.getLoc(), type, /*sum=*/Type(), op.getInput(),
                                               /*residual=*/Value(), /*norm=*/Value(), op.getRows(),
                                               /*eps=*/FloatAttr());
    Value panels = inPanels(rewriter, op.getLoc(), *weight);
    rewriter.replaceOp(
        op, createLinear(rewriter, op.getLoc(), op.getType(), rows.getResult(), panels, /*bias=*/Value()));
    return success();
  }
};

/// llm.embed %ids, %table -> llm.embed %ids, repack(%table): a tied table is stored once, as the head reads
/// it.
struct EmbedOfPanels : OpRewritePattern<llm::EmbedOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::EmbedOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<lowbit::PackedType>(op.getTable().getType());
    if (!type)
      return rewriter.notifyMatchFailure(op, "the table has no format");
    if (type.getLayout() == lowbit::LayoutKind::Panel)
      return rewriter.notifyMatchFailure(op, "the table is in panels already");
    Value panels = inPanels(rewriter, op.getLoc(), cast<TypedValue<lowbit::PackedType>>(op.getTable()));
    rewriter.modifyOpInPlace(op, [&] { op.getTableMutable().assign(panels); });
    return success();
  }
};

/// repack(llm.param @w recipe [...]) -> llm.param @w recipe [..., #lowbit.pack<panel>]
struct RepackOfParam : OpRewritePattern<lowbit::RepackOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(lowbit::RepackOp op, PatternRewriter &rewriter) const override {
    auto param = op.getInput().getDefiningOp<llm::ParamOp>();
    if (!param)
      return rewriter.notifyMatchFailure(op, "the weight is computed, not a parameter");
    SmallVector<Attribute> recipe(param.getRecipe().getValue());
    recipe.push_back(lowbit::PackAttr::get(getContext(), op.getType().getLayout()));
    rewriter.setInsertionPoint(param);
    rewriter.replaceOpWithNewOp<llm::ParamOp>(op, op.getType(), param.getNameAttr(), param.getSourceAttr(),
                                              rewriter.getArrayAttr(recipe));
    return success();
  }
};

struct FuseDequantPass : nibble::impl::FuseDequantPassBase<FuseDequantPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LinearOfDequantized, LogitsOfDequantized, EmbedOfPanels, RepackOfParam>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
