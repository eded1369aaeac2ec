//===- AttentionSplit.cpp - How attention of a batch is cut into items ------------------------===//
#include "AttentionSplit.h"

#include "KernelEmitter.h"

#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

// Sequences of so few spans are not worth a barrier: 512 positions.
static constexpr int64_t kFewSpans = 2;
// Reading a span, and preparing queries for it, in rows of scores: what a tile costs beside its rows.
static constexpr int64_t kReadingCost = 4;
// Items a worker where attention is split, so that a slow worker leaves little behind.
static constexpr int64_t kItemsPerWorker = 4;

static Value ceilDiv(KernelBuilder &b, Value x, Value y) {
  return arith::DivUIOp::create(b, b.sub(b.add(x, y), b.index(1)), y);
}

int64_t AttentionSplit::largestTile() const { return std::max<int64_t>(longTile(), kPrivateTokens); }

Value AttentionSplit::firstBlock(KernelBuilder &b, Value position) const {
  if (!window)
    return b.index(0);
  return b.div(b.max(b.sub(position, b.index(*window - 1)), b.index(0)), kAttentionBlock);
}

AttentionSplit::Sequence AttentionSplit::sequence(KernelBuilder &b, const Batch &batch, Value number) const {
  Value starts = batchArray(b, batch.batch, offsetof(NibbleBatch, queryStart));
  Sequence s;
  s.number = number;
  s.begin = arrayElement(b, starts, number);
  s.rows = b.sub(arrayElement(b, starts, b.add(number, 1)), s.begin);
  s.length = arrayElement(b, batchArray(b, batch.batch, offsetof(NibbleBatch, kvLength)), number);
  s.firstSpan = b.div(firstBlock(b, b.sub(s.length, s.rows)), kSpanBlocks);
  s.spans = b.sub(b.ceilDiv(s.length, kSpanBlocks * kAttentionBlock), s.firstSpan);
  Value even = ceilDiv(b, s.rows, b.ceilDiv(s.rows, longTile()));
  s.tile = b.select(b.less(b.index(kPrivateTokens), s.rows), even, s.rows);
  s.tiles = ceilDiv(b, s.rows, s.tile);
  s.spanCost = b.add(b.mul(b.min(s.rows, s.tile), group), kReadingCost);
  if (!batch.share)
    return s;
  Value zero = b.index(0), one = b.index(1);
  Value run = b.max(arith::DivUIOp::create(b, batch.share, s.spanCost), one);
  s.isSplit = arith::AndIOp::create(b, b.less(zero, batch.share), b.less(run, s.spans));
  // Runs of equal lengths.
  s.runs = b.select(s.isSplit, ceilDiv(b, s.spans, run), one);
  s.run = ceilDiv(b, s.spans, s.runs);
  s.items = b.mul(s.tiles, s.runs);
  s.partialRows = b.select(s.isSplit, b.mul(s.rows, s.spans), zero);
  return s;
}

AttentionSplit::Batch AttentionSplit::decide(KernelBuilder &b, Value batch) const {
  Batch result{batch, {}, {}, batchCount(b, batch, offsetof(NibbleBatch, sequences))};
  result.isSmall = b.less(batchCount(b, batch, offsetof(NibbleBatch, tokens)), b.index(kPrivateTokens + 1));
  Value workers = batchCount(b, batch, offsetof(NibbleBatch, workers));
  Value zero = b.index(0);
  // What all items cost, and the most that one costs; the most spans; rows of partials if all were split.
  SmallVector<Value> sums =
      b.loop(b.index(0), result.sequences, 1, {zero, zero, zero, zero},
             [&](Value number, ValueRange carried) -> SmallVector<Value> {
               Sequence s = sequence(b, result, number);
               Value cost = b.mul(s.spans, b.add(b.mul(s.rows, group), b.mul(s.tiles, kReadingCost)));
               return {b.add(carried[0], b.mul(cost, kvHeads)), b.max(carried[1], b.mul(s.spans, s.spanCost)),
                       b.max(carried[2], s.spans), b.add(carried[3], b.mul(s.rows, s.spans))};
             });
  Value work = sums[0], costliest = sums[1], spans = sums[2], partialRows = sums[3];
  Sequence first = sequence(b, result, zero); // its items come last
  Value last = b.mul(first.spans, first.spanCost);
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  // No item may take more than a worker's share. Whoever gets a last one late keeps the others waiting: it
  // may take half of a share.
  Value isUneven = b.less(work, b.mul(b.max(costliest, b.mul(last, 2)), workers));
  Value pays =
      both(both(b.less(b.index(1), workers), isUneven),
           both(b.less(b.index(kFewSpans), spans), b.less(partialRows, b.index(rt::kPartialRows + 1))));
  Value share = ceilDiv(b, work, b.mul(b.max(workers, b.index(1)), kItemsPerWorker));
  result.share = b.select(pays, share, zero);
  return result;
}

Value AttentionSplit::mergeItems(KernelBuilder &b, const Sequence &s) {
  return b.select(s.isSplit, s.rows, b.index(0));
}

Value AttentionSplit::itemsOfHead(KernelBuilder &b, const Batch &batch, ItemsOf itemsOf) const {
  return b
      .loop(b.index(0), batch.sequences, 1, b.index(0),
            [&](Value number, ValueRange carried) -> SmallVector<Value> {
              return {b.add(carried[0], itemsOf(b, sequence(b, batch, number)))};
            })
      .front();
}

Value AttentionSplit::items(KernelBuilder &b, const Batch &batch, ItemsOf itemsOf) const {
  return b.mul(itemsOfHead(b, batch, itemsOf), kvHeads);
}

void AttentionSplit::forEachItem(KernelBuilder &b, const Batch &batch, Value begin, Value end,
                                 ItemsOf itemsOf, llvm::function_ref<void(const Item &)> body) const {
  Value zero = b.index(0), last = b.sub(batch.sequences, b.index(1));
  Value ofHead = b.max(itemsOfHead(b, batch, itemsOf), b.index(1));
  auto at = [&](Value place) { return sequence(b, batch, b.sub(last, place)); };
  auto div = [&](Value x) -> Value { return arith::DivUIOp::create(b, x, ofHead); };
  b.loop(div(begin), div(b.sub(b.add(end, ofHead), b.index(1))), 1, [&](Value head) {
    Value before = b.mul(head, ofHead);
    Value from = b.max(b.sub(begin, before), zero), to = b.min(b.sub(end, before), ofHead);
    // Carried: the sequence's place, and the items and rows of partials before it.
    b.loop(from, to, 1, {zero, zero, zero}, [&](Value item, ValueRange carried) {
      SmallVector<Value> found = b.repeat(
          carried,
          [&](ValueRange reached) -> Value {
            Value behind = b.add(reached[1], itemsOf(b, at(reached[0])));
            return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, item, behind);
          },
          [&](ValueRange reached) -> SmallVector<Value> {
            Sequence s = at(reached[0]);
            return {b.add(reached[0], 1), b.add(reached[1], itemsOf(b, s)), b.add(reached[2], s.partialRows)};
          });
      Sequence s = at(found[0]);
      body({s, head, b.sub(item, found[1]), found[2]});
      return found;
    });
  });
}
