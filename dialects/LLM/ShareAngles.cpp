//===- ShareAngles.cpp - Angles of rotary embedding, once a step ------------------------------===//
//
// sin and cos of a position cost as much as a hundred multiplications; a model of 16 layers needs each of
// them once a token, not once for every head of K in every layer.
//
//===------------------------------------------------------------------------------------------===//
#include "dialects/LLM/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;

namespace nibble::llm {
#define GEN_PASS_DEF_SHAREANGLESPASS
#include "dialects/LLM/Passes.h.inc"
} // namespace nibble::llm

using namespace nibble::llm;

namespace {

struct ShareAnglesPass : nibble::llm::impl::ShareAnglesPassBase<ShareAnglesPass> {
  void runOnOperation() override {
    SmallVector<RopeOp> ropes;
    getOperation().walk([&](RopeOp rope) { ropes.push_back(rope); });
    DenseMap<std::tuple<Value, Attribute, Attribute>, AnglesOp> known;
    for (RopeOp rope : ropes) {
      AnglesOp &angles =
          known[{rope.getPositions(), rope.getInverseFrequenciesAttr(), rope.getAttentionFactorAttr()}];
      OpBuilder builder(rope);
      if (!angles) {
        builder.setInsertionPointAfterValue(rope.getPositions());
        auto columns = static_cast<int64_t>(2 * rope.getInverseFrequencies().size());
        auto type = RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
        angles = AnglesOp::create(builder, rope.getLoc(), type, rope.getPositions(),
                                  rope.getInverseFrequenciesAttr(), rope.getAttentionFactorAttr());
        builder.setInsertionPoint(rope);
      }
      auto rotate = RotateOp::create(builder, rope.getLoc(), rope.getType(), rope.getInput(), angles,
                                     rope.getHeadDimAttr());
      rope.replaceAllUsesWith(rotate.getResult());
      rope.erase();
    }
  }
};

} // namespace
