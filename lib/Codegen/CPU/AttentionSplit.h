//===- AttentionSplit.h - How attention of a batch is cut into items ----------------*- C++ -*-===//
//
// An item is a tile of a sequence's rows and one head of K and V; where that makes too few items for the
// workers or too uneven ones, those of costly sequences are cut into runs of spans (AttentionBlock.h).
// Attention and the merging of what was cut decide alike, from the batch alone; no result depends on it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "AttentionBlock.h"

#include <optional>

namespace nibble {

class AttentionSplit {
public:
  AttentionSplit(int64_t heads, int64_t kvHeads, std::optional<int64_t> window)
      : kvHeads(kvHeads), group(heads / kvHeads), window(window) {}

  const int64_t kvHeads;
  const int64_t group; // query heads of one head of K and V
  const std::optional<int64_t> window;

  /// Most rows of a tile of a long sequence: with their heads about 72 rows of scores, so that converting a
  /// block of K and V is small beside its products (with 48 a prompt takes a tenth longer), and prompts still
  /// make tiles enough for all workers.
  int64_t longTile() const { return std::max<int64_t>(1, 72 / group); }
  /// The most rows of any tile: up to 16 rows of a sequence are one tile.
  int64_t largestTile() const;

  /// What is decided once for a batch; all values are i64 or i1. Costs count rows of scores: one head of one
  /// row against one span.
  struct Batch {
    Value batch;
    Value isSmall;   // at most 16 tokens
    Value share;     // what an item may cost before its sequence is split; 0: none is
    Value sequences; // S
  };
  Batch decide(KernelBuilder &b, Value batch) const;

  struct Sequence {
    Value number;           // in the batch
    Value begin, rows;      // rows of the batch
    Value length;           // positions in the cache, those of the step among them
    Value firstSpan, spans; // that any of its rows sees
    Value tile, tiles;      // rows of a tile; tiles
    Value spanCost;         // of a tile and head against one span
    Value isSplit;          // i1: whether items are runs of spans
    Value run, runs;        // spans of an item; items of a tile and head
    Value items;            // of all its tiles, for one head of K and V
    Value partialRows;      // rows x spans, 0 where it is not split
  };
  Sequence sequence(KernelBuilder &b, const Batch &batch, Value number) const;

  /// Items of merging for one head of K and V, where Sequence::items are those of attention: one a row of a
  /// split sequence.
  static Value mergeItems(KernelBuilder &b, const Sequence &s);
  using ItemsOf = llvm::function_ref<Value(KernelBuilder &, const Sequence &)>;
  /// Items of all sequences and heads, where a sequence makes itemsOf(sequence) for each head.
  Value items(KernelBuilder &b, const Batch &batch, ItemsOf itemsOf) const;

  /// The first block that a row at `position` sees.
  Value firstBlock(KernelBuilder &b, Value position) const;

  /// An item, as forEachItem finds it; all values are i64.
  struct Item {
    const Sequence &sequence;
    Value head, number; // of K and V; of the item among the sequence's of this head
    Value partialRows;  // of the sequences before this one
  };
  /// Calls body for items begin .. end - 1. They are ordered by heads, so that each worker's share, which is
  /// a run of them, has items of all sequences. Within a head the batch's last sequence comes first: prompts
  /// stand behind those that decode (Scheduler.h), and costly items want to be begun early.
  void forEachItem(KernelBuilder &b, const Batch &batch, Value begin, Value end, ItemsOf itemsOf,
                   llvm::function_ref<void(const Item &)> body) const;

private:
  /// Items of all sequences for one head.
  Value itemsOfHead(KernelBuilder &b, const Batch &batch, ItemsOf itemsOf) const;
};

} // namespace nibble
