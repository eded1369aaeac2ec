//===- VerifySchedule.h - Barriers and memory of a program, checked -----------------*- C++ -*-===//
//
// A missing barrier or two buffers in one place show as wrong numbers now and then, on some machines; here
// they are errors.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/RT/RT.h"

namespace nibble {

/// Checks that every reader is behind a barrier after its writer, and that buffers in use at the same time do
/// not share memory, in steps of few tokens and of many. Buffers have their places. Emits an error.
mlir::LogicalResult verifySchedule(rt::ProgramOp program);

} // namespace nibble
