//===- LegalizeDot2.cpp - lowbit.dot2 as vdpbf16ps --------------------------------------------===//
#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace nibble {
#define GEN_PASS_DEF_LOWBITLEGALIZEDOT2PASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

namespace {

struct LowbitLegalizeDot2Pass : nibble::impl::LowbitLegalizeDot2PassBase<LowbitLegalizeDot2Pass> {
  using LowbitLegalizeDot2PassBase::LowbitLegalizeDot2PassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation()->emitError() << found.error().message;
      return signalPassFailure();
    }
    WalkResult walked = getOperation()->walk([&](lowbit::Dot2Op op) -> WalkResult {
      int64_t bits = 32 * op.getType().getDimSize(0);
      // An instruction that the target lacks would end the process in LLVM.
      if (!found->hasBF16Dot || bits < 128 || bits > found->vectorBits || !llvm::isPowerOf2_64(bits))
        return op.emitOpError() << "of " << bits << " bits is no instruction of " << found->name;
      OpBuilder b(op);
      StringAttr name = b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps." + Twine(bits));
      Value dot = LLVM::CallIntrinsicOp::create(b, op.getLoc(), op.getType(), name,
                                                ValueRange{op.getAcc(), op.getA(), op.getB()})
                      .getResult(0);
      op.replaceAllUsesWith(dot);
      op.erase();
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
