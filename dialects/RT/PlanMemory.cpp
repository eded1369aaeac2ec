//===- PlanMemory.cpp - Offsets of buffers in one arena ---------------------------------------===//
//
// 1. Number the dispatches, and the epochs that `always` barriers divide them into.
// 2. Find each buffer's lifetime: in epochs for the arena, in dispatches for a worker's private memory.
// 3. Place the buffers, largest first, each at the lowest offset that is free during its whole lifetime.
//
//===------------------------------------------------------------------------------------------===//
#include "dialects/RT/Passes.h"

#include "nibble/runtime/KernelABI.h"

#include "llvm/ADT/DenseMap.h"

#include <limits>

using namespace mlir;

namespace nibble::rt {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "dialects/RT/Passes.h.inc"
} // namespace nibble::rt

using namespace nibble::rt;

namespace {

/// First and last use, both inclusive.
struct Lifetime {
  int64_t first = std::numeric_limits<int64_t>::max();
  int64_t last = -1;

  void extend(int64_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
  bool overlaps(const Lifetime &other) const { return first <= other.last && other.first <= last; }
};

struct Block {
  BufferOp buffer;
  Lifetime lifetime;
  int64_t size = 0; // in the unit of its address space: bytes a row, or bytes
  int64_t offset = 0;
};

/// Offsets for `blocks` in an address space of their own; the size of that space.
int64_t place(MutableArrayRef<Block> blocks) {
  SmallVector<Block *> order;
  for (Block &block : blocks)
    order.push_back(&block);
  llvm::sort(order, [](const Block *a, const Block *b) {
    return a->size != b->size ? a->size > b->size : a < b; // of equal ones the earlier first
  });
  int64_t total = 0;
  SmallVector<Block *> placed; // by offset
  for (Block *block : order) {
    int64_t offset = 0;
    for (const Block *other : placed)
      if (other->lifetime.overlaps(block->lifetime) && other->offset < offset + block->size)
        offset = std::max(offset, other->offset + other->size);
    block->offset = offset;
    total = std::max(total, offset + block->size);
    auto above = llvm::find_if(placed, [&](const Block *other) { return other->offset > offset; });
    placed.insert(above, block);
  }
  return total;
}

struct PlanMemoryPass : nibble::rt::impl::PlanMemoryPassBase<PlanMemoryPass> {
  void runOnOperation() override {
    if (failed(findLifetimes()))
      return signalPassFailure();
    planArena();
    planPrivate();
  }

  LogicalResult findLifetimes();
  void planArena();
  void planPrivate();

  DenseMap<Value, Lifetime> epochs;     // of buffers in the arena
  DenseMap<Value, Lifetime> dispatches; // of buffers in a worker's private memory
};

} // namespace

LogicalResult PlanMemoryPass::findLifetimes() {
  epochs.clear();
  dispatches.clear();
  int64_t epoch = 0, index = 0;
  for (DispatchOp dispatch : getOperation().getBody().getOps<DispatchOp>()) {
    if (dispatch.getBarrier() == Barrier::Always)
      ++epoch;
    for (Value operand : dispatch.getOperands()) {
      epochs[operand].extend(epoch);
      dispatches[operand].extend(index);
    }
    ++index;
  }
  for (BufferOp buffer : getOperation().getBody().getOps<BufferOp>()) {
    if (!epochs.contains(buffer.getResult()))
      return buffer.emitOpError() << "\"" << buffer.getLabel() << "\" is used by no dispatch";
    if (llvm::count_if(buffer.getSize(), [](int64_t size) { return size != 0; }) != 1)
      return buffer.emitOpError()
             << "\"" << buffer.getLabel()
             << "\" has rows for tokens, rows for logits or a fixed size, one of the three";
    if (buffer.getLabel() == "logits")
      epochs[buffer.getResult()].extend(epoch);
  }
  return success();
}

void PlanMemoryPass::planArena() {
  SmallVector<Block> units[3]; // of tokens, of logits, of fixed size
  for (BufferOp buffer : getOperation().getBody().getOps<BufferOp>()) {
    ArrayRef<int64_t> size = buffer.getSize();
    size_t unit = size[0] != 0 ? 0 : size[1] != 0 ? 1 : 2;
    units[unit].push_back(
        {buffer, epochs[buffer.getResult()], int64_t(llvm::alignTo(size[unit], kBufferAlignment))});
  }
  SmallVector<int64_t> arena(3, 0);
  for (size_t unit = 0; unit < 3; ++unit) {
    int64_t bytes = place(units[unit]);
    for (Block &block : units[unit]) {
      SmallVector<int64_t> offset(arena); // behind all of the units before
      offset[unit] = block.offset;
      block.buffer.setOffset(offset);
    }
    arena[unit] = bytes;
  }
  getOperation().setArena(arena);
}

void PlanMemoryPass::planPrivate() {
  SmallVector<Block> blocks;
  for (BufferOp buffer : getOperation().getBody().getOps<BufferOp>()) {
    if (buffer.getSpace() != Space::Private)
      continue;
    int64_t bytes = (buffer.getSize()[0] + buffer.getSize()[1]) * int64_t(nibble::kPrivateTokens);
    blocks.push_back(
        {buffer, dispatches[buffer.getResult()], int64_t(llvm::alignTo(bytes, kBufferAlignment))});
  }
  int64_t total = place(blocks);
  for (Block &block : blocks)
    block.buffer.setPrivateOffset(block.offset);
  getOperation().setPrivateBytes(total);
}
