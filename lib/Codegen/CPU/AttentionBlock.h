//===- AttentionBlock.h - Rows of queries against one block of positions ------------*- C++ -*-===//
//
// A block's scores, softmax and sum of values. One token reads the cache as it lies; a tile of tokens
// converts the block to f32 once. Both multiply and add in the same order, position by position and element
// by element, so a row's bits do not depend on its company.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "AttentionCache.h"

#include <optional>

namespace nibble {

/// What decides the arithmetic of a block, besides the cache.
struct AttentionFormula {
  int64_t group; // query heads of one head of K and V: rows of scores of one token
  std::optional<int64_t> window;
  std::optional<double> softcap;
};

/// The score of a position that a row does not see. Finite, so that exp(masked - masked) is no NaN.
inline constexpr double kMaskedScore = -3.0e38;

/// Blocks whose triples are merged with each other before their sum joins that of the spans before: 256
/// positions, counted from position 0. Where attention is split, each span leaves one triple to rt.merge.
inline constexpr int64_t kSpanBlocks = 4;

/// Where triples of all rows lie in a worker's scratch, in bytes.
struct AttentionTriples {
  int64_t output, most, sum; // o: [rows][head_dim]; m and l: [rows]
};

/// Where a block's numbers lie in a worker's scratch, in bytes; a row is one head of one token.
struct AttentionScratch {
  /// `rows`: the most rows of a tile.
  AttentionScratch(int64_t rows, int64_t headDim);

  int64_t rowStride;              // from one row of queries or outputs to the next
  int64_t queries;                // [rows][head_dim]
  int64_t scores;                 // [rows][64]: scores, then exp(s - m), times V's scales
  AttentionTriples block;         // of one block
  AttentionTriples span, all;     // of the span so far, and of all spans before
  int64_t keep, take;             // [rows]: factors of merging
  int64_t keys, values;           // [head_dim][64], [64][head_dim]: the block in f32
  int64_t keyScales, valueScales; // [64]
  int64_t row;                    // [head_dim]: a row of K on its way to the cache
  int64_t bytes = 0;
};

/// One block, as a kernel has found it.
struct AttentionBlockPlace {
  CacheHead pages[2]; // positions 0 .. 31 and 32 .. 63; the first again where there is no second
  CacheHead next[2];  // of the block that follows, for prefetching
  Value first;        // i64: position of the block's first slot
  Value limit;        // i64, 1 .. 64: positions that any row sees
};

class AttentionBlock {
public:
  AttentionBlock(KernelBuilder &b, const AttentionCache &cache, const AttentionFormula &formula,
                 const AttentionScratch &place, Value scratch)
      : b(b), cache(cache), formula(formula), place(place), scratch(scratch), lanes(b.target.lanes()) {}

  /// m = masked, l = 0, o = 0 for `rows` rows (i64).
  void reset(Value rows, const AttentionTriples &triples);

  /// The block's triples of `tokens` tokens (i64), the first of them at `position`.
  void reduce(const AttentionBlockPlace &block, Value tokens, Value position);

  /// Merges triples into those of what came before.
  void merge(Value rows, const AttentionTriples &next, const AttentionTriples &before);

private:
  Value at(int64_t offset) { return b.at(scratch, offset); }
  Value rowAt(int64_t offset, Value row) { return b.at(at(offset), b.mul(row, place.rowStride)); }
  Value scoresAt(Value row) { return b.at(at(place.scores), b.mul(row, 4 * int64_t(kAttentionBlock))); }
  mlir::VectorType vec(int64_t n) { return b.vec(n, b.f32()); }

  /// Rows of a register tile, and accumulators that fit beside what they are made of.
  static constexpr int64_t kTileRows = 6;
  int64_t accumulators() const { return b.target.vectorRegisters >= 32 ? 24 : 12; }

  void prefetchLines(Value near, Value far, Value offset, int64_t begin, int64_t end);
  void copyScales(const AttentionBlockPlace &block);
  void convert(const AttentionBlockPlace &block);

  using LoadVector = llvm::function_ref<Value(Value index, int64_t vector)>;
  void scoreRows(int64_t rows, int64_t vectors, Value queries, Value scores, LoadVector keys,
                 llvm::function_ref<void(Value, int64_t)> aside = nullptr);
  void scoresOfToken(const AttentionBlockPlace &block);
  void scoresOfTile(Value rows);

  struct SoftmaxRow;
  SoftmaxRow largestScore(const AttentionBlockPlace &block, Value number, Value position, bool isMasked);
  void softmax(const AttentionBlockPlace &block, Value rows, Value position, bool isMasked);
  void softmaxRows(const AttentionBlockPlace &block, Value first, int64_t count, Value position,
                   bool isMasked);

  SmallVector<SmallVector<Piece>> columnGroups(int64_t rows);
  using Aside = llvm::function_ref<void(Value)>;
  SmallVector<Value> sumValues(int64_t rows, llvm::ArrayRef<Piece> columns, Value scores, Value values,
                               int64_t valueBytes, Value begin, Value end, ValueRange init, bool converted,
                               Aside aside = nullptr);
  void storeSums(int64_t rows, llvm::ArrayRef<Piece> columns, Value output, ValueRange sums);
  void valuesOfToken(const AttentionBlockPlace &block);
  void valuesOfTile(const AttentionBlockPlace &block, Value rows);

  KernelBuilder &b;
  const AttentionCache &cache;
  const AttentionFormula &formula;
  const AttentionScratch &place;
  Value scratch;
  const int64_t lanes;
};

/// o, m and l of one head of one row.
struct AttentionTotals {
  Value output, most, sum; // pointers to [head_dim], [1] and [1] f32
};
/// o / l, or o / (l + exp(sink - m)), to `out`: [head_dim] f32.
void finishHead(KernelBuilder &b, const AttentionTotals &totals, Value sink, int64_t headDim, Value out);

} // namespace nibble
