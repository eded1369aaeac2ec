//===- TileModel.cpp - Estimates of what a tile costs -----------------------------------------===//
#include "TileModel.h"

#include <algorithm>
#include <bit>
#include <limits>

using namespace nibble;

static constexpr int64_t kRows = 16;        // of a panel
static constexpr int64_t kColumns = 32;     // of a group
static constexpr int64_t kTokens = 8;       // of a record
static constexpr int64_t kMostTokens = 256; // of a block
static constexpr double kLineCycles = 0.5;  // lost on a line that comes from a cache further away

int64_t nibble::dotChains(const CPUTarget &target, TileShape shape, int64_t planes) {
  if (target.tuning.chains)
    return target.tuning.chains;
  if (target.dot == DotProduct::Maddubs || target.dot == DotProduct::Widen)
    return 1;
  double inFlight = target.units().dots * target.tuning.dotLatency;
  return static_cast<double>(shape.vectors * shape.tokens * planes) < inFlight / 2 ? 2 : 1;
}

GroupWork GroupWork::with(const GroupWork &other) const {
  return {std::min(bits, other.bits),   std::max(planes, other.planes), std::max(codeMax, other.codeMax),
          hasMinima || other.hasMinima, isCodebook || other.isCodebook, isNear && other.isNear};
}

GroupWork GroupWork::unpacked() const {
  GroupWork bytes = *this;
  bytes.bits = 8;
  bytes.isCodebook = false;
  bytes.isNear = true;
  return bytes;
}

int64_t nibble::mostVectors(const CPUTarget &target) {
  if (target.lanes() < kRows)
    return kRows / target.lanes();
  return target.hasEmbeddedBroadcast && target.tuning.freeBroadcasts && target.tuning.tileVectors < 2 ? 1 : 2;
}

/// Whether instructions read the activation from memory.
static bool readsActivations(const CPUTarget &target, TileShape shape) {
  return target.hasEmbeddedBroadcast && shape.vectors == 1;
}

/// Sums in f32, which a group touches once: those that find no register wait in memory.
static int64_t groupSums(TileShape shape) { return shape.vectors * shape.tokens; }

int64_t nibble::registersOfTile(const CPUTarget &target, const GroupWork &work, TileShape shape) {
  const int64_t all = kColumns / 4;                      // vectors of codes in a group
  int64_t others = 1 + work.hasMinima + work.isCodebook; // scales, minima, table
  bool isArm = target.instructions == InstructionSet::AArch64;
  if (work.codeMax <= 127 &&
      (target.dot == DotProduct::Maddubs || (target.dot == DotProduct::Widen && isArm))) {
    // Sum after sum is made of a group's products (LegalizeDot4.cpp): all codes stay, if they are used again,
    // and so do activations; besides a product, its sum, and ones to add up pairs.
    int64_t codes = shape.tokens > 1 ? shape.vectors * all : 1, activations = shape.vectors > 1 ? all : 1;
    return codes + activations + 3 + others;
  }
  // The chains of each plane in i32 for each vector and token; codes, as they are and as they are multiplied,
  // and their mask; what holds an activation where instructions do not read it from memory.
  int64_t accumulators = groupSums(shape) * work.planes * dotChains(target, shape, work.planes);
  int64_t codes = work.bits == 4 ? 1 + 2 * shape.vectors : shape.vectors;
  int64_t halves = target.dotCost(work.codeMax).code > 0 ? 3 + shape.vectors : 0; // of both sides, as i16
  return accumulators + codes + !readsActivations(target, shape) + halves + others;
}

double nibble::cyclesOfTile(const CPUTarget &target, const GroupWork &work, TileShape shape) {
  const VectorUnits &units = target.units();
  auto rows = static_cast<double>(shape.vectors), tokens = static_cast<double>(shape.tokens);
  double each = tokens * static_cast<double>(work.planes); // multiplied with every code
  double vectors = static_cast<double>(kColumns / 4);      // of codes, four columns each, once unpacked
  // Tiles in a panel.
  double tiles = static_cast<double>(kRows) / static_cast<double>(target.lanes()) / rows;

  DotCost dot = target.dotCost(work.codeMax);
  double dots = vectors * (rows * each * dot.product + rows * dot.code + each * dot.activation);
  double unpack = work.bits == 4 ? 3 * vectors / 2 : 0; // and; shift, and
  unpack += work.isCodebook ? vectors : 0;              // looked up
  double combine = each * static_cast<double>(dotChains(target, shape, work.planes) - 1) +
                   tokens * (work.planes == 2 ? 2 : 0); // chains and planes together
  // Times scale, times d and added; two planes are converted to f32 before, one counts in f32.
  double scale = work.planes == 2 ? 3 * tokens : 2 * tokens + 1;
  scale += work.hasMinima ? tokens : 0;
  double others = rows * (unpack + combine + scale);
  double arithmetic = dots / units.dots + others / std::max(units.fmas, units.dots);

  // Of activations, and of what starts and scales a sum.
  double broadcasts = vectors * each + 2 * tokens;
  bool embedded = readsActivations(target, shape);
  double separate = embedded ? 0 : broadcasts + (rows - 1) * tokens; // instructions of their own
  if (embedded) // a load port is busy for longer (KERNELS-CPU.md, Cascade Lake), or is not what binds
    broadcasts *= target.tuning.freeBroadcasts ? 0 : 1.5;
  int64_t waiting = registersOfTile(target, work, shape) + groupSums(shape) - target.vectorRegisters;
  auto moved = static_cast<double>(std::max<int64_t>(waiting, 0)); // from memory and back
  double lines = vectors * static_cast<double>(work.bits) / 8 + 1; // of a panel: half vectors read half
  double loads = (rows * lines + broadcasts + moved) / units.loads;

  double issue = (dots + others + separate + moved) / target.tuning.issue;
  // Narrow vectors walk a panel several times.
  double again = work.isNear ? 0 : std::max(tiles - 1, 0.0) * lines * kLineCycles;
  return tiles * std::max({arithmetic, loads, issue}) + again;
}

/// The largest that is not above.
static int64_t powerOf2(int64_t most) {
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(most)));
}

/// Of `count` tokens.
static double cyclesOfTiles(const CPUTarget &target, const GroupWork &work, TileShape shape, int64_t count) {
  int64_t rest = count % shape.tokens;
  return static_cast<double>(count / shape.tokens) * cyclesOfTile(target, work, shape) +
         (rest ? cyclesOfTile(target, work, {shape.vectors, rest}) : 0);
}

TileShape nibble::integerTile(const CPUTarget &target, const GroupWork &work, int64_t count,
                              int64_t mostVectors) {
  const CPUTuning &tuning = target.tuning;
  TileShape best{1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (int64_t vectors = 1; vectors <= mostVectors; vectors *= 2)
    for (int64_t tokens : {8, 4, 2, 1}) {
      if (tuning.tileVectors && vectors != powerOf2(std::min(tuning.tileVectors, mostVectors)))
        continue;
      TileShape shape{vectors, std::min(tuning.tileTokens ? tuning.tileTokens : tokens, count)};
      bool isSmallest = shape.vectors * shape.tokens == 1, isChosen = tuning.tileVectors || tuning.tileTokens;
      if (!isSmallest && !isChosen && registersOfTile(target, work, shape) > target.vectorRegisters)
        continue;
      // One token's dot products wait for memory, where streams disturb each other (KERNELS-CPU.md).
      if (count == 1 && vectors * target.lanes() > kRows)
        continue;
      if (double cycles = cyclesOfTiles(target, work, shape, count); cycles < least) {
        best = shape;
        least = cycles;
      }
    }
  return best;
}

bool nibble::multipliesPairs(const CPUTarget &target) {
  return target.hasBF16Dot && 2 * target.units().bf16Dots > target.units().fmas;
}

int64_t nibble::tilesWorthUnpacking(const CPUTarget &target, const GroupWork &work) {
  if (work.bits == 8)
    return 0;
  TileShape shape = integerTile(target, work, kTokens, mostVectors(target));
  double gain = cyclesOfTile(target, work, shape) - cyclesOfTile(target, work.unpacked(), shape);
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
  TileShape shape = integerTile(target, work, kTokens, 1);
  int64_t best = 0;
  double least = cyclesOfTile(target, work, shape) / static_cast<double>(shape.tokens); // of a token
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

int64_t nibble::groupsOfBlock(const CPUTarget &target, int64_t groupBytes, int64_t groups, int64_t multiple) {
  // The other part of the cache holds sums on their way, and the next record.
  int64_t most = std::max<int64_t>(target.tuning.l1Bytes * 5 / 8 / groupBytes, multiple);
  if (target.tuning.blockGroups)
    most = target.tuning.blockGroups;
  int64_t blocks = (groups + most - 1) / most, each = (groups + blocks - 1) / blocks;
  return (each + multiple - 1) / multiple * multiple;
}

int64_t nibble::panelsOfItem(const CPUTarget &target, int64_t panelBytes, int64_t panels) {
  return std::clamp<int64_t>(target.tuning.itemBytes / panelBytes, 1, panels);
}

PrefetchDistances nibble::prefetchDistances(const CPUTarget &target, int64_t tokens) {
  const CPUTuning &tuning = target.tuning;
  return tokens == 1 ? PrefetchDistances{tuning.loneNearPrefetch, tuning.loneFarPrefetch}
                     : PrefetchDistances{tuning.nearPrefetch, tuning.farPrefetch};
}
