//===- KernelModule.h - The IR of an artifact, scheduled again ----------------------*- C++ -*-===//
//
// An artifact carries its module in the phase fuse. The phase after it gives back the kernels and the program
// that the code was generated from.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Inspect/Disassembly.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace nibble {

/// A context with the dialects of all phases, without threads.
std::unique_ptr<mlir::MLIRContext> inspectionContext();

/// The module in the phase schedule.
Result<mlir::OwningOpRef<mlir::ModuleOp>> scheduledModule(mlir::MLIRContext &context,
                                                          const Artifact &artifact);

/// A module with this kernel alone, as text, under the commands that make its machine code.
Result<std::string> kernelModuleText(const Artifact &artifact, const FoundKernel &found);

} // namespace nibble
