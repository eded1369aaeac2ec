//===- LegalizeTiles.cpp - lowbit.dot_tile as instructions of AMX -----------------------------===//
#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace nibble {
#define GEN_PASS_DEF_LOWBITLEGALIZETILESPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

namespace {

constexpr int64_t kOutputs = 16;        // columns of a tile of i32
constexpr int64_t kLine = 4 * kOutputs; // bytes of a row of codes, of sums
constexpr int64_t kBytes = 4;           // of a row of codes that belong to one output

/// The intrinsics take rows and bytes of a row of each tile; LLVM allots registers and configures the unit.
struct Legalizer {
  lowbit::DotTileOp op;
  ImplicitLocOpBuilder b;
  Type tile = LLVM::LLVMX86AMXType::get(b.getContext());
  Value line = size(kLine);

  explicit Legalizer(lowbit::DotTileOp op) : op(op), b(op.getLoc(), op) {}

  Value size(int64_t value) { return arith::ConstantOp::create(b, b.getI16IntegerAttr(value)); }
  Value stride(int64_t value) { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); }
  Value at(Value pointer, int64_t offset) {
    return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)},
                               LLVM::GEPNoWrapFlags::inbounds);
  }
  StringAttr nameOf(StringRef name) { return b.getStringAttr("llvm.x86." + name + ".internal"); }
  Value intrinsic(StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, tile, nameOf(name), operands).getResult(0);
  }
  Value load(Value rows, Value bytes, Value pointer, int64_t step) {
    return intrinsic("tileloadd64", {rows, bytes, pointer, stride(step)});
  }

  void run() {
    Value rows = size(op.getRows()), bytes = size(op.getColumns());
    Value codes = load(size(op.getColumns() / kBytes), line, op.getCodes(), kLine);
    StringRef product = op.getUnsignedCodes() ? "tdpbsud" : "tdpbssd";
    for (auto [i, source] : llvm::enumerate(op.getSources())) {
      Value x = load(rows, bytes, source, op.getColumns());
      Value zero = intrinsic("tilezero", {rows, line});
      Value sums = intrinsic(product, {rows, line, bytes, zero, x, codes});
      Value target = at(op.getSums(), static_cast<int64_t>(i) * op.getRows() * kLine);
      LLVM::CallIntrinsicOp::create(b, nameOf("tilestored64"),
                                    ValueRange{rows, line, target, stride(kLine), sums});
    }
    op.erase();
  }
};

struct LowbitLegalizeTilesPass : nibble::impl::LowbitLegalizeTilesPassBase<LowbitLegalizeTilesPass> {
  using LowbitLegalizeTilesPassBase::LowbitLegalizeTilesPassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation()->emitError() << found.error().message;
      return signalPassFailure();
    }
    WalkResult walked = getOperation()->walk([&](lowbit::DotTileOp op) -> WalkResult {
      // An instruction that the target lacks would end the process in LLVM.
      if (!found->hasTiles)
        return op.emitOpError() << "is no instruction of " << found->name;
      Legalizer(op).run();
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
