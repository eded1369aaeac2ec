//===- AttendKernel.cpp - Kernels of rt.attend ------------------------------------------------===//
//
// An item is a tile of a sequence's rows, one head of K and V with all the query heads that share it, and a
// run of spans (AttentionSplit.h):
//   1. in a step of at most 16 tokens, store the step's K and V of these blocks;
//   2. norm, rotate and scale the queries;
//   3. reduce block after block (AttentionBlock.h) and merge each into its span's triple; merge that into the
//      running triple or, where the sequence is split, leave it to rt.merge.
//
//===------------------------------------------------------------------------------------------===//
#include "AttentionBlock.h"
#include "AttentionHeads.h"
#include "AttentionSplit.h"

#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

namespace {

class AttendEmitter final : public KernelEmitter {
public:
  AttendEmitter(rt::KernelOp kernel, rt::AttendOp op, HeadInput query, HeadInput key, Type cacheElement)
      : kernel(kernel), op(op), query(query), key(key), heads(op.getHeads()), headDim(op.getHeadDim()),
        split(heads, op.getKvHeads(), op.getWindow()), cache(cacheElement, op.getKvHeads(), headDim),
        place(split.largestTile() * split.group, headDim) {
    formula.group = split.group;
    formula.window = split.window;
    if (op.getSoftcap())
      formula.softcap = op.getSoftcap()->convertToDouble();
  }

  Value items(KernelBuilder &b, Value batch) override {
    return split.items(b, split.decide(b, batch), itemsOf);
  }
  int64_t scratchBytes() const override { return place.bytes; }

  void item(KernelBuilder &, const KernelFrame &, Value) override {
    llvm_unreachable("items of attention follow each other");
  }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    AttentionSplit::Batch batch = split.decide(b, frame.batch);
    split.forEachItem(b, batch, begin, end, itemsOf,
                      [&](const AttentionSplit::Item &item) { itemOf(b, frame, batch, item); });
  }

private:
  static Value itemsOf(KernelBuilder &, const AttentionSplit::Sequence &s) { return s.items; }

  /// What the stages of an item share; all i64 or pointers.
  struct Item {
    Item(const KernelFrame &frame, const AttentionSplit::Sequence &sequence)
        : frame(frame), sequence(sequence) {}
    const KernelFrame &frame;
    const AttentionSplit::Sequence &sequence;
    Value isSmall;
    Value kvHead, row, rows, position; // the tile's rows of the batch, and the first one's position
    Value firstBlock, endBlock;
    Value pages, keys, values; // pages of the sequence; K and V of the layer
    Value partials; // the first row of partials of the tile's first row and the sequence's first span
  };

  void itemOf(KernelBuilder &b, const KernelFrame &frame, const AttentionSplit::Batch &batch,
              const AttentionSplit::Item &item) {
    const AttentionSplit::Sequence &s = item.sequence;
    Item it(frame, s);
    it.isSmall = batch.isSmall;
    it.kvHead = item.head;
    Value tile = b.mul(arith::DivUIOp::create(b, item.number, s.runs), s.tile),
          run = arith::RemUIOp::create(b, item.number, s.runs);
    it.row = b.add(s.begin, tile);
    it.rows = b.min(s.tile, b.sub(s.rows, tile));
    it.position = b.add(b.sub(s.length, s.rows), tile);
    Value span = b.add(s.firstSpan, b.mul(run, s.run));
    it.firstBlock = b.max(split.firstBlock(b, it.position), b.mul(span, kSpanBlocks));
    it.endBlock = b.min(b.ceilDiv(b.add(it.position, it.rows), kAttentionBlock),
                        b.mul(b.add(span, s.run), kSpanBlocks));

    it.pages = pagesOf(b, frame.batch, s.number);
    std::tie(it.keys, it.values) = cacheOperandsOf(frame, kernel, op.getCache());
    it.partials = b.add(item.partialRows, b.mul(tile, s.spans));
    b.ifThen(b.less(it.firstBlock, it.endBlock), [&] { attend(b, it); });
  }

  Value scratch(KernelBuilder &b, const Item &it, int64_t offset, Value bytes) {
    return b.at(b.at(it.frame.scratch, offset), bytes);
  }

  void attend(KernelBuilder &b, const Item &it) {
    b.ifThen(it.isSmall, [&] { storeRows(b, it); });
    Value firstHead = b.mul(it.kvHead, split.group);
    b.loop(b.index(0), it.rows, 1, [&](Value token) {
      b.loop(b.index(0), b.index(split.group), 1, [&](Value head) {
        Value row = b.add(b.mul(token, split.group), head);
        query.prepare(b, it.frame, kernel, headDim, b.add(it.row, token), b.add(firstHead, head),
                      scratch(b, it, place.queries, b.mul(row, place.rowStride)),
                      op.getScale().convertToDouble());
      });
    });
    AttentionBlock block(b, cache, formula, place, it.frame.scratch);
    Value rows = b.mul(it.rows, split.group), end = b.add(it.position, it.rows);
    auto reduce = [&](Value number) {
      AttentionBlockPlace where;
      where.first = b.mul(number, kAttentionBlock);
      where.limit = b.min(b.sub(end, where.first), b.index(kAttentionBlock));
      for (int64_t page = 0; page < 2; ++page) {
        where.pages[page] = pageOf(b, it, b.add(b.mul(number, 2), page));
        where.next[page] = pageOf(b, it, b.add(b.mul(number, 2), page + 2));
      }
      block.reduce(where, it.rows, it.position);
      block.merge(rows, place.block, place.span);
    };
    block.reset(rows, place.all);
    b.loop(b.div(it.firstBlock, kSpanBlocks), b.ceilDiv(it.endBlock, kSpanBlocks), 1, [&](Value span) {
      block.reset(rows, place.span);
      b.loop(b.max(it.firstBlock, b.mul(span, kSpanBlocks)),
             b.min(it.endBlock, b.mul(b.add(span, 1), kSpanBlocks)), 1, reduce);
      b.ifElse(
          it.sequence.isSplit, [&] { storePartials(b, it, rows, span); },
          [&] { block.merge(rows, place.span, place.all); });
    });
    b.ifElse(it.sequence.isSplit, [] {}, [&] { finishRows(b, it); });
  }

  /// Page `number` of the sequence, or its last where there are fewer.
  CacheHead pageOf(KernelBuilder &b, const Item &it, Value number) {
    Value last = b.div(b.sub(it.sequence.length, b.index(1)), kPageSize);
    return cache.head(b, it.keys, it.values, arrayElement(b, it.pages, b.min(number, last)), it.kvHead);
  }

  /// The step's own rows among the item's blocks: no other item reads or writes them.
  void storeRows(KernelBuilder &b, const Item &it) {
    auto rowAt = [&](Value block) { // of the tile: the first at or behind the block's start
      Value row = b.max(b.sub(b.mul(block, kAttentionBlock), it.position), b.index(0));
      return b.min(row, it.rows);
    };
    b.loop(rowAt(it.firstBlock), rowAt(it.endBlock), 1, [&](Value token) {
      Value row = b.add(it.row, token), position = b.add(it.position, token);
      Value rotated = b.at(it.frame.scratch, place.all.output), temporary = b.at(it.frame.scratch, place.row);
      key.prepare(b, it.frame, kernel, headDim, row, it.kvHead, rotated, 1.0);
      Value value = headOf(b, it.frame, kernel, op.getValue(), headDim, row, it.kvHead);
      cache.store(b, pageOf(b, it, b.div(position, kPageSize)), b.mod(position, kPageSize), rotated, value,
                  temporary);
    });
  }

  /// The span's triples, for rt.merge: row (row, span) is o, then m, then l of all heads.
  void storePartials(KernelBuilder &b, const Item &it, Value rows, Value span) {
    Value base = resultPointer(it.frame, kernel, 1);
    int64_t rowBytes = rt::rowBytes(op.getPartials().getType());
    Value inSequence = b.sub(span, it.sequence.firstSpan);
    b.loop(b.index(0), rows, 1, [&](Value row) {
      Value token = b.div(row, split.group), inGroup = b.mod(row, split.group);
      Value index = b.add(b.add(it.partials, b.mul(token, it.sequence.spans)), inSequence);
      Value to = b.at(base, b.mul(index, rowBytes));
      Value head = b.add(b.mul(it.kvHead, split.group), inGroup), from = b.mul(row, place.rowStride);
      Value output = b.at(to, b.mul(head, 4 * headDim));
      for (const Piece &piece : b.pieces(headDim)) {
        VectorType type = b.vec(piece.lanes, b.f32());
        b.store(b.load(type, scratch(b, it, place.span.output, from), 4 * piece.begin, 4), output,
                4 * piece.begin, 4);
      }
      Value numbers = b.at(to, b.mul(head, 4)), offset = b.mul(row, 4);
      b.store(b.load(b.f32(), scratch(b, it, place.span.most, offset), 4), numbers, 4 * heads * headDim, 4);
      b.store(b.load(b.f32(), scratch(b, it, place.span.sum, offset), 4), numbers, 4 * heads * (headDim + 1),
              4);
    });
  }

  void finishRows(KernelBuilder &b, const Item &it) {
    Value result = resultPointer(it.frame, kernel, 0);
    b.loop(b.index(0), b.mul(it.rows, split.group), 1, [&](Value row) {
      Value token = b.div(row, split.group), offset = b.mul(row, 4);
      Value head = b.add(b.mul(it.kvHead, split.group), b.mod(row, split.group));
      Value out = b.at(b.at(result, b.mul(b.add(it.row, token), rt::rowBytes(op.getResult().getType()))),
                       b.mul(head, 4 * headDim));
      Value sink;
      if (op.getSinks())
        sink = b.load(b.f32(), b.at(operandOf(it.frame, kernel, op.getSinks()), b.mul(head, 4)), 4);
      finishHead(b,
                 {scratch(b, it, place.all.output, b.mul(row, place.rowStride)),
                  scratch(b, it, place.all.most, offset), scratch(b, it, place.all.sum, offset)},
                 sink, headDim, out);
    });
  }

  rt::KernelOp kernel;
  rt::AttendOp op;
  HeadInput query, key;
  const int64_t heads, headDim;
  AttentionSplit split;
  AttentionCache cache;
  AttentionScratch place;
  AttentionFormula formula;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeAttendEmitter(rt::KernelOp kernel, const CPUTarget &,
                                                         Type cacheElement) {
  auto ops = kernel.getBody().front().getOps<rt::AttendOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family attention holds one rt.attend";
    return nullptr;
  }
  rt::AttendOp op = *ops.begin();
  auto query = HeadInput::trace(kernel, op.getQuery()), key = HeadInput::trace(kernel, op.getKey());
  if (!query || !key)
    return nullptr;
  return std::make_unique<AttendEmitter>(kernel, op, *query, *key, cacheElement);
}
