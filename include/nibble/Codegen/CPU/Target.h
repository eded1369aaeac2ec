//===- Target.h - What the code generator knows of a CPU ----------------------------*- C++ -*-===//
//
// The short description from which tiles and instruction choices follow, in one place. Names are those of
// --target=cpu:.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// How `lowbit.dot4` is carried out.
enum class DotProduct {
  Widen,   // even and odd bytes widened to i16, pmaddwd
  Maddubs, // pmaddubsw where the unsigned side is small enough not to saturate, else Widen
  VNNI,    // vpdpbusd
};

struct CPUTarget {
  std::string name;               // "avx512-vnni"
  std::string cpu;                // LLVM's target-cpu
  std::string features;           // LLVM's target-features, added to those of the cpu
  std::string tune;               // LLVM's tune-cpu: not znver4, whose scheduler shuffles loads
  std::vector<std::string> needs; // CPU features as the runtime names them; all must be there
  unsigned vectorBits = 256;
  unsigned vectorRegisters = 16;
  DotProduct dot = DotProduct::Widen;

  /// f32 or i32 lanes of a vector register.
  int64_t lanes() const { return vectorBits / 32; }
  /// Tokens in a tile of an integer linear: what accumulators, one weight vector and scales leave room for.
  int64_t integerTile() const { return vectorRegisters >= 32 ? 8 : 4; }
  /// Tokens in a tile of a float linear, which keeps four accumulators for each.
  int64_t floatTile() const { return vectorRegisters >= 32 ? 4 : 2; }
};

/// All targets that kernels can be generated for, the most capable last.
const std::vector<CPUTarget> &cpuTargets();

/// Whether this machine has the features that the target needs.
bool runsHere(const CPUTarget &target);

/// The target of a name ("avx512-vnni", "x86-64-v3"), or "native": the most capable that this machine runs.
Result<CPUTarget> findCPUTarget(std::string_view name);

} // namespace nibble
