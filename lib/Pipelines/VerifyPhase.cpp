//===- VerifyPhase.cpp - The contract of each phase -------------------------------------------===//
//
// What DESIGN section 3 promises between phases, checked. One function a phase.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Pipelines/Passes.h"
#include "lib/Pipelines/VerifySchedule.h"

#include "dialects/LLM/LLM.h"
#include "dialects/RT/RT.h"
#include "nibble/Pipelines/Phases.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_VERIFYPHASEPASS
#include "lib/Pipelines/Passes.h.inc"
} // namespace nibble

using namespace nibble;

static constexpr size_t kLargestAttribute = 1024; // bytes

namespace {

struct VerifyPhasePass : nibble::impl::VerifyPhasePassBase<VerifyPhasePass> {
  using VerifyPhasePassBase::VerifyPhasePassBase;

  void runOnOperation() override;

private:
  /// An error at `op` that ends in the phase's name.
  WalkResult complain(Operation *op, const Twine &what) {
    op->emitOpError() << what << " after the phase " << phase;
    return WalkResult::interrupt();
  }

  WalkResult checkAttributes(Operation *op);
  WalkResult checkImport(Operation *op);
  WalkResult checkQuantize(Operation *op);
  WalkResult checkFuse(Operation *op);
  WalkResult checkSchedule(Operation *op);
  WalkResult checkLowered(Operation *op);
  WalkResult checkCodegen(ModuleOp module);
};

/// The weight of a linear, head or embedding; null for other ops.
Value weightOf(Operation *op) {
  if (auto linear = dyn_cast<llm::LinearOp>(op))
    return linear.getWeight();
  if (auto logits = dyn_cast<llm::LogitsOp>(op))
    return logits.getWeight();
  if (auto embed = dyn_cast<llm::EmbedOp>(op))
    return embed.getTable();
  return {};
}

std::optional<lowbit::ActivationKind> activationsOf(Operation *op) {
  if (auto linear = dyn_cast<llm::LinearOp>(op))
    return linear.getActivations();
  return cast<llm::LogitsOp>(op).getActivations();
}

} // namespace

WalkResult VerifyPhasePass::checkAttributes(Operation *op) {
  WalkResult result = WalkResult::advance();
  op->getAttrDictionary().walk([&](Attribute attribute) {
    if (isa<DenseResourceElementsAttr>(attribute)) {
      result = complain(op, "has a resource as an attribute; weights stay outside of the IR");
      return WalkResult::interrupt();
    }
    size_t bytes = 0;
    if (auto dense = dyn_cast<DenseElementsAttr>(attribute))
      bytes = dense.getRawData().size();
    else if (auto array = dyn_cast<DenseArrayAttr>(attribute))
      bytes = array.getRawData().size();
    if (bytes > kLargestAttribute) {
      result = complain(op, "has an attribute of " + Twine(bytes) + " bytes, the most is " +
                                Twine(kLargestAttribute) + "; weights stay outside of the IR");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return result;
}

WalkResult VerifyPhasePass::checkImport(Operation *op) {
  if (!isa<ModuleOp>(op) &&
      !isa<llm::LLMDialect, tensor::TensorDialect, arith::ArithDialect, func::FuncDialect>(op->getDialect()))
    return complain(op, "is left");
  for (Type type : op->getResultTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      if (llvm::is_contained(tensor.getShape().drop_front(tensor.getRank() ? 1 : 0), ShapedType::kDynamic))
        return complain(op, "has a dynamic dimension other than the number of rows");
  if (Value weight = weightOf(op))
    if (!weight.getDefiningOp<llm::ParamOp>() || !isa<RankedTensorType>(weight.getType()))
      return complain(op, "has a weight that is no llm.param without a format");
  return WalkResult::advance();
}

WalkResult VerifyPhasePass::checkQuantize(Operation *op) {
  if (!isa<ModuleOp, lowbit::DequantizeOp>(op) &&
      !isa<llm::LLMDialect, tensor::TensorDialect, arith::ArithDialect, func::FuncDialect>(op->getDialect()))
    return complain(op, "is left");
  Value weight = weightOf(op);
  if (!weight)
    return WalkResult::advance();
  if (isa<llm::EmbedOp>(op))
    return isa<lowbit::PackedType>(weight.getType()) ? WalkResult::advance()
                                                     : complain(op, "has a table without a format");
  auto dequantize = weight.getDefiningOp<lowbit::DequantizeOp>();
  if (!dequantize || !dequantize.getInput().getDefiningOp<llm::ParamOp>())
    return complain(op, "has a weight without a format");
  auto activations = activationsOf(op);
  if (!activations)
    return complain(op, "does not say the precision of its activations");
  if (lowbit::isInteger(*activations) && dequantize.getInput().getType().getFormat().isFloat())
    return complain(op, "has integer activations and a float weight");
  return WalkResult::advance();
}

WalkResult VerifyPhasePass::checkFuse(Operation *op) {
  if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return isa<lowbit::LinearOp>(op->getParentOp()) ? WalkResult::advance()
                                                    : complain(op, "is left outside of an epilogue");
  if (!isa<ModuleOp, func::FuncOp, func::ReturnOp, llm::ParamOp, llm::EmbedOp, llm::RMSNormOp, llm::AnglesOp,
           llm::RotateOp, llm::AttentionOp, lowbit::QuantizeRowsOp, lowbit::LinearOp, lowbit::YieldOp>(op))
    return complain(op, "is left");
  for (Type type : op->getResultTypes())
    if (auto packed = dyn_cast<lowbit::PackedType>(type);
        packed && packed.getLayout() != lowbit::LayoutKind::Panel)
      return complain(op, "is a weight that does not lie in panels");
  if (Value table = weightOf(op); table && !isa<lowbit::PackedType>(table.getType()))
    return complain(op, "has a table without a format");
  return WalkResult::advance();
}

WalkResult VerifyPhasePass::checkSchedule(Operation *op) {
  if (isa<ModuleOp>(op->getParentOp()) && !isa<rt::KernelOp, rt::ProgramOp>(op))
    return complain(op, "is left beside kernels and the program");
  if (auto program = dyn_cast<rt::ProgramOp>(op);
      program && (!program.getArena() || !program.getPrivateBytes()))
    return complain(op, "has no memory plan");
  if (auto buffer = dyn_cast<rt::BufferOp>(op))
    if (!buffer.getOffset() || (buffer.getSpace() == rt::Space::Private && !buffer.getPrivateOffset()))
      return complain(op, "has no place in memory");
  return WalkResult::advance();
}

/// An operation of the code for one target.
WalkResult VerifyPhasePass::checkLowered(Operation *op) {
  if (!isa<LLVM::LLVMDialect>(op->getDialect()))
    return complain(op, "is left");
  if (auto function = dyn_cast<LLVM::LLVMFuncOp>(op);
      function && function.isExternal() && !function.getName().starts_with("llvm."))
    return complain(op, "is declared and not defined; kernels call nothing");
  return WalkResult::advance();
}

/// What the phase codegen adds: for each target a module that has every kernel.
WalkResult VerifyPhasePass::checkCodegen(ModuleOp module) {
  if (module.getOps<ModuleOp>().empty())
    return complain(module, "has code for no target");
  for (ModuleOp lowered : module.getOps<ModuleOp>()) {
    WalkResult result = lowered.getBody()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      return checkAttributes(op).wasInterrupted() ? WalkResult::interrupt() : checkLowered(op);
    });
    if (result.wasInterrupted())
      return result;
    for (auto kernel : module.getOps<rt::KernelOp>()) {
      std::string name = kernel.getName().str();
      if (llvm::any_of(kernel.getArgumentTypes(), [](Type type) { return isa<llm::CacheType>(type); }))
        name += ".f32"; // a function for each type of cache
      for (const std::string &function : {name, name + "_items"})
        if (!lowered.lookupSymbol<LLVM::LLVMFuncOp>(function))
          return complain(lowered, "has no function \"" + function + "\"");
    }
  }
  return WalkResult::advance();
}

void VerifyPhasePass::runOnOperation() {
  ModuleOp module = getOperation();
  auto parsed = parsePhase(phase);
  if (!parsed || *parsed > Phase::Codegen) {
    module.emitError() << "\"" << phase
                       << "\" is no phase that can be verified; expected import, quantize, fuse, "
                       << "schedule or codegen";
    return signalPassFailure();
  }
  bool isScheduled = *parsed >= Phase::Schedule;
  if (isScheduled && llvm::range_size(module.getOps<rt::ProgramOp>()) != 1) {
    module.emitError() << "expected one program after the phase " << phase << ", found "
                       << llvm::range_size(module.getOps<rt::ProgramOp>());
    return signalPassFailure();
  }
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) -> WalkResult {
    if (checkAttributes(op).wasInterrupted())
      return WalkResult::interrupt();
    if (op == module.getOperation())
      return WalkResult::advance();
    if (*parsed == Phase::Codegen && isa<ModuleOp>(op))
      return WalkResult::skip(); // checkCodegen's
    switch (*parsed) {
    case Phase::Import:
      return checkImport(op);
    case Phase::Quantize:
      return checkQuantize(op);
    case Phase::Fuse:
      return checkFuse(op);
    default:
      return checkSchedule(op);
    }
  });
  if (result.wasInterrupted() ||
      (isScheduled && failed(verifySchedule(*module.getOps<rt::ProgramOp>().begin()))) ||
      (*parsed == Phase::Codegen && checkCodegen(module).wasInterrupted()))
    signalPassFailure();
}
