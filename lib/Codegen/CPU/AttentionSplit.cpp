//===- AttentionSplit.cpp - How attention of a batch is cut into items ------------------------===//
#include "AttentionSplit.h"

#include "KernelEmitter.h"

#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

// Blocks below which a sequence is not worth a barrier: 512 positions.
static constexpr int64_t kFewestBlocks = 8;
// Blocks of an item at least: its queries are prepared for each item again.
static constexpr int64_t kShortestRun = 4;
// Items a worker where attention is split, so that a slow worker leaves little behind.
static constexpr int64_t kItemsPerWorker = 4;

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
  s.firstBlock = firstBlock(b, b.sub(s.length, s.rows));
  s.blocks = b.sub(b.ceilDiv(s.length, kAttentionBlock), s.firstBlock);
  s.tile = b.select(batch.isSmall, b.index(largestTile()), b.index(longTile()));
  Value tiles = arith::DivUIOp::create(b, b.sub(b.add(s.rows, s.tile), b.index(1)), s.tile);
  if (!batch.run)
    return s;
  Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, batch.run, b.index(0));
  Value run = b.select(isWhole, b.index(1), batch.run);
  Value runs = arith::DivUIOp::create(b, b.sub(b.add(s.blocks, run), b.index(1)), run);
  s.runs = b.select(isWhole, b.index(1), runs);
  s.items = b.mul(b.mul(tiles, s.runs), kvHeads);
  s.partialRows = b.select(isWhole, b.index(0), b.mul(s.rows, s.blocks));
  return s;
}

AttentionSplit::Batch AttentionSplit::decide(KernelBuilder &b, Value batch) const {
  Batch result{batch, {}, {}, batchCount(b, batch, offsetof(NibbleBatch, sequences))};
  result.isSmall = b.less(batchCount(b, batch, offsetof(NibbleBatch, tokens)), b.index(kPrivateTokens + 1));
  Value workers = batchCount(b, batch, offsetof(NibbleBatch, workers));
  Value zero = b.index(0);
  // Work in blocks of a tile and head: all of it, the most of one item, and rows of partials.
  SmallVector<Value> sums =
      b.loop(b.index(0), result.sequences, 1, {zero, zero, zero},
             [&](Value number, ValueRange carried) -> SmallVector<Value> {
               Sequence s = sequence(b, result, number);
               Value tiles = arith::DivUIOp::create(b, b.sub(b.add(s.rows, s.tile), b.index(1)), s.tile);
               return {b.add(carried[0], b.mul(b.mul(tiles, s.blocks), kvHeads)), b.max(carried[1], s.blocks),
                       b.add(carried[2], b.mul(s.rows, s.blocks))};
             });
  Value work = sums[0], longest = sums[1], partialRows = sums[2];
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  // Whoever gets the longest item last keeps the others waiting: it may take half of a worker's share.
  Value isUneven = b.less(work, b.mul(b.mul(longest, workers), 2));
  Value pays = both(
      both(b.less(b.index(1), workers), isUneven),
      both(b.less(b.index(kFewestBlocks - 1), longest), b.less(partialRows, b.index(rt::kPartialRows + 1))));
  Value share = b.mul(b.max(workers, b.index(1)), kItemsPerWorker);
  Value run = arith::DivUIOp::create(b, b.sub(b.add(work, share), b.index(1)), share);
  result.run = b.select(pays, b.max(run, b.index(kShortestRun)), zero);
  return result;
}

Value AttentionSplit::attendItems(KernelBuilder &b, Value batch) const {
  Batch decided = decide(b, batch);
  return b
      .loop(b.index(0), decided.sequences, 1, b.index(0),
            [&](Value number, ValueRange carried) -> SmallVector<Value> {
              return {b.add(carried[0], sequence(b, decided, number).items)};
            })
      .front();
}

Value AttentionSplit::mergeItems(KernelBuilder &b, Value batch) const {
  Batch decided = decide(b, batch);
  Value rows = b.mul(batchCount(b, batch, offsetof(NibbleBatch, tokens)), kvHeads);
  Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, decided.run, b.index(0));
  return b.select(isWhole, b.index(0), rows);
}

void AttentionSplit::forEachItem(KernelBuilder &b, const Batch &batch, Value begin, Value end,
                                 llvm::function_ref<Value(const Sequence &)> itemsOf,
                                 llvm::function_ref<void(const Sequence &, Value, Value)> body) const {
  Value zero = b.index(0);
  // Carried: the sequence, and the items and rows of partials before it.
  b.loop(begin, end, 1, {zero, zero, zero}, [&](Value item, ValueRange carried) {
    SmallVector<Value> found = b.repeat(
        carried,
        [&](ValueRange at) -> Value {
          Value behind = b.add(at[1], itemsOf(sequence(b, batch, at[0])));
          return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, item, behind);
        },
        [&](ValueRange at) -> SmallVector<Value> {
          Sequence s = sequence(b, batch, at[0]);
          return {b.add(at[0], 1), b.add(at[1], itemsOf(s)), b.add(at[2], s.partialRows)};
        });
    body(sequence(b, batch, found[0]), b.sub(item, found[1]), found[2]);
    return found;
  });
}
