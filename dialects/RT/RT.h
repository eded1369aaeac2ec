//===- RT.h - The dialect of what runs ----------------------------------------------------------*- C++
//-*-===//
//
// Kernels, the program that dispatches them, its buffers. See RTDialect.td and RTOps.td.
//
//===------------------------------------------------------------------------------------------------------===//
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
