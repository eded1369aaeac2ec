//===- Phases.h - The named stages of the compiler ----------------------------------*- C++ -*-===//
//
// Any of them can be stopped at (--compile-to) and resumed from (--compile-from).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <string_view>

namespace nibble {

/// In order. A module "in" a phase is what that phase ends with.
enum class Phase : uint8_t { Import, Quantize, Fuse, Schedule, Codegen, Link };

/// "import", "quantize", "fuse", "schedule", "codegen", "link".
std::string_view phaseName(Phase phase);
Result<Phase> parsePhase(std::string_view name);

} // namespace nibble
