//===- StoreKVKernel.cpp - Kernels of rt.store_kv ---------------------------------------------===//
//
// An item is one token: K, normed and rotated, and V of all its heads go to the cache. Steps of at most 16
// tokens have no items: attention stores their rows itself.
//
//===------------------------------------------------------------------------------------------===//
#include "AttentionCache.h"
#include "AttentionHeads.h"

#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

namespace {

class StoreKVEmitter final : public KernelEmitter {
public:
  StoreKVEmitter(rt::KernelOp kernel, rt::StoreKVOp op, HeadInput key, Type cacheElement)
      : kernel(kernel), op(op), key(key), cache(cacheElement, op.getKvHeads(), op.getHeadDim()) {}

  Value items(KernelBuilder &b, Value batch) override {
    Value tokens = rowCount(b, batch, lowbit::RowCount::Tokens);
    return b.select(b.less(b.index(kPrivateTokens), tokens), tokens, b.index(0));
  }
  int64_t scratchBytes() const override { return 2 * rowBytes(); }

  void item(KernelBuilder &, const KernelFrame &, Value) override {
    llvm_unreachable("items of the store follow each other");
  }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    auto [keys, values] = cacheOperandsOf(frame, kernel, op.getCache());
    Value starts = batchArray(b, frame.batch, offsetof(NibbleBatch, queryStart));
    Value positions = batchArray(b, frame.batch, offsetof(NibbleBatch, position));
    b.loop(begin, end, 1, b.index(0), [&](Value row, ValueRange carried) {
      Value sequence = b.repeat(
                            carried,
                            [&](ValueRange s) -> Value {
                              Value behind = arrayElement(b, starts, b.add(s[0], 1));
                              return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, row, behind);
                            },
                            [&](ValueRange s) -> SmallVector<Value> { return {b.add(s[0], 1)}; })
                           .front();
      Value position = arrayElement(b, positions, row);
      Value page = arrayElement(b, pagesOf(b, frame.batch, sequence), b.div(position, kPageSize));
      b.loop(b.index(0), b.index(cache.kvHeads), 1, [&](Value head) {
        key.prepare(b, frame, kernel, cache.headDim, row, head, frame.scratch, 1.0);
        Value value = headOf(b, frame, kernel, op.getValue(), cache.headDim, row, head);
        cache.store(b, cache.head(b, keys, values, page, head), b.mod(position, kPageSize), frame.scratch,
                    value, b.at(frame.scratch, rowBytes()));
      });
      return SmallVector<Value>{sequence};
    });
  }

private:
  int64_t rowBytes() const { return (4 * cache.headDim + 63) / 64 * 64; }

  rt::KernelOp kernel;
  rt::StoreKVOp op;
  HeadInput key;
  AttentionCache cache;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeStoreKVEmitter(rt::KernelOp kernel, const CPUTarget &,
                                                          Type cacheElement) {
  auto ops = kernel.getBody().front().getOps<rt::StoreKVOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family store_kv holds one rt.store_kv";
    return nullptr;
  }
  auto key = HeadInput::trace(kernel, (*ops.begin()).getKey());
  if (!key)
    return nullptr;
  return std::make_unique<StoreKVEmitter>(kernel, *ops.begin(), *key, cacheElement);
}
