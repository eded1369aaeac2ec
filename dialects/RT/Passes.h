//===- Passes.h - Passes that stay inside the rt dialect ----------------------------*- C++ -*-===//
//
// Barriers and the memory plan of a program. See Passes.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/RT/RT.h"

#include "mlir/Pass/Pass.h"

namespace nibble::rt {

#define GEN_PASS_DECL
#include "dialects/RT/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/RT/Passes.h.inc"

} // namespace nibble::rt
