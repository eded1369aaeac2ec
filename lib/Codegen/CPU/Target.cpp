//===- Target.cpp - The CPUs that kernels are generated for -----------------------------------===//
#include "nibble/Codegen/CPU/Target.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>

using namespace nibble;

const std::vector<CPUTarget> &nibble::cpuTargets() {
  static const std::vector<CPUTarget> targets = {
      {.name = "x86-64-v3",
       .cpu = "x86-64-v3",
       .features = "",
       .tune = "generic",
       .needs = {"avx2", "fma", "f16c", "bmi2"},
       .vectorBits = 256,
       .vectorRegisters = 16,
       .dot = DotProduct::Maddubs},
      {.name = "avx512-vnni",
       .cpu = "x86-64-v4",
       .features = "+avx512vnni",
       .tune = "icelake-server",
       .needs = {"avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl",
                 "avx512vnni"},
       .vectorBits = 512,
       .vectorRegisters = 32,
       .dot = DotProduct::VNNI},
  };
  return targets;
}

bool nibble::runsHere(const CPUTarget &target) {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  return std::ranges::all_of(target.needs, [&](const std::string &feature) { return host.lookup(feature); });
}

Result<CPUTarget> nibble::findCPUTarget(std::string_view name) {
  std::string known;
  for (const CPUTarget &target : cpuTargets()) {
    if (target.name == name)
      return target;
    known += (known.empty() ? "" : ", ") + target.name;
  }
  if (name != "native")
    return failure("unknown CPU target '" + std::string(name) + "'; expected native or one of " + known);
  for (auto target = cpuTargets().rbegin(); target != cpuTargets().rend(); ++target)
    if (runsHere(*target))
      return *target;
  return failure("no CPU target fits this machine; name one of " + known);
}
