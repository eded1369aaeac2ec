//===- Weights.h - The weights of a module and their precision ----------------------*- C++ -*-===//
//
// What the driver asks of the IR: which weights can have a format, and, once they have one, which plan that
// makes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/FormatChoice.h"

#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace nibble {

/// The weights of linears, head and embedding of a module in the import phase, each name once, in the order
/// of their first use. Emits an error where one is no llm.param.
mlir::FailureOr<std::vector<WeightUse>> weightUses(mlir::Operation *module);

} // namespace nibble
