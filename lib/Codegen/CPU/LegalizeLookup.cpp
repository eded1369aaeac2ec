//===- LegalizeLookup.cpp - lowbit.lookup as the byte shuffle of a target ---------------------===//
#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <algorithm>

namespace nibble {
#define GEN_PASS_DEF_LOWBITLEGALIZELOOKUPPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

/// The byte shuffle of vectors of so many bits; empty where the target has none.
static StringRef shuffleName(const CPUTarget &target, int64_t bits) {
  // Every x86-64 with AVX2 has pshufb, on vectors of up to its width; the baseline has none.
  if (bits > target.vectorBits || !llvm::is_contained(target.needs, "avx2"))
    return "";
  return bits == 128   ? "llvm.x86.ssse3.pshuf.b.128"
         : bits == 256 ? "llvm.x86.avx2.pshuf.b"
         : bits == 512 ? "llvm.x86.avx512.pshuf.b.512"
                       : "";
}

/// The table over and over, as long as the vector.
static Value repeatedTable(ImplicitLocOpBuilder &b, lowbit::LookupOp op) {
  SmallVector<int8_t> bytes(op.getType().getDimSize(0));
  for (auto [i, byte] : llvm::enumerate(bytes))
    byte = op.getTable()[i % 16];
  return arith::ConstantOp::create(b, DenseElementsAttr::get(op.getType(), ArrayRef<int8_t>(bytes)));
}

/// %r = lowbit.lookup %codes in [t0, t1 ...]  ->  select(%codes == 1, t1, t0) and so on
static Value selectEntries(ImplicitLocOpBuilder &b, lowbit::LookupOp op) {
  auto splat = [&](int8_t value) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(op.getType(), value));
  };
  Value result = splat(op.getTable()[0]);
  for (int8_t code = 1; code < 16; ++code) {
    Value equal = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, op.getCodes(), splat(code));
    result = arith::SelectOp::create(b, equal, splat(op.getTable()[code]), result);
  }
  return result;
}

namespace {

struct LowbitLegalizeLookupPass : nibble::impl::LowbitLegalizeLookupPassBase<LowbitLegalizeLookupPass> {
  using LowbitLegalizeLookupPassBase::LowbitLegalizeLookupPassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation()->emitError() << found.error().message;
      return signalPassFailure();
    }
    getOperation()->walk([&](lowbit::LookupOp op) {
      ImplicitLocOpBuilder b(op.getLoc(), op);
      StringRef shuffle = shuffleName(*found, 8 * op.getType().getDimSize(0));
      Value result;
      if (shuffle.empty())
        result = selectEntries(b, op);
      else
        result = LLVM::CallIntrinsicOp::create(b, op.getType(), b.getStringAttr(shuffle),
                                               ValueRange{repeatedTable(b, op), op.getCodes()})
                     .getResult(0);
      op.replaceAllUsesWith(result);
      op.erase();
    });
  }
};

} // namespace
