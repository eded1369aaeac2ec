//===- RT.h - The dialect of what runs ----------------------------------------------*- C++ -*-===//
//
// Kernels, the program that dispatches them, its buffers. See RTDialect.td and RTOps.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/Lowbit/Lowbit.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "dialects/RT/RTDialect.h.inc"
#include "dialects/RT/RTEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/RT/RTAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/RT/RTOps.h.inc"

namespace nibble::rt {

/// Every buffer starts at a multiple of this many bytes, and so does every row of an f32 matrix.
inline constexpr int64_t kBufferAlignment = 64;

/// Rows that the partials of a split attention have: rows of the batch times their spans of 256 positions.
/// 2048 are 524,288 positions of one token, or 8,192 of 64; a batch that needs more is not split.
inline constexpr int64_t kPartialRows = 2048;

/// Bytes from one row of a buffer to the next, the one statement of it that planner, kernels and runtime
/// share. tensor<?xNxf32>: 4 N rounded up to 64. !lowbit.rows: RowsType::getRowBytes, which for int8 is an
/// average (records of a tile interleave its rows; the rows before a tile take rows * rowBytes in all). 0 for
/// any other type.
int64_t rowBytes(mlir::Type type);

} // namespace nibble::rt
