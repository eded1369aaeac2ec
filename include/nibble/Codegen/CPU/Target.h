//===- Target.h - What the code generator knows of a CPU ----------------------------*- C++ -*-===//
//
// A target says which instructions there are, a tuning how fast they are. Tiles, unrolling and choices of
// instructions follow from the two. Names are those of --target=cpu: and --tune-for=.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

enum class InstructionSet { X86_64, AArch64 };

/// How `lowbit.dot4` is carried out.
enum class DotProduct {
  Widen,   // bytes widened to i16, products added in pairs: pmaddwd; smull and sadalp
  Maddubs, // pmaddubsw where the unsigned side is small enough not to saturate, else Widen
  VNNI,    // vpdpbusd
  SDot,    // sdot: signed by signed; an unsigned side above 127 is shifted into range and the shift taken out
  USDot,   // usdot
};

/// What a core starts in a cycle, with vectors of one width.
struct VectorUnits {
  double dots = 1;     // vpdpbusd, sdot; pmaddubsw is as fast wherever it was measured
  double bf16Dots = 0; // vdpbf16ps; 0: has none
  double fmas = 1;     // f32 multiply-adds
  double loads = 1;
};

/// How fast one core of a kind of CPU is, and what was chosen for it. Measured figures:
/// reference/KERNELS-CPU.md, prototypes/cpu/ports.cpp; the rest is from the manufacturers' optimization
/// manuals.
struct CPUTuning {
  std::string name; // "znver4"
  InstructionSet instructions = InstructionSet::X86_64;
  std::string schedule;      // LLVM's tune-cpu: not znver4, whose scheduler shuffles loads
  VectorUnits narrow;        // vectors of 128 and 256 bits
  VectorUnits wide;          // vectors of 512 bits
  unsigned issue = 4;        // instructions a cycle
  double tileRows = 1;       // of activations that matrix tiles multiply a cycle: 16 cycles for a full one
  unsigned dotLatency = 5;   // cycles
  unsigned tileLatency = 52; // cycles from a product of matrix tiles to the next that adds to it
  /// A scalar broadcast inside the instruction that uses it costs no more than a register would. Otherwise
  /// the load binds, and one broadcast into a register should serve several dot products.
  bool freeBroadcasts = true;
  int64_t l1Bytes = 32 << 10; // first-level cache of data
  int64_t l2Bytes = 1 << 20;  // second-level cache of a core
  /// How far ahead of a stream of weights its lines are asked for, in bytes, into the first- and into the
  /// second-level cache. 0: not at all, which suits cores whose own prefetchers keep a stream at full
  /// bandwidth.
  int64_t nearPrefetch = 2304, farPrefetch = 0;
  int64_t loneNearPrefetch = 2304, loneFarPrefetch = 0; // in tiles of one token, which do little work a line
  int64_t itemBytes = 16 << 10;                         // of the weights in an item
  // What the tile model (lib/Codegen/CPU/TileModel.h) estimates where it is 0.
  int64_t tileVectors = 0;
  int64_t tileTokens = 0;
  int64_t chains = 0;
  int64_t blockTokens = 0;
  int64_t blockGroups = 0;

  /// "znver4,tile-tokens=4": the name of a tuning that there is, and the fields that differ from it.
  std::string spelling() const;
};

/// A choice that may stand behind a tuning's name, NAME=VALUE; `nibble-compile --tune` measures its values.
struct TuningField {
  std::string_view name; // "tile-tokens"
  int64_t CPUTuning::*member;
  int64_t least, most, multiple;    // of values that can be said
  uint32_t leastTokens, mostTokens; // of the steps that it concerns
  std::vector<int64_t> candidates;  // worth measuring
};
/// All, those that matter most first.
const std::vector<TuningField> &tuningFields();

/// Instructions of one `lowbit.dot4`, on average over a group of 32 columns.
struct DotCost {
  double product;        // by itself
  double code = 0;       // on the unsigned side alone: all tokens share them
  double activation = 0; // on the signed side alone: all rows share them
};

struct CPUTarget {
  std::string name;               // "avx512-vnni"
  std::string cpu;                // LLVM's target-cpu
  std::string features;           // LLVM's target-features, added to those of the cpu
  std::string tune;               // LLVM's tune-cpu
  std::vector<std::string> needs; // CPU features as the runtime names them; all must be there
  InstructionSet instructions = InstructionSet::X86_64;
  unsigned vectorBits = 256;
  unsigned vectorRegisters = 16;
  DotProduct dot = DotProduct::Widen;
  bool hasFMA = true;                // else math.fma is a product and a sum, each rounded
  bool hasHalf = true;               // converts f16 vectors; else by integer arithmetic
  bool hasRounding = true;           // rounds f32 and f64 to integers
  bool hasEmbeddedBroadcast = false; // an operand can be a scalar in memory, repeated in all lanes
  bool hasMasks = false;             // loads and stores under masks
  bool hasBF16Dot = false;           // `lowbit.dot2` of bf16
  bool hasTiles = false;             // `lowbit.dot_tile` and `lowbit.dot_tile_bf16`
  CPUTuning tuning;

  /// f32 or i32 lanes of a vector register.
  int64_t lanes() const { return vectorBits / 32; }
  const VectorUnits &units() const { return vectorBits > 256 ? tuning.wide : tuning.narrow; }
  const char *triple() const;

  /// What `lowbit.dot4` takes where `a` is at most `unsignedMax`.
  DotCost dotCost(int64_t unsignedMax) const;
};

/// All targets that kernels can be generated for, by instruction set, the most capable last.
const std::vector<CPUTarget> &cpuTargets();

/// All tunings; each instruction set has one named "generic", x86-64's is the first.
const std::vector<CPUTuning> &cpuTunings();

/// Whether this machine has the features that the target needs.
bool runsHere(const CPUTarget &target);

/// Reads what CPUTuning::spelling() gives; errors name the field.
Result<CPUTuning> parseTuning(std::string_view spelling, const CPUTarget &target);

/// The target of a name ("avx512-vnni", "x86-64-v3"), or "native": the most capable that this machine runs.
/// `tuneFor` is the spelling of a tuning; empty is this machine's for "native", else "generic".
Result<CPUTarget> findCPUTarget(std::string_view name, std::string_view tuneFor = "");

} // namespace nibble
