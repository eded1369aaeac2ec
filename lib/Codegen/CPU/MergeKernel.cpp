//===- MergeKernel.cpp - Kernels of rt.merge --------------------------------------------------===//
//
// An item is one row of a split sequence and one head of K and V: its query heads' triples (m, l, o), one for
// each span, are merged in ascending order by the very operations that attention uses where it is not split.
//
//===------------------------------------------------------------------------------------------===//
#include "AttentionBlock.h"
#include "AttentionSplit.h"
#include "KernelEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nibble;

namespace {

class MergeEmitter final : public KernelEmitter {
public:
  MergeEmitter(rt::KernelOp kernel, rt::MergeOp op)
      : kernel(kernel), op(op), heads(op.getHeads()), headDim(op.getHeadDim()),
        split(heads, op.getKvHeads(), op.getWindow()) {}

  Value items(KernelBuilder &b, Value batch) override {
    return split.items(b, split.decide(b, batch), AttentionSplit::mergeItems);
  }
  /// o of one head, then m and l.
  int64_t scratchBytes() const override { return numbersOffset() + 64; }

  void item(KernelBuilder &, const KernelFrame &, Value) override {
    llvm_unreachable("items of merging follow each other");
  }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    split.forEachItem(
        b, split.decide(b, frame.batch), begin, end, AttentionSplit::mergeItems,
        [&](const AttentionSplit::Item &item) {
          const AttentionSplit::Sequence &s = item.sequence;
          Value token = item.number, position = b.add(b.sub(s.length, s.rows), token);
          Value first = b.sub(b.div(split.firstBlock(b, position), kSpanBlocks), s.firstSpan);
          Value behind = b.sub(b.ceilDiv(b.add(position, 1), kSpanBlocks * kAttentionBlock), s.firstSpan);
          Value base = b.add(item.partialRows, b.mul(token, s.spans));
          b.loop(b.index(0), b.index(split.group), 1, [&](Value inGroup) {
            mergeHead(b, frame, b.add(s.begin, token), b.add(b.mul(item.head, split.group), inGroup),
                      b.add(base, first), b.add(base, behind));
          });
        });
  }

private:
  int64_t numbersOffset() const { return (4 * headDim + 63) / 64 * 64; }

  /// Rows begin .. end - 1 of the partials are the spans of this row and head.
  void mergeHead(KernelBuilder &b, const KernelFrame &frame, Value row, Value head, Value begin, Value end) {
    int64_t rowBytes = rt::rowBytes(op.getPartials().getType());
    Value partials = operandOf(frame, kernel, op.getPartials());
    SmallVector<Piece> pieces = b.pieces(headDim);
    // m, l, then o in pieces.
    SmallVector<Value> init = {b.constant(b.f32(), kMaskedScore), b.constant(b.f32(), 0.0)};
    for (const Piece &piece : pieces)
      init.push_back(b.constant(b.vec(piece.lanes, b.f32()), 0.0));
    SmallVector<Value> merged = b.loop(begin, end, 1, init, [&](Value index, ValueRange carried) {
      Value from = b.at(partials, b.mul(index, rowBytes)), numbers = b.at(from, b.mul(head, 4));
      Value ofSpan = b.load(b.f32(), numbers, 4 * heads * headDim, 4),
            sum = b.load(b.f32(), numbers, 4 * heads * (headDim + 1), 4);
      Value before = carried[0], after = b.greater(before, ofSpan);
      Value keep = math::ExpOp::create(b, b.sub(before, after)),
            take = math::ExpOp::create(b, b.sub(ofSpan, after));
      SmallVector<Value> next = {after, b.fma(sum, take, b.mul(carried[1], keep))};
      Value output = b.at(from, b.mul(head, 4 * headDim));
      for (auto [i, piece] : llvm::enumerate(pieces)) {
        Value o = b.load(b.vec(piece.lanes, b.f32()), output, 4 * piece.begin, 4);
        next.push_back(
            b.fma(o, b.splat(take, piece.lanes), b.mul(carried[2 + i], b.splat(keep, piece.lanes))));
      }
      return next;
    });
    AttentionTotals totals{frame.scratch, b.at(frame.scratch, numbersOffset()),
                           b.at(frame.scratch, numbersOffset() + 4)};
    for (auto [i, piece] : llvm::enumerate(pieces))
      b.store(merged[2 + i], totals.output, 4 * piece.begin, 4);
    b.store(merged[0], totals.most, 4);
    b.store(merged[1], totals.sum, 4);
    Value sink;
    if (op.getSinks())
      sink = b.load(b.f32(), b.at(operandOf(frame, kernel, op.getSinks()), b.mul(head, 4)), 4);
    Value result = resultPointer(frame, kernel, 0);
    finishHead(b, totals, sink, headDim,
               b.at(b.at(result, b.mul(row, rt::rowBytes(op.getType()))), b.mul(head, 4 * headDim)));
  }

  rt::KernelOp kernel;
  rt::MergeOp op;
  const int64_t heads, headDim;
  AttentionSplit split;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeMergeEmitter(rt::KernelOp kernel, const CPUTarget &) {
  auto ops = kernel.getBody().front().getOps<rt::MergeOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family merge holds one rt.merge";
    return nullptr;
  }
  return std::make_unique<MergeEmitter>(kernel, *ops.begin());
}
