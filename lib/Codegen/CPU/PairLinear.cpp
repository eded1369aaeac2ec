//===- PairLinear.cpp - Linears of bf16 by matrix tiles ---------------------------------------===//
//
// The unit rounds unlike multiply-adds, so all tokens go through it, however few.
//
//===------------------------------------------------------------------------------------------===//
#include "LinearEmitter.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kSumsBytes = kMatrixTokens * 4 * kPanelRows; // of a tile

namespace {

class PairLinear final : public LinearEmitter {
public:
  PairLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target, int64_t tiles)
      : LinearEmitter(kernel, op, target), tiles(tiles) {
    stepTokens = kMatrixTokens;
    // Whole tiles, but for the last of a batch.
    int64_t most = tokenBlock >= tiles * kMatrixTokens ? tiles * kMatrixTokens : kMatrixTokens;
    tokenBlock = std::max(tokenBlock / most * most, kMatrixTokens);
    scratch = static_cast<int64_t>(weights.size()) * tiles * kSumsBytes;
  }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    // 1 to 16 tokens of the last tile. LLVM configures the unit once if it knows that ahead of all loops,
    // in the type that configuring takes: a conversion would move to where the value is used.
    Value total = arith::TruncIOp::create(b, b.i16(), rowCount(b, frame.batch, rows.getCount()));
    Value last = arith::AndIOp::create(b, b.sub(total, b.constant(b.i16(), int64_t(1))),
                                       b.constant(b.i16(), kMatrixTokens - 1));
    lastRows = b.add(last, b.constant(b.i16(), int64_t(1)));
    KernelEmitter::run(b, frame, begin, end);
  }

private:
  /// All tokens by matrix tiles of bf16, as many at once as there are.
  void tokens(KernelBuilder &b, const KernelFrame &frame, const Panels &panels, const Block &block) override {
    Value full = b.constant(b.i16(), kMatrixTokens), token = block.begin;
    for (int64_t count = tiles; count > 0; count /= 2) {
      int64_t step = count * kMatrixTokens;
      Value end = b.add(token, b.mul(b.div(b.sub(block.whole, token), step), step));
      b.loop(token, end, step,
             [&](Value first) { tileOfPairs(b, frame, panels.first, first, count, full, b.index(step)); });
      token = end;
    }
    Value rest = b.sub(block.end, block.whole);
    b.ifThen(b.less(b.index(0), rest),
             [&] { tileOfPairs(b, frame, panels.first, block.whole, 1, lastRows, rest); });
  }

  /// `number` tiles of `tileRows` tokens (i16) each, of `count` tokens together.
  void tileOfPairs(KernelBuilder &b, const KernelFrame &frame, Value panel, Value token, int64_t number,
                   Value tileRows, Value count) {
    PrefetchDistances ahead = prefetchDistances(b.target, number * kMatrixTokens);
    Value input = rowsOf(b, frame, token);
    SmallVector<Value> sources, sums; // of a tile; of a weight, f32 [tiles][16][16]
    for (int64_t tile = 0; tile < number; ++tile)
      sources.push_back(b.at(input, tile * kMatrixTokens * rows.getRowBytes()));
    for (auto [i, weight] : llvm::enumerate(weights)) {
      Value base = operandOf(frame, kernel, op.getWeights()[i]);
      sums.push_back(b.at(frame.scratch, static_cast<int64_t>(i) * tiles * kSumsBytes));
      lowbit::DotTileBF16Op::create(b, b.at(base, b.mul(panel, weight.layout.panelBytes())), sources,
                                    tileRows, sums.back(), weight.layout.paddedColumns(), rows.getRowBytes(),
                                    ahead.near, ahead.far);
    }
    b.loop(b.index(0), count, 1, [&](Value m) {
      SmallVector<SmallVector<Value>> row;
      for (Value sum : sums)
        row.push_back({b.load(b.vec(lanes, b.f32()), b.at(sum, b.mul(m, 4 * kPanelRows)), 4 * kPanelRows)});
      epilogue(b, frame, row, {panel, {}, 1}, b.add(token, m));
    });
  }

  const int64_t tiles; // at once
  Value lastRows;      // i16: tokens of the batch's last tile
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makePairLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                      const CPUTarget &target, int64_t tiles) {
  return std::make_unique<PairLinear>(kernel, op, target, tiles);
}
