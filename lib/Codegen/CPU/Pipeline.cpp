//===- Pipeline.cpp - From kernels to the LLVM dialect ----------------------------------------===//
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void nibble::buildCPUCodegenPipeline(OpPassManager &pm, const CPUTarget &target) {
  pm.addPass(createRTToVectorPass(
      {target.name, target.tuning.spelling()}));             // rt to scf, vector, arith, math, lowbit.dot4
  pm.addPass(createAddProbesPass({target.name}));            // kernels that measure the machine
  pm.addPass(createLowbitLegalizeDot4Pass({target.name}));   // lowbit.dot4 to intrinsics
  pm.addPass(createLowbitLegalizeDot2Pass({target.name}));   // lowbit.dot2 to intrinsics
  pm.addPass(createLowbitLegalizeTilesPass({target.name}));  // lowbit.dot_tile to intrinsics
  pm.addPass(createLowbitLegalizeLookupPass({target.name})); // lowbit.lookup to intrinsics
  pm.addPass(createNibbleExpandMathPass());                  // math.exp and kin to arith
  pm.addPass(createNibbleExpandFloatsPass({target.name}));   // what the target lacks of f16, FMA, rounding
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createSCFToControlFlowPass());    // scf to cf
  pm.addPass(createConvertVectorToLLVMPass()); // what follows: each to llvm
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

namespace {
struct CodegenOptions : PassPipelineOptions<CodegenOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("CPU target: x86-64-v3, avx512-vnni, ..., or native"),
                             llvm::cl::init("x86-64-v3")};
  Option<std::string> tuneFor{*this, "tune-for",
                              llvm::cl::desc("kind of CPU whose speed decides tiles: znver4, ...")};
};
} // namespace

void nibble::registerCPUCodegenPipeline() {
  PassPipelineRegistration<CodegenOptions>(
      "nibble-codegen-cpu", "kernels of a scheduled module to the LLVM dialect for one CPU target",
      [](OpPassManager &pm, const CodegenOptions &options) {
        if (Result<CPUTarget> target = findCPUTarget(options.target, options.tuneFor))
          buildCPUCodegenPipeline(pm, *target);
        else
          llvm::reportFatalUsageError(llvm::Twine(target.error().message));
      });
}
