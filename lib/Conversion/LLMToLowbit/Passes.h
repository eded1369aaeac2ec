//===- Passes.h - From language model ops to packed weights -------------------------*- C++ -*-===//
//
// The quantize and fuse phases. See Passes.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/LLM/LLM.h"

#include "mlir/Pass/Pass.h"

namespace nibble {

#define GEN_PASS_DECL
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"

} // namespace nibble
