//===- AttentionSplit.h - How attention of a batch is cut into items ----------------*- C++ -*-===//
//
// An item is a tile of a sequence's rows, one head of K and V, and, where that makes too few items for the
// workers or too uneven ones, a run of blocks of 64 positions. Attention and the merging of split blocks
// decide alike, from the batch alone; no result depends on it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelBuilder.h"

#include <optional>

namespace nibble {

class AttentionSplit {
public:
  AttentionSplit(int64_t heads, int64_t kvHeads, std::optional<int64_t> window)
      : kvHeads(kvHeads), group(heads / kvHeads), window(window) {}

  const int64_t kvHeads;
  const int64_t group; // query heads of one head of K and V
  const std::optional<int64_t> window;

  /// Rows of a tile in a long step: with their heads about 72 rows of scores, so that converting a block of K
  /// and V is small beside its products (with 48 a prompt takes a tenth longer), and prompts still make tiles
  /// enough for all workers.
  int64_t longTile() const { return std::max<int64_t>(1, 72 / group); }
  /// The most rows of a tile: in a step of at most 16 tokens a tile is all of a sequence.
  int64_t largestTile() const;

  /// What is decided once for a batch; all values are i64 or i1.
  struct Batch {
    Value batch;
    Value isSmall;   // at most 16 tokens
    Value run;       // blocks of an item; 0: not split
    Value sequences; // S
  };
  Batch decide(KernelBuilder &b, Value batch) const;

  struct Sequence {
    Value number;             // in the batch
    Value begin, rows;        // rows of the batch
    Value length;             // positions in the cache, those of the step among them
    Value firstBlock, blocks; // that any of its rows sees
    Value tile;               // rows of a tile
    Value runs;               // items of a tile and head
    Value items;              // of all its tiles and heads
    Value partialRows;        // rows x blocks, 0 where the batch is not split
  };
  Sequence sequence(KernelBuilder &b, const Batch &batch, Value number) const;

  /// Items of attention, and of merging: one a row and head of K and V, none where the batch is not split.
  Value attendItems(KernelBuilder &b, Value batch) const;
  Value mergeItems(KernelBuilder &b, Value batch) const;

  /// The first block that a row at `position` sees.
  Value firstBlock(KernelBuilder &b, Value position) const;

  /// Calls body(sequence, number within it, rows of partials before it) for items begin .. end - 1, where a
  /// sequence makes itemsOf(sequence).
  void forEachItem(KernelBuilder &b, const Batch &batch, Value begin, Value end,
                   llvm::function_ref<Value(const Sequence &)> itemsOf,
                   llvm::function_ref<void(const Sequence &, Value, Value)> body) const;
};

} // namespace nibble
