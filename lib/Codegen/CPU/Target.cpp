//===- Target.cpp - The CPUs that kernels are generated for -----------------------------------===//
#include "nibble/Codegen/CPU/Target.h"

#include "nibble/runtime/Artifact.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>

using namespace nibble;

//===------------------------------------------------------------------------------------------===//
// Tunings
//===------------------------------------------------------------------------------------------===//

const std::vector<CPUTuning> &nibble::cpuTunings() {
  static const std::vector<CPUTuning> tunings = {
      // What no CPU of the kinds below is hurt by: one unit of 512 bits or two of 256.
      {.name = "generic",
       .schedule = "icelake-server",
       .narrow = {.dots = 2, .bf16Dots = 0.5, .fmas = 2, .loads = 2},
       .wide = {.dots = 1, .bf16Dots = 0.5, .fmas = 1, .loads = 1},
       .issue = 4,
       .dotLatency = 5,
       .freeBroadcasts = true,
       .l2Bytes = 1 << 20,
       .nearPrefetch = 2304,
       .farPrefetch = 9216,
       .loneNearPrefetch = 2304,
       .loneFarPrefetch = 9216},
      {.name = "znver4",
       .schedule = "icelake-server",
       .narrow = {.dots = 2, .bf16Dots = 2, .fmas = 2, .loads = 2},
       .wide = {.dots = 1, .bf16Dots = 1, .fmas = 1, .loads = 1},
       .issue = 6,
       .dotLatency = 4,
       .freeBroadcasts = true,
       .l2Bytes = 1 << 20,
       .nearPrefetch = 2304,
       .loneNearPrefetch = 0},
      // Two units of 512 bits; a broadcast operand occupies a load port for longer than the product takes.
      {.name = "cascadelake",
       .schedule = "cascadelake",
       .narrow = {.dots = 2, .bf16Dots = 0, .fmas = 2, .loads = 2},
       .wide = {.dots = 2, .bf16Dots = 0, .fmas = 2, .loads = 2},
       .issue = 4,
       .dotLatency = 5,
       .freeBroadcasts = false,
       .l2Bytes = 1 << 20,
       .nearPrefetch = 2304,
       .loneNearPrefetch = 0},
      // Measured on Emerald Rapids: vdpbf16ps does half the products of FMA a cycle; broadcasts of 32 bits
      // are three a cycle at either width. Its own prefetchers reach 64% of the read bandwidth at one
      // token, asking for lines at both distances 95%.
      {.name = "sapphirerapids",
       .schedule = "sapphirerapids",
       .narrow = {.dots = 2, .bf16Dots = 0.5, .fmas = 2, .loads = 3},
       .wide = {.dots = 2, .bf16Dots = 0.5, .fmas = 2, .loads = 2},
       .issue = 6,
       .dotLatency = 5,
       .freeBroadcasts = true,
       .l1Bytes = 48 << 10,
       .l2Bytes = 2 << 20,
       .nearPrefetch = 2304,
       .farPrefetch = 9216,
       .loneNearPrefetch = 2304,
       .loneFarPrefetch = 9216},
      // As Neoverse N1 to V2 and Cortex-A76 on: two units of 128 bits at least.
      {.name = "generic",
       .instructions = InstructionSet::AArch64,
       .schedule = "neoverse-n1",
       .narrow = {.dots = 2, .bf16Dots = 0, .fmas = 2, .loads = 2},
       .wide = {},
       .issue = 4,
       .dotLatency = 4,
       .freeBroadcasts = false,
       .l1Bytes = 64 << 10,
       .l2Bytes = 1 << 20,
       .nearPrefetch = 2304,
       .loneNearPrefetch = 2304},
  };
  return tunings;
}

/// The tuning that is nearest to this machine's CPU.
static std::string_view hostTuning() {
  return llvm::StringSwitch<std::string_view>(llvm::sys::getHostCPUName())
      .Cases({"znver4", "znver5"}, "znver4")
      .Cases({"skylake-avx512", "cascadelake", "cooperlake"}, "cascadelake")
      .Cases({"icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids", "graniterapids-d"},
             "sapphirerapids")
      .Default("generic");
}

//===------------------------------------------------------------------------------------------===//
// Targets
//===------------------------------------------------------------------------------------------===//

template <typename T> static std::vector<T> operator+(std::vector<T> all, const std::vector<T> &more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Adds what each target has beyond the one before it, so that no feature is forgotten.
static std::vector<CPUTarget> describeX86() {
  const CPUTuning &generic = cpuTunings().front();
  CPUTarget baseline{.name = "x86-64",
                     .cpu = "x86-64",
                     .features = "",
                     .tune = generic.schedule,
                     .needs = {"sse2"},
                     .vectorBits = 128,
                     .vectorRegisters = 16,
                     .dot = DotProduct::Widen,
                     .hasFMA = false,
                     .hasHalf = false,
                     .hasRounding = false,
                     .tuning = generic};

  CPUTarget avx2 = baseline;
  avx2.name = avx2.cpu = "x86-64-v3";
  avx2.needs = {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt"};
  avx2.vectorBits = 256;
  avx2.dot = DotProduct::Maddubs;
  avx2.hasFMA = avx2.hasHalf = avx2.hasRounding = true;

  CPUTarget avxVNNI = avx2;
  avxVNNI.name = "avx-vnni";
  avxVNNI.features = "+avxvnni";
  avxVNNI.needs = avx2.needs + std::vector<std::string>{"avxvnni"};
  avxVNNI.dot = DotProduct::VNNI;

  CPUTarget avx512 = avx2;
  avx512.name = "avx512";
  avx512.cpu = "x86-64-v4";
  avx512.needs =
      avx2.needs + std::vector<std::string>{"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};
  avx512.vectorBits = 512;
  avx512.vectorRegisters = 32;
  avx512.hasEmbeddedBroadcast = avx512.hasMasks = true;

  CPUTarget vnni = avx512;
  vnni.name = "avx512-vnni";
  vnni.features = "+avx512vnni";
  vnni.needs = avx512.needs + std::vector<std::string>{"avx512vnni"};
  vnni.dot = DotProduct::VNNI;

  CPUTarget bf16 = vnni;
  bf16.name = "avx512-bf16";
  bf16.features = "+avx512vnni,+avx512bf16";
  bf16.needs = vnni.needs + std::vector<std::string>{"avx512bf16"};
  bf16.hasBF16Dot = true;

  CPUTarget amx = bf16;
  amx.name = "amx"; // every CPU that has it multiplies both int8 and bf16
  amx.features = bf16.features + ",+amx-tile,+amx-int8,+amx-bf16";
  amx.needs = bf16.needs + std::vector<std::string>{"amx-tile", "amx-int8", "amx-bf16"};
  amx.hasTiles = true;

  return {baseline, avx2, avxVNNI, avx512, vnni, bf16, amx};
}

static std::vector<CPUTarget> describeAArch64() {
  const CPUTuning &generic = cpuTunings().back();
  CPUTarget neon{.name = "neon",
                 .cpu = "generic",
                 .features = "+neon",
                 .tune = generic.schedule,
                 .needs = {"neon"},
                 .instructions = InstructionSet::AArch64,
                 .vectorBits = 128,
                 .vectorRegisters = 32,
                 .dot = DotProduct::Widen,
                 .tuning = generic};

  CPUTarget dotprod = neon;
  dotprod.name = "dotprod";
  dotprod.features = "+neon,+dotprod";
  dotprod.needs = neon.needs + std::vector<std::string>{"dotprod"};
  dotprod.dot = DotProduct::SDot;

  CPUTarget i8mm = dotprod;
  i8mm.name = "i8mm";
  i8mm.features = "+neon,+dotprod,+i8mm";
  i8mm.needs = dotprod.needs + std::vector<std::string>{"i8mm"};
  i8mm.dot = DotProduct::USDot;

  return {neon, dotprod, i8mm};
}

const std::vector<CPUTarget> &nibble::cpuTargets() {
  static const std::vector<CPUTarget> targets = describeX86() + describeAArch64();
  return targets;
}

const char *CPUTarget::triple() const {
  return instructions == InstructionSet::AArch64 ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu";
}

DotCost CPUTarget::dotCost(int64_t unsignedMax) const {
  // Two halves of either side, which take two instructions to unpack and one more for the sign, two
  // multiplications and two additions.
  constexpr DotCost widened{4, 2, 3};
  switch (dot) {
  case DotProduct::VNNI:
  case DotProduct::USDot:
    return {1};
  case DotProduct::SDot:
    return unsignedMax <= 127 ? DotCost{1} : DotCost{2, 1, 1};
  case DotProduct::Maddubs:
    // pmaddubsw and paddw, but for the first; pmaddwd and paddd once for as many products as fit i16.
    return unsignedMax <= 127 ? DotCost{2 + 1.0 / static_cast<double>(127 / unsignedMax)} : widened;
  case DotProduct::Widen:
    return widened;
  }
  return widened;
}

bool nibble::runsHere(const CPUTarget &target) {
#if defined(__x86_64__)
  constexpr InstructionSet here = InstructionSet::X86_64;
#else
  constexpr InstructionSet here = InstructionSet::AArch64;
#endif
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  if (target.instructions != here ||
      !std::ranges::all_of(target.needs, [&](const std::string &feature) { return host.lookup(feature); }))
    return false;
  // Whether the system permits the use of tiles, LLVM does not ask.
  return !target.hasTiles || std::ranges::count(cpuFeatures(), "amxtile");
}

static std::string targetNames() {
  std::string names;
  for (const CPUTarget &target : cpuTargets())
    names += (names.empty() ? "" : ", ") + target.name;
  return names;
}

static Result<CPUTarget> findUntuned(std::string_view name) {
  const std::vector<CPUTarget> &targets = cpuTargets();
  auto named = std::ranges::find(targets, name, &CPUTarget::name);
  if (named != targets.end())
    return *named;
  if (name != "native")
    return failure("unknown CPU target '" + std::string(name) + "'; expected native or one of " +
                   targetNames());
  for (auto target = targets.rbegin(); target != targets.rend(); ++target)
    if (runsHere(*target))
      return *target;
  return failure("no CPU target fits this machine; name one of " + targetNames());
}

Result<CPUTarget> nibble::findCPUTarget(std::string_view name, std::string_view tuneFor) {
  NIBBLE_TRY(CPUTarget target, findUntuned(name));
  if (tuneFor.empty())
    tuneFor = name == "native" ? hostTuning() : "generic";
  NIBBLE_TRY(target.tuning, parseTuning(tuneFor, target));
  target.tune = target.tuning.schedule;
  return target;
}
