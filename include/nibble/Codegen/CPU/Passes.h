//===- Passes.h - From rt.kernel to LLVM for a CPU ----------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Codegen/CPU/Target.h"

#include "mlir/Pass/Pass.h"

namespace nibble {

#define GEN_PASS_DECL
#include "lib/Codegen/CPU/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "lib/Codegen/CPU/Passes.h.inc"

/// Adds what turns the kernels of a scheduled module into the LLVM dialect for one target:
/// rt-to-vector, lowbit-legalize-{dot4,dot2,tiles,lookup}, nibble-expand-math, and upstream's
/// conversions.
void buildCPUCodegenPipeline(mlir::OpPassManager &pm, const CPUTarget &target);

/// `nibble-codegen-cpu{target=...}`.
void registerCPUCodegenPipeline();

} // namespace nibble
