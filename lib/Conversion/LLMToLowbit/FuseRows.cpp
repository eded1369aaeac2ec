//===- FuseRows.cpp - Norms into quantize_rows, and rows shared by their readers --------------===//
//
// Row-wise work is done once for q, k and v, once for gate and up, and for the head only on the rows whose
// logits are wanted.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Conversion/LLMToLowbit/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_FUSEROWSPASS
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

/// quantize_rows (rms_norm %x, %g) -> quantize_rows %x norm(%g)
struct NormIntoRows : OpRewritePattern<lowbit::QuantizeRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(lowbit::QuantizeRowsOp op, PatternRewriter &rewriter) const override {
    auto norm = op.getInput().getDefiningOp<llm::RMSNormOp>();
    if (!norm)
      return rewriter.notifyMatchFailure(op, "the input is no rms_norm");
    if (op.getNorm() || op.getResidual())
      return rewriter.notifyMatchFailure(op, "something comes between the norm and the rows");
    if (norm.getGain().getType().getDimSize(0) != norm.getType().getDimSize(1))
      return rewriter.notifyMatchFailure(op, "the norm is of heads, not of rows");
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(norm.getInput());
      op.getNormMutable().assign(norm.getGain());
      op.setEpsAttr(norm.getEpsAttr());
    });
    return success();
  }
};

/// %r = quantize_rows %x : bias = [8];  %s = quantize_rows %x : bias = [128]
/// -> %r = quantize_rows %x : bias = [8, 128], which replaces both
struct MergeRows : OpRewritePattern<lowbit::QuantizeRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  static bool sameRows(lowbit::QuantizeRowsOp a, lowbit::QuantizeRowsOp b) {
    return a->getBlock() == b->getBlock() && a.getInput() == b.getInput() && !a.getResidual() &&
           !b.getResidual() && a.getNorm() == b.getNorm() && a.getEpsAttr() == b.getEpsAttr() &&
           a.getSelected() == b.getSelected() &&
           a.getResult().getType().getActivations() == b.getResult().getType().getActivations();
  }

  LogicalResult matchAndRewrite(lowbit::QuantizeRowsOp op, PatternRewriter &rewriter) const override {
    for (Operation *user : op.getInput().getUsers()) {
      auto later = dyn_cast<lowbit::QuantizeRowsOp>(user);
      if (!later || later == op || !op->isBeforeInBlock(later) || !sameRows(op, later))
        continue;
      lowbit::RowsType a = op.getResult().getType(), b = later.getResult().getType();
      SmallVector<int32_t> biases;
      std::set_union(a.getBiases().begin(), a.getBiases().end(), b.getBiases().begin(), b.getBiases().end(),
                     std::back_inserter(biases));
      auto type = lowbit::RowsType::get(getContext(), a.getCount(), a.getColumns(), a.getActivations(),
                                        biases, a.getSums() || b.getSums());
      rewriter.modifyOpInPlace(op, [&] { op.getResult().setType(type); });
      rewriter.replaceOp(later, op);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no later rows of the same input, norm, selection and precision");
  }
};

struct FuseRowsPass : nibble::impl::FuseRowsPassBase<FuseRowsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<NormIntoRows, MergeRows>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
