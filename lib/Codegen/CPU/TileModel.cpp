//===- TileModel.cpp - Estimates of what a tile costs -----------------------------------------===//
#include "TileModel.h"

#include <algorithm>

using namespace nibble;

static constexpr int64_t kRows = 16;        // of a panel
static constexpr int64_t kColumns = 32;     // of a group
static constexpr int64_t kMostTokens = 256; // of a block

int64_t nibble::dotChains(const CPUTarget &target, int64_t tokens, int64_t planes) {
  if (target.tuning.chains)
    return target.tuning.chains;
  double inFlight = target.units().dots * target.tuning.dotLatency;
  return static_cast<double>(tokens * planes) < inFlight / 2 ? 2 : 1;
}

int64_t nibble::registersOfTile(const CPUTarget &target, const GroupWork &work, int64_t tokens) {
  // A sum in f32 and the chains of each plane in i32 for each token; codes, their mask, the scales (and
  // minima), and what holds an activation where instructions cannot read it from memory.
  int64_t accumulators = tokens * (1 + work.planes * dotChains(target, tokens, work.planes));
  int64_t codes = work.bits == 4 ? 3 : 1;
  int64_t perDot =
      target.dotInstructions(work.codeMax) == 1 ? 0 : 2; // products of 16 bits, and ones to add them up
  return accumulators + codes + 1 + work.hasMinima + work.isCodebook + (target.hasEmbeddedBroadcast ? 0 : 1) +
         perDot;
}

double nibble::cyclesOfTile(const CPUTarget &target, const GroupWork &work, int64_t tokens) {
  const VectorUnits &units = target.units();
  double parts =
      static_cast<double>(kRows) / static_cast<double>(target.lanes()); // vectors of a panel's rows
  double each = static_cast<double>(tokens * work.planes);              // multiplied with every code
  double vectors = static_cast<double>(kColumns / 4); // of codes, four columns each, once unpacked

  double dots = vectors * each * target.dotInstructions(work.codeMax);
  double unpack = work.bits == 4 ? 3 * vectors / 2 : 0; // and; shift, and
  unpack += work.isCodebook ? vectors : 0;              // looked up
  double combine = each * static_cast<double>(dotChains(target, tokens, work.planes) - 1) +
                   static_cast<double>(tokens) * (work.planes == 2 ? 2 : 0); // chains and planes together
  double scale =
      static_cast<double>(tokens) * (work.hasMinima ? 4 : 3); // to f32, times d, times scale, added
  double arithmetic = dots / units.dots + (unpack + combine + scale) / std::max(units.fmas, units.dots);

  double broadcasts = vectors * each + 2 * static_cast<double>(tokens);
  if (!target.tuning.freeBroadcasts)
    broadcasts *= 1.5; // a load port is busy for longer with an embedded one (KERNELS-CPU.md, Cascade Lake)
  double loads = (vectors * static_cast<double>(work.bits) / 8 + 1 + broadcasts) / units.loads;

  double separate = target.hasEmbeddedBroadcast ? 0 : broadcasts; // loads that are instructions of their own
  double issue = (dots + unpack + combine + scale + separate) / target.tuning.issue;
  return parts * std::max({arithmetic, loads, issue});
}

int64_t nibble::integerTileTokens(const CPUTarget &target, const GroupWork &work) {
  if (target.tuning.tileTokens)
    return target.tuning.tileTokens;
  int64_t best = 1;
  for (int64_t tokens : {2, 4, 8})
    if (registersOfTile(target, work, tokens) <= target.vectorRegisters &&
        cyclesOfTile(target, work, tokens) / static_cast<double>(tokens) <=
            cyclesOfTile(target, work, best) / static_cast<double>(best))
      best = tokens;
  return best;
}

bool nibble::multipliesPairs(const CPUTarget &target) {
  return target.hasBF16Dot && 2 * target.units().bf16Dots > target.units().fmas;
}

int64_t nibble::tilesWorthUnpacking(const CPUTarget &target, const GroupWork &work) {
  if (work.bits == 8)
    return 0;
  GroupWork bytes = work;
  bytes.bits = 8;
  bytes.isCodebook = false;
  int64_t tokens = integerTileTokens(target, work);
  double gain = cyclesOfTile(target, work, tokens) - cyclesOfTile(target, bytes, tokens);
  if (gain <= 0)
    return 0;
  // The vectors of codes and the scales are written once, to the second-level cache and back: four cycles a
  // line (measured on Emerald Rapids).
  double cost = static_cast<double>(kColumns / 4 + 1) * 4;
  return 1 + static_cast<int64_t>(cost / gain);
}

double nibble::cyclesOfMatrixTile(const CPUTarget &target, const GroupWork &work, int64_t records) {
  const VectorUnits &units = target.units();
  double tokens = static_cast<double>(8 * records), each = tokens * static_cast<double>(work.planes);
  double scale = tokens * ((work.hasMinima ? 4 : 3) + (work.planes == 2 ? 2 : 0));
  // Rows of codes, of activations, of sums; d (and s) of every token; scales (and minima) of the group.
  double loads = static_cast<double>(kColumns / 4) + 2 * each + (tokens + 1) * (work.hasMinima ? 2 : 1);
  // The unit, the vector units, the load ports, the one that stores a row of sums a cycle.
  return std::max({each / target.tuning.tileRows, scale / units.fmas, loads / units.loads, each});
}

int64_t nibble::matrixTileRecords(const CPUTarget &target, const GroupWork &work) {
  if (!target.hasTiles)
    return 0;
  int64_t tile = integerTileTokens(target, work), best = 0;
  double least = cyclesOfTile(target, work, tile) / static_cast<double>(tile); // of a token
  for (int64_t records = 1; records <= kMostMatrixRecords; ++records)
    if (double cycles = cyclesOfMatrixTile(target, work, records) / static_cast<double>(8 * records);
        cycles < least) {
      best = records;
      least = cycles;
    }
  return best;
}

double nibble::cyclesOfMatrixPairs(const CPUTarget &target, int64_t tiles) {
  double products = static_cast<double>(tiles * kMatrixTokens) / target.tuning.tileRows;
  // The rows of all tiles, and the lines of weights, which are asked for ahead as well.
  PrefetchDistances ahead = prefetchDistances(target, tiles * kMatrixTokens);
  int64_t lines = kColumns / 2 * (1 + (ahead.near != 0) + (ahead.far != 0));
  double loads = static_cast<double>(tiles * kMatrixTokens + lines) / target.units().loads;
  // A product adds to that of the columns before: others hide its latency.
  return std::max({products, loads, static_cast<double>(target.tuning.tileLatency)});
}

int64_t nibble::matrixTilesOfPairs(const CPUTarget &target) {
  if (!target.hasTiles)
    return 0;
  // Of eight tile registers the weights take one, the rows of a tile another. LLVM gives a register one shape
  // in a function, so the last tokens, fewer than 16, need two of their own, for rows and sums.
  constexpr int64_t kMostTiles = 8 - 4;
  int64_t best = 0;
  double least = static_cast<double>(kColumns) / target.units().fmas; // of a token, by multiply-adds
  for (int64_t tiles = 1; tiles <= kMostTiles; tiles *= 2)
    if (double cycles = cyclesOfMatrixPairs(target, tiles) / static_cast<double>(tiles * kMatrixTokens);
        cycles < least) {
      best = tiles;
      least = cycles;
    }
  return best;
}

int64_t nibble::floatTileTokens(const CPUTarget &target, int64_t chains) {
  if (target.tuning.tileTokens)
    return target.tuning.tileTokens;
  constexpr int64_t others = 3; // weights, and an activation as it is read and as it is used
  int64_t best = 1;
  while (2 * best * chains + others <= target.vectorRegisters && best < 8)
    best *= 2;
  return best;
}

int64_t nibble::tokensOfBlock(const CPUTarget &target, int64_t rowBytes) {
  if (target.tuning.blockTokens)
    return target.tuning.blockTokens;
  // The other part of the cache holds panels on their way, and results.
  int64_t fitting = target.tuning.l2Bytes * 5 / 8 / rowBytes / 8 * 8;
  return std::clamp<int64_t>(fitting, 16, kMostTokens);
}

int64_t nibble::panelsOfItem(const CPUTarget &target, int64_t panelBytes, int64_t panels) {
  return std::clamp<int64_t>(target.tuning.itemBytes / panelBytes, 1, panels);
}

PrefetchDistances nibble::prefetchDistances(const CPUTarget &target, int64_t tokens) {
  const CPUTuning &tuning = target.tuning;
  return tokens == 1 ? PrefetchDistances{tuning.loneNearPrefetch, tuning.loneFarPrefetch}
                     : PrefetchDistances{tuning.nearPrefetch, tuning.farPrefetch};
}
