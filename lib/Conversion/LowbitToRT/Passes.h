//===- Passes.h - From a fused model to kernels and dispatches ----------------------*- C++ -*-===//
//
// The schedule phase. See Passes.td; barriers and memory are passes of the rt dialect.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/LLM/LLM.h"
#include "dialects/RT/RT.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace nibble {

#define GEN_PASS_DECL
#include "lib/Conversion/LowbitToRT/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/LowbitToRT/Passes.h.inc"

} // namespace nibble
