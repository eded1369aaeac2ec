//===- MatrixLinear.cpp - Linears of integer rows by matrix tiles -----------------------------===//
//
// Whole records go through the unit, what is left through dot products: sums are the same integers.
//
//===------------------------------------------------------------------------------------------===//
#include "LinearEmitter.h"
#include "MatrixTile.h"

using namespace mlir;
using namespace nibble;

namespace {

class MatrixLinear final : public RecordLinear {
public:
  MatrixLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target, int64_t records)
      : RecordLinear(kernel, op, target), records(records) {
    scratch = matrixSumsBytes(rows, records);
    for (const WeightPanel &weight : weights)
      scratch += unpackedPanelBytes(weight);
  }

private:
  void wholeSteps(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                  const Block &block) override {
    b.ifThen(b.less(b.index(kRecordTokens - 1), b.sub(block.whole, block.begin)),
             [&] { matrixTiles(b, frame, panels.first, block); });
  }

  void matrixTiles(KernelBuilder &b, const KernelFrame &frame, Value panel, const Block &block) {
    SmallVector<Value> unpacked; // of each weight
    for (auto [i, weight] : llvm::enumerate(weights)) {
      unpacked.push_back(i == 0 ? b.at(frame.scratch, matrixSumsBytes(rows, records))
                                : b.at(unpacked.back(), unpackedPanelBytes(weights[i - 1])));
      emitUnpackedPanel(b, weight, panelOf(b, frame, i, panel), unpacked.back(), UnpackedCodes::Signed);
    }
    auto tile = [&](Value token, int64_t count) {
      Value input = rowsOf(b, frame, token);
      SmallVector<SmallVector<Value>> sums;
      for (auto [i, weight] : llvm::enumerate(weights))
        sums.push_back(emitMatrixTile(b, weight, rows, {unpacked[i], frame.scratch, input, count}));
      epilogue(b, frame, sums, {panel, {}, 1}, token);
    };
    int64_t step = records * kRecordTokens;
    Value even = b.add(block.begin, b.mul(b.div(b.sub(block.whole, block.begin), step), step));
    b.loop(block.begin, even, step, [&](Value token) { tile(token, records); });
    if (records > 1)
      b.loop(even, block.whole, kRecordTokens, [&](Value token) { tile(token, 1); });
  }

  const int64_t records; // in a matrix tile
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeMatrixLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                        const CPUTarget &target, int64_t records) {
  return std::make_unique<MatrixLinear>(kernel, op, target, records);
}
