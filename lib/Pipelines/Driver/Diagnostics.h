//===- Diagnostics.h - MLIR's diagnostics as error values ---------------------------*- C++ -*-===//
//
// Passes report to the context; the driver speaks in Results.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include "mlir/IR/Diagnostics.h"

namespace nibble {

/// While it lives, errors of the context are kept, and warnings go to standard error.
class DiagnosticCollector : mlir::ScopedDiagnosticHandler {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);

  /// The errors since the last call, one a line, where they are known with their place; `fallback` if there
  /// were none.
  tl::unexpected<Error> take(const std::string &fallback);

private:
  std::string errors;
};

} // namespace nibble
