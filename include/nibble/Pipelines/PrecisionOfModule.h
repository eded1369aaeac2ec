//===- PrecisionOfModule.h - The precision plan that a module has -------------------*- C++ -*-===//
//
// For --write-plan and the manifest.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/PrecisionPlan.h"

#include "mlir/IR/Operation.h"

namespace nibble {

/// The plan of a module in the quantize, fuse or schedule phase. A table that is only gathered has f32
/// activations.
PrecisionPlan precisionOfModule(mlir::Operation *module);

} // namespace nibble
