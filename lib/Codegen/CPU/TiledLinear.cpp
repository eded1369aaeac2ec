//===- TiledLinear.cpp - Linears by tiles that registers hold ---------------------------------===//
#include "IntegerRecord.h"
#include "LinearEmitter.h"

using namespace mlir;
using namespace nibble;

void TiledLinear::tokens(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                         const Block &block) {
  wholeSteps(b, frame, panels, block);
  Value rest = b.sub(block.end, block.whole);
  for (int64_t count = 1; count < stepTokens; ++count)
    b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, b.index(count)), [&] {
      forRows(b, panels, shapeOf(count, panels).vectors,
              [&](const TileRows &at) { step(b, frame, at, block.whole, count, From::Memory); });
    });
}

/// The first finds the panel in memory, the others in a cache.
void TiledLinear::wholeSteps(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                             const Block &block) {
  forRows(b, panels, shapeOf(stepTokens, panels).vectors, [&](const TileRows &at) {
    b.ifThen(b.less(block.begin, block.whole),
             [&] { step(b, frame, at, block.begin, stepTokens, From::Memory); });
    steps(b, frame, at, {b.add(block.begin, stepTokens), block.whole, block.end}, From::Cache);
  });
}

void TiledLinear::steps(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, const Block &block,
                        From from) {
  b.loop(block.begin, block.whole, stepTokens,
         [&](Value token) { step(b, frame, at, token, stepTokens, from); });
}

/// `count` tokens, which share a record where rows have any, in tiles that fit the registers.
void TiledLinear::step(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, Value token,
                       int64_t count, From from) {
  Value input = rowsOf(b, frame, token);
  const int64_t each = shapeOf(count, at.vectors).tokens;
  for (int64_t first = 0; first < count; first += each) {
    int64_t tokens = std::min(each, count - first);
    SmallVector<SmallVector<Value>> sums; // [weight][vector][token]
    for (auto [i, weight] : llvm::enumerate(weights)) {
      TileAddress tile{panelOf(b, frame, i, at.panel),    at.offset, input, count, first, tokens,
                       from == From::Memory && first == 0};
      tile.vectors = at.vectors;
      sums.push_back(sumsOf(b, weight, tile));
    }
    epilogue(b, frame, sums, at, b.add(token, first));
  }
}

//===------------------------------------------------------------------------------------------------------===//
// Records
//===------------------------------------------------------------------------------------------------------===//

RecordLinear::RecordLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
    : TiledLinear(kernel, op, target) {
  stepTokens = kRecordTokens;
  for (auto [i, weight] : llvm::enumerate(weights)) {
    GroupWork work = workOf(weight.layout.format, rows);
    hardest = i == 0 ? work : hardest.with(work);
  }
}

TileShape RecordLinear::shapeOf(int64_t count, int64_t vectors) const {
  return integerTile(target, hardest, count, vectors);
}

SmallVector<Value> RecordLinear::sumsOf(KernelBuilder &b, const WeightPanel &weight,
                                        const TileAddress &tile) {
  return emitIntegerTile(b, weight, rows, tile);
}
