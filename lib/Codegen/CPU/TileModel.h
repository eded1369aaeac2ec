//===- TileModel.h - How the loops of a linear are cut for a CPU --------------------*- C++ -*-===//
//
// Tiles, chains, prefetching and blocking follow from the description of the target (Target.h) by the few
// estimates here, instead of a table of cases; a tuning that was measured (nibble-compile --tune) overrides
// them. The figures behind them are in reference/KERNELS-CPU.md.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/Target.h"

namespace nibble {

/// The work of one panel of 16 rows by one group of 32 columns, as far as its cost depends on formats.
struct GroupWork {
  int64_t bits = 4;        // of a code
  int64_t planes = 1;      // int8 planes of an activation
  int64_t codeMax = 15;    // largest unsigned code: decides what a dot product takes
  bool hasMinima = false;  // one more multiply-add a token
  bool isCodebook = false; // codes are looked up in a table that holds a register
  bool isNear = false;     // codes are in the first-level cache

  /// What takes as much as either.
  GroupWork with(const GroupWork &other) const;
  /// The same with codes that were unpacked before.
  GroupWork unpacked() const;
};

/// Vectors of a tile at most, a power of two. Narrow ones are of one panel; those of several panels are as
/// many streams of weights, which pays only where it saves the load ports something.
int64_t mostVectors(const CPUTarget &target);

/// What the registers hold sums of at once: vectors of rows by tokens. One vector finds an activation in
/// memory, where instructions can broadcast it from there; several share it in a register.
struct TileShape {
  int64_t vectors = 1, tokens = 1;
};

/// Accumulators that each vector, token and plane is given, so that dot products do not wait for each other:
/// 1 or 2. Out-of-order execution overlaps a group with its neighbours, so half of the latency has to be
/// hidden here; where products are added by an instruction of their own, there is next to none.
int64_t dotChains(const CPUTarget &target, TileShape shape, int64_t planes);

/// Vector registers that the dot products of a tile need at once, the sums in f32 left out.
int64_t registersOfTile(const CPUTarget &target, const GroupWork &work, TileShape shape);

/// Cycles of 16 rows by the tile's tokens, from what binds: vector units, load ports, or the width of the
/// front end.
double cyclesOfTile(const CPUTarget &target, const GroupWork &work, TileShape shape);

/// The shape of tiles for `count` tokens that share a record, of at most so many vectors: of those whose dot
/// products fit the registers the one that takes the fewest cycles, with as few vectors and as many tokens as
/// that takes. Vectors x tokens with int4-g32 weights and int8 activations:
///
///   tokens                   1    4    8   8, codes unpacked
///   avx512-vnni             1x1  1x4  1x8  1x8
///     tuned for cascadelake 1x1  2x4  2x8  2x8   two panels
///   avx-vnni                2x1  2x4  1x8  2x4   both halves of a panel, as in what follows
///   x86-64-v3               2x1  1x4  1x8  1x8
///   x86-64                  2x1  2x2  2x2  2x2
///   dotprod, i8mm           4x1  4x4  2x8  2x8
///   neon                    4x1  2x4  2x8  2x8
TileShape integerTile(const CPUTarget &target, const GroupWork &work, int64_t count, int64_t mostVectors);

/// Tiles over one panel from which on it pays to unpack the codes once, for all of them (UnpackedPanel.h); 0:
/// it never does.
int64_t tilesWorthUnpacking(const CPUTarget &target, const GroupWork &work);

/// Most records of 8 tokens that a matrix tile works on at once: their sums hold half of the registers.
inline constexpr int64_t kMostMatrixRecords = 2;

/// Cycles of `records` records of 8 tokens on matrix tiles, the codes unpacked before.
double cyclesOfMatrixTile(const CPUTarget &target, const GroupWork &work, int64_t records);

/// Records in a matrix tile, or 0 where the target has none or its dot products are faster.
int64_t matrixTileRecords(const CPUTarget &target, const GroupWork &work);

/// Tokens of a matrix tile.
inline constexpr int64_t kMatrixTokens = 16;

/// Cycles of `tiles` tiles of 16 tokens by 32 columns of a panel, weights and activations in bf16.
double cyclesOfMatrixPairs(const CPUTarget &target, int64_t tiles);

/// Tiles of 16 tokens that share a tile of bf16 weights (1, 2 or 4), or 0 where the target has no such tiles
/// or its multiply-adds are faster. It rounds unlike them, hence is meant for every number of tokens.
int64_t matrixTilesOfPairs(const CPUTarget &target);

/// Whether products of pairs of bf16 (`lowbit.dot2`) are worth their coarser rounding: where they do more
/// than the multiply-adds of f32.
bool multipliesPairs(const CPUTarget &target);

/// Tokens in a tile of a float linear with `chains` accumulators a token.
int64_t floatTileTokens(const CPUTarget &target, int64_t chains);

/// Tokens whose activations, `rowBytes` each, stay in the second-level cache while panels stream past: a
/// multiple of 8.
int64_t tokensOfBlock(const CPUTarget &target, int64_t rowBytes);

/// Groups of 32 columns in a block of K: what tiles of tokens read of it one after the other, `groupBytes` of
/// a group, stays in the first-level cache. A multiple of `multiple`; all blocks about as long.
int64_t groupsOfBlock(const CPUTarget &target, int64_t groupBytes, int64_t groups, int64_t multiple);

/// Panels of an item: long enough that claiming it costs nothing, short enough that a few items more or less
/// a thread do not matter.
int64_t panelsOfItem(const CPUTarget &target, int64_t panelBytes, int64_t panels);

/// How far ahead of a stream of weights its lines are asked for, in bytes; 0: not at all.
struct PrefetchDistances {
  int64_t near = 0; // into the first-level cache
  int64_t far = 0;  // into the second-level cache
};
PrefetchDistances prefetchDistances(const CPUTarget &target, int64_t tokens);

} // namespace nibble
