//===- Passes.h - Passes that stay inside the llm dialect ---------------------------*- C++ -*-===//
//
// See Passes.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/LLM/LLM.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace nibble::llm {

#define GEN_PASS_DECL
#include "dialects/LLM/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/LLM/Passes.h.inc"

} // namespace nibble::llm
