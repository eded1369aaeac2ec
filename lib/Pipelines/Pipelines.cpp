//===- Pipelines.cpp - From one phase to the next ---------------------------------------------===//
#include "nibble/Pipelines/Pipelines.h"

#include "dialects/LLM/Passes.h"
#include "dialects/RT/Passes.h"
#include "lib/Conversion/LLMToLowbit/Passes.h"
#include "lib/Conversion/LowbitToRT/Passes.h"
#include "lib/Pipelines/Passes.h"
#include "nibble/Pipelines/Phases.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

static std::unique_ptr<Pass> verify(nibble::Phase phase) {
  return nibble::createVerifyPhasePass({std::string(nibble::phaseName(phase))});
}

void nibble::buildQuantizePipeline(OpPassManager &pm, const QuantizeOptions &options, bool verifyPhase) {
  // one llm.param for each name
  pm.addPass(createCSEPass());
  // float weights to packed weights, in the formats that options and plan say
  pm.addPass(createAssignFormatsPass(
      {options.precision, options.head, options.embedding, options.activations, options.plan}));
  if (verifyPhase)
    pm.addPass(verify(Phase::Quantize));
}

void nibble::buildFusePipeline(OpPassManager &pm, bool verifyPhase) {
  // linears of dequantized weights to products of packed weights and rows
  pm.addPass(createFuseDequantPass());
  // one weight for each name again: those in panels
  pm.addPass(createCSEPass());
  // norms into rows; rows shared by their readers
  pm.addPass(createFuseRowsPass());
  // residual adds and gates into epilogues
  pm.addPass(createFuseEpiloguePass());
  // rotary angles once a step, not once a layer
  pm.addPass(llm::createShareAnglesPass());
  // what nobody reads any more
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  if (verifyPhase)
    pm.addPass(verify(Phase::Fuse));
}

void nibble::buildSchedulePipeline(OpPassManager &pm, bool verifyPhase) {
  // attention to what runs between barriers: storing, reducing, merging
  pm.addPass(createSplitAttentionPass());
  // the model to kernels and dispatches
  pm.addPass(createSchedulePass());
  // barriers that keep readers behind writers
  pm.addNestedPass<rt::ProgramOp>(rt::createPlaceBarriersPass());
  // offsets of buffers; reuse follows the barriers
  pm.addNestedPass<rt::ProgramOp>(rt::createPlanMemoryPass());
  if (verifyPhase)
    pm.addPass(verify(Phase::Schedule));
}

void nibble::registerPipelines() {
  static PassPipelineRegistration<QuantizeOptions> quantize(
      "nibble-quantize", "From the import phase to the quantize phase",
      [](OpPassManager &pm, const QuantizeOptions &options) { buildQuantizePipeline(pm, options); });
  static PassPipelineRegistration<> fuse("nibble-fuse", "From the quantize phase to the fuse phase",
                                         [](OpPassManager &pm) { buildFusePipeline(pm); });
  static PassPipelineRegistration<> schedule("nibble-schedule", "From the fuse phase to the schedule phase",
                                             [](OpPassManager &pm) { buildSchedulePipeline(pm); });
}
