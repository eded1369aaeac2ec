//===- Registration.cpp - Dialects and passes of the compiler ---------------------------------===//
#include "nibble/Pipelines/Registration.h"

#include "dialects/LLM/Passes.h"
#include "dialects/Lowbit/Lowbit.h"
#include "dialects/RT/Passes.h"
#include "dialects/RT/RT.h"
#include "lib/Conversion/LLMToLowbit/Passes.h"
#include "lib/Conversion/LowbitToRT/Passes.h"
#include "lib/Pipelines/Passes.h"
#include "nibble/Codegen/CPU/Passes.h"
#include "nibble/Pipelines/Pipelines.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Transforms/Passes.h"

void nibble::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<lowbit::LowbitDialect, llm::LLMDialect, rt::RTDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                  mlir::scf::SCFDialect, mlir::tensor::TensorDialect, mlir::vector::VectorDialect>();
}

void nibble::registerAllPasses() {
  registerNibbleCPUPasses();
  registerCPUCodegenPipeline();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerSymbolDCEPass();
  registerLLMToLowbitPasses();
  registerLowbitToRTPasses();
  llm::registerLLMPasses();
  rt::registerRTPasses();
  registerPipelinesPasses();
  registerPipelines();
}
