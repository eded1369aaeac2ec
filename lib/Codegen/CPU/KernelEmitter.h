//===- KernelEmitter.h - What a family of kernels has to say ------------------------*- C++ -*-===//
//
// A kernel is a loop over items. Each family says how many items a batch makes and what one item does; the
// pass in EmitKernels.cpp wraps that into the functions of include/nibble/runtime/KernelABI.h.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelBuilder.h"

#include "dialects/RT/RT.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <memory>

namespace nibble {

/// The values that every item of a kernel can use.
struct KernelFrame {
  Value batch;                 // const NibbleBatch *
  SmallVector<Value> operands; // pointers: inputs, then results; a cache has two (K, V)
  Value scratch;               // the worker's own memory
};

class KernelEmitter {
public:
  virtual ~KernelEmitter() = default;
  /// i64: the number of items of this batch.
  virtual Value items(KernelBuilder &b, Value batch) = 0;
  /// Emits the work of item `item` (i64).
  virtual void item(KernelBuilder &b, const KernelFrame &frame, Value item) = 0;
  /// Emits a call's loop over items begin .. end - 1; what they share may be computed ahead of it.
  virtual void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) {
    b.loop(begin, end, 1, [&](Value number) { item(b, frame, number); });
  }
  /// Bytes of scratch that a worker needs.
  virtual int64_t scratchBytes() const { return 0; }
};

/// Each returns null after an error has been emitted. `cacheElement` is the type in which the cache is
/// stored.
std::unique_ptr<KernelEmitter> makeLinearEmitter(rt::KernelOp kernel, const CPUTarget &target);
std::unique_ptr<KernelEmitter> makeRowsEmitter(rt::KernelOp kernel, const CPUTarget &target);
std::unique_ptr<KernelEmitter> makeEmbedEmitter(rt::KernelOp kernel, const CPUTarget &target);
std::unique_ptr<KernelEmitter> makeAnglesEmitter(rt::KernelOp kernel, const CPUTarget &target);
std::unique_ptr<KernelEmitter> makeStoreKVEmitter(rt::KernelOp kernel, const CPUTarget &target,
                                                  Type cacheElement);
std::unique_ptr<KernelEmitter> makeAttendEmitter(rt::KernelOp kernel, const CPUTarget &target,
                                                 Type cacheElement);
std::unique_ptr<KernelEmitter> makeMergeEmitter(rt::KernelOp kernel, const CPUTarget &target);

/// A function as every kernel's is: what decides how LLVM compiles it is set. The builder goes to its start.
mlir::func::FuncOp beginKernelFunction(mlir::OpBuilder &builder, mlir::Location loc, const llvm::Twine &name,
                                       mlir::TypeRange inputs, mlir::TypeRange results,
                                       const CPUTarget &target);

/// Field of the batch at the offset `offsetof(NibbleBatch, field)`, as i64.
Value batchCount(KernelBuilder &b, Value batch, size_t offset);
/// The pointer field at that offset.
Value batchArray(KernelBuilder &b, Value batch, size_t offset);
/// array[i] of 32-bit elements, zero-extended to i64.
Value arrayElement(KernelBuilder &b, Value array, Value i);
/// Rows of a batch: tokens, or rows of logits.
Value rowCount(KernelBuilder &b, Value batch, lowbit::RowCount count);

/// The frame's pointer for a value of the kernel: a block argument or a result that is yielded.
Value operandOf(const KernelFrame &frame, rt::KernelOp kernel, Value value);
/// The pointers to K and to V of a cache.
std::pair<Value, Value> cacheOperandsOf(const KernelFrame &frame, rt::KernelOp kernel, Value cache);
/// The pages of a sequence (i64): an array of 32-bit numbers.
Value pagesOf(KernelBuilder &b, Value batch, Value sequence);
/// The frame's pointer for the kernel's result number `i`.
Value resultPointer(const KernelFrame &frame, rt::KernelOp kernel, unsigned i);

/// Clones elementwise f32 ops of `block` on vectors: `arguments` stand for its block arguments. Returns the
/// operands of its terminator.
SmallVector<Value> cloneOnVectors(KernelBuilder &b, mlir::Block &block, ValueRange arguments, int64_t lanes);

} // namespace nibble
