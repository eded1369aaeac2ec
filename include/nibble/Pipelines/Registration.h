//===- Registration.h - Dialects and passes of the compiler -------------------------*- C++ -*-===//
//
// One list of everything, for tools.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace nibble {

/// Adds Nibble's dialects and the upstream ones that its phases use.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers every pass and pipeline under its command-line name.
void registerAllPasses();

} // namespace nibble
