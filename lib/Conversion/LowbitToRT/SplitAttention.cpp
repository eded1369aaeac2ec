//===- SplitAttention.cpp - Attention as the dispatches in which it runs ----------------------===//
#include "lib/Conversion/LowbitToRT/Passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_SPLITATTENTIONPASS
#include "lib/Conversion/LowbitToRT/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

struct SplitAttentionPass : nibble::impl::SplitAttentionPassBase<SplitAttentionPass> {
  void runOnOperation() override {
    SmallVector<llm::AttentionOp> ops;
    getOperation().walk([&](llm::AttentionOp op) { ops.push_back(op); });
    for (llm::AttentionOp op : ops)
      split(op);
  }

  static void split(llm::AttentionOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    llm::CacheType cache = op.getCache().getType();
    auto heads = static_cast<int64_t>(op.getHeads()), headDim = cache.getHeadDim();
    IntegerAttr layer = op.getLayerAttr(), kvHeads = b.getI64IntegerAttr(cache.getKvHeads()),
                dim = b.getI64IntegerAttr(headDim);
    rt::StoreKVOp::create(b, loc, op.getKey(), op.getValue(), op.getCache(), layer, kvHeads, dim);
    auto partials = RankedTensorType::get({rt::kPartialRows, heads * (headDim + 2)}, b.getF32Type());
    auto attend =
        rt::AttendOp::create(b, loc, op.getType(), partials, op.getQuery(), op.getKey(), op.getValue(),
                             op.getCache(), op.getSinks(), layer, op.getHeadsAttr(), kvHeads, dim,
                             op.getScaleAttr(), op.getWindowAttr(), op.getSoftcapAttr());
    auto merge = rt::MergeOp::create(b, loc, op.getType(), attend.getResult(), attend.getPartials(),
                                     op.getSinks(), op.getHeadsAttr(), kvHeads, dim, op.getWindowAttr());
    op.replaceAllUsesWith(merge.getResult());
    op.erase();
  }
};

} // namespace
