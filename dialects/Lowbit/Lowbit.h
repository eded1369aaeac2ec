//===- Lowbit.h - The quantization dialect ------------------------------------------*- C++ -*-===//
//
// Formats, packed weights, quantized rows, and the linears that multiply them. See LowbitDialect.td and
// LowbitOps.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Lowbit/LowbitDialect.h.inc"
#include "dialects/Lowbit/LowbitEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Lowbit/LowbitAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Lowbit/LowbitTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Lowbit/LowbitOps.h.inc"

namespace nibble::lowbit {

/// Whether activations are codes with scales, which only integer weights can multiply.
inline bool isInteger(ActivationKind kind) {
  return kind == ActivationKind::Int8 || kind == ActivationKind::Int16;
}

/// What llm.param and rt.weight check alike: the recipe's steps are known, packing comes last, and a packed
/// `type` has the format and layout in which the recipe, starting from `source`, ends.
mlir::LogicalResult verifyRecipe(mlir::Operation *op, FormatAttr source, mlir::ArrayAttr recipe,
                                 mlir::Type type);

} // namespace nibble::lowbit
