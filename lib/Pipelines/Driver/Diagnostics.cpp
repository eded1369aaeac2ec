//===- Diagnostics.cpp - MLIR's diagnostics as error values -----------------------------------===//
#include "lib/Pipelines/Driver/Diagnostics.h"

#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nibble;

/// "model.mlir:3:7: ", "model.layers.0.mlp: ", or nothing.
static std::string placeOf(Location location) {
  std::string place;
  llvm::raw_string_ostream stream(place);
  if (auto file = dyn_cast<FileLineColLoc>(location))
    stream << file.getFilename().getValue() << ":" << file.getLine() << ":" << file.getColumn() << ": ";
  else if (auto name = dyn_cast<NameLoc>(location))
    stream << name.getName().getValue() << ": ";
  return place;
}

DiagnosticCollector::DiagnosticCollector(MLIRContext &context) : ScopedDiagnosticHandler(&context) {
  setHandler([this](Diagnostic &diagnostic) {
    std::string line = placeOf(diagnostic.getLocation()) + diagnostic.str();
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      errors += (errors.empty() ? "" : "\n") + line;
    else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      llvm::errs() << "warning: " << line << "\n";
    return mlir::success();
  });
}

tl::unexpected<Error> DiagnosticCollector::take(const std::string &fallback) {
  std::string text = std::move(errors);
  errors.clear();
  return nibble::failure(text.empty() ? fallback : std::move(text));
}
