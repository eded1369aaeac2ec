//===- PlaceBarriers.cpp - The fewest barriers that keep readers behind writers ---------------===//
//
// A barrier costs microseconds and a step of one token has hundreds of dispatches, so each must have a
// reason.
//
//===------------------------------------------------------------------------------------------===//
#include "dialects/RT/Passes.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace nibble::rt {
#define GEN_PASS_DEF_PLACEBARRIERSPASS
#include "dialects/RT/Passes.h.inc"
} // namespace nibble::rt

using namespace nibble::rt;

namespace {

/// What dispatches have written that other workers may not see yet.
struct Unseen {
  DenseSet<Value> shared;       // arena buffers, since the last `always` barrier
  DenseSet<int64_t> layers;     // layers of the cache, since the last `always` barrier
  DenseSet<Value> privateSpace; // private buffers, since the last barrier of either kind
};

bool isPrivate(Value operand) {
  auto buffer = operand.getDefiningOp<BufferOp>();
  return buffer && buffer.getSpace() == Space::Private;
}

Barrier barrierBefore(DispatchOp dispatch, const Unseen &unseen) {
  auto waits = [&](Value operand) {
    if (auto cache = operand.getDefiningOp<CacheOp>())
      return unseen.layers.contains(cache.getLayer());
    return unseen.shared.contains(operand);
  };
  if (llvm::any_of(dispatch.getOperands(), waits))
    return Barrier::Always;
  if (llvm::any_of(dispatch.getOperands(), [&](Value v) { return unseen.privateSpace.contains(v); }))
    return Barrier::Shared;
  return Barrier::Never;
}

struct PlaceBarriersPass : nibble::rt::impl::PlaceBarriersPassBase<PlaceBarriersPass> {
  void runOnOperation() override {
    Unseen unseen;
    for (DispatchOp dispatch : getOperation().getBody().getOps<DispatchOp>()) {
      Barrier barrier = barrierBefore(dispatch, unseen);
      dispatch.setBarrier(barrier);
      if (barrier == Barrier::Always)
        unseen = Unseen();
      else if (barrier == Barrier::Shared)
        unseen.privateSpace.clear();
      for (Value input : dispatch.getInputs())
        if (auto cache = input.getDefiningOp<CacheOp>())
          unseen.layers.insert(cache.getLayer());
      for (Value output : dispatch.getOutputs())
        (isPrivate(output) ? unseen.privateSpace : unseen.shared).insert(output);
    }
  }
};

} // namespace
