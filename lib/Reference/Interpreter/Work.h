//===- Work.h - How long an op will take --------------------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Reference/Interpreter.h"

namespace nibble::reference {

/// Multiplications of an op that takes time (linears, attention, experts) on a batch; 0 for all others.
double multiplicationsOf(mlir::Operation *op, const Batch &batch);

} // namespace nibble::reference
