//===- FloatLinear.cpp - Linears of float rows by multiply-adds -------------------------------===//
#include "LinearEmitter.h"

using namespace mlir;
using namespace nibble;

namespace {

class FloatLinear final : public TiledLinear {
public:
  FloatLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
      : TiledLinear(kernel, op, target) {
    stepTokens = floatTileTokens(target, kFloatChains);
  }

private:
  TileShape shapeOf(int64_t count, int64_t) const override { return {1, std::min(stepTokens, count)}; }

  SmallVector<Value> sumsOf(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile) override {
    TileAddress moved = tile;
    moved.rows = b.at(tile.rows, tile.first * rows.getRowBytes());
    return emitFloatTile(b, weight, rows, moved);
  }
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeFloatLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                       const CPUTarget &target) {
  return std::make_unique<FloatLinear>(kernel, op, target);
}
