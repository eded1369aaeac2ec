//===- StoreKVKernel.cpp - Kernels of rt.store_kv ---------------------------------------------===//
//
// An item is one head of a run of a sequence's tokens: those whose slots make a vector of positions. K,
// normed and rotated, is transposed in registers, so that each of the cache's lines is written in few pieces.
// Steps of at most 16 tokens have no items: attention stores their rows itself.
//
//===------------------------------------------------------------------------------------------===//
#include "AttentionCache.h"
#include "AttentionHeads.h"
#include "AttentionSplit.h"

#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

namespace {

class StoreKVEmitter final : public KernelEmitter {
public:
  StoreKVEmitter(rt::KernelOp kernel, rt::StoreKVOp op, HeadInput key, const CPUTarget &target,
                 Type cacheElement)
      : kernel(kernel), op(op), key(key), lanes(target.lanes()),
        cache(cacheElement, op.getKvHeads(), op.getHeadDim()),
        split(op.getKvHeads(), op.getKvHeads(), std::nullopt) {}

  Value items(KernelBuilder &b, Value batch) override {
    Value count = split.items(b, whole(b, batch), runs);
    Value tokens = rowCount(b, batch, lowbit::RowCount::Tokens);
    return b.select(b.less(b.index(kPrivateTokens), tokens), count, b.index(0));
  }
  int64_t scratchBytes() const override { return lanes * rowBytes(); }

  void item(KernelBuilder &, const KernelFrame &, Value) override {
    llvm_unreachable("items of the store follow each other");
  }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    auto [keys, values] = cacheOperandsOf(frame, kernel, op.getCache());
    split.forEachItem(b, whole(b, frame.batch), begin, end, runs, [&](const AttentionSplit::Item &item) {
      const AttentionSplit::Sequence &s = item.sequence;
      Value before = b.sub(s.length, s.rows); // position of its first row
      Value first = b.mul(b.add(b.div(before, lanes), item.number), lanes);
      Value head = item.head, slot = b.mod(first, kPageSize);
      Value page = arrayElement(b, pagesOf(b, frame.batch, s.number), b.div(first, kPageSize));
      CacheHead place = cache.head(b, keys, values, page, head);
      Value runBegin = b.max(b.sub(before, first), b.index(0)),
            runEnd = b.min(b.sub(s.length, first), b.index(lanes));
      b.loop(runBegin, runEnd, 1, [&](Value i) {
        Value row = b.add(s.begin, b.sub(b.add(first, i), before));
        Value k = b.at(frame.scratch, b.mul(i, rowBytes()));
        key.prepare(b, frame, kernel, cache.headDim, row, head, k, 1.0);
        cache.storeValue(b, place, b.add(slot, i), k,
                         headOf(b, frame, kernel, op.getValue(), cache.headDim, row, head));
      });
      cache.storeKeys(b, place, slot, frame.scratch, rowBytes(), runBegin, runEnd);
    });
  }

private:
  int64_t rowBytes() const { return (4 * cache.headDim + 63) / 64 * 64; }

  /// Of a sequence's rows.
  static Value runs(KernelBuilder &b, const AttentionSplit::Sequence &s) {
    const int64_t lanes = b.target.lanes();
    return b.sub(b.ceilDiv(s.length, lanes), b.div(b.sub(s.length, s.rows), lanes));
  }

  AttentionSplit::Batch whole(KernelBuilder &b, Value batch) const {
    return {batch, b.constant(b.getI1Type(), int64_t(0)), b.index(0),
            batchCount(b, batch, offsetof(NibbleBatch, sequences))};
  }

  rt::KernelOp kernel;
  rt::StoreKVOp op;
  HeadInput key;
  const int64_t lanes; // positions of a run
  AttentionCache cache;
  AttentionSplit split;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeStoreKVEmitter(rt::KernelOp kernel, const CPUTarget &target,
                                                          Type cacheElement) {
  auto ops = kernel.getBody().front().getOps<rt::StoreKVOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family store_kv holds one rt.store_kv";
    return nullptr;
  }
  auto key = HeadInput::trace(kernel, (*ops.begin()).getKey());
  if (!key)
    return nullptr;
  return std::make_unique<StoreKVEmitter>(kernel, *ops.begin(), *key, target, cacheElement);
}
