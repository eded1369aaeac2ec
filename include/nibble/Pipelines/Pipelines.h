//===- Pipelines.h - From one phase to the next -------------------------------------*- C++ -*-===//
//
// Each pipeline takes a module from the phase before to its own, and checks that it got there unless told not
// to. The same pipelines are `nibble-quantize`, `nibble-fuse` and `nibble-schedule` of nibble-opt.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

#include <string>

namespace nibble {

/// Spellings as on the command line of nibble-compile; see FormatChoice.h.
struct QuantizeOptions : mlir::PassPipelineOptions<QuantizeOptions> {
  Option<std::string> precision{*this, "precision", llvm::cl::desc("Format of linears, or keep")};
  Option<std::string> head{*this, "head", llvm::cl::desc("Format of the head, or keep")};
  Option<std::string> embedding{*this, "embedding", llvm::cl::desc("Format of the embedding table, or keep")};
  Option<std::string> activations{*this, "activations",
                                  llvm::cl::desc("Precision of activations: int8, int16, bf16 or f32")};
  Option<std::string> plan{*this, "plan", llvm::cl::desc("Precision plan (JSON), which overrides these")};
};

void buildQuantizePipeline(mlir::OpPassManager &pm, const QuantizeOptions &options, bool verifyPhase = true);
void buildFusePipeline(mlir::OpPassManager &pm, bool verifyPhase = true);
void buildSchedulePipeline(mlir::OpPassManager &pm, bool verifyPhase = true);

/// Under their names, for nibble-opt.
void registerPipelines();

} // namespace nibble
