//===- Phases.cpp - The named stages of the compiler ------------------------------------------===//
#include "nibble/Pipelines/Phases.h"

#include <algorithm>
#include <array>
#include <string>

using namespace nibble;

static constexpr std::array<std::string_view, 6> kNames = {"import",   "quantize", "fuse",
                                                           "schedule", "codegen",  "link"};

std::string_view nibble::phaseName(Phase phase) { return kNames[static_cast<size_t>(phase)]; }

Result<Phase> nibble::parsePhase(std::string_view name) {
  auto found = std::ranges::find(kNames, name);
  if (found == kNames.end())
    return failure("\"" + std::string(name) +
                   "\" is no phase; expected import, quantize, fuse, schedule, codegen or link");
  return static_cast<Phase>(found - kNames.begin());
}
