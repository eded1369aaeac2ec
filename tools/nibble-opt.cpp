//===- nibble-opt.cpp - Every pass, alone, as mlir-opt would run it ---------------------------===//
#include "nibble/Pipelines/Registration.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  nibble::registerAllDialects(registry);
  nibble::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Nibble's modular optimizer driver\n", registry));
}
