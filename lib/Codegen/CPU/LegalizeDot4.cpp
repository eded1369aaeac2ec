//===- LegalizeDot4.cpp - lowbit.dot4 as the instructions of a target -------------------------===//
#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace nibble {
#define GEN_PASS_DEF_LOWBITLEGALIZEDOT4PASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

/// Products whose i16 sums do not saturate when they are added up before they are widened: 8 x 2 x 15 x 128 =
/// 30720.
static constexpr size_t kMaddubsChain = 8;

static Value intrinsic(ImplicitLocOpBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name), operands).getResult(0);
}

static Value constant(ImplicitLocOpBuilder &b, VectorType type, int64_t value) {
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(type, Attribute(b.getIntegerAttr(type.getElementType(), value))));
}

static VectorType words(lowbit::Dot4Op op) {
  return VectorType::get({2 * op.getType().getDimSize(0)}, IntegerType::get(op.getContext(), 16));
}

/// %r = lowbit.dot4 %acc, %a, %b  ->  vpdpbusd
static LogicalResult legalizeVNNI(lowbit::Dot4Op op) {
  int64_t lanes = op.getType().getDimSize(0);
  if (lanes != 16 && lanes != 8 && lanes != 4)
    return op.emitOpError() << "no vpdpbusd has " << lanes << " lanes";
  ImplicitLocOpBuilder b(op.getLoc(), op);
  std::string name = "llvm.x86.avx512.vpdpbusd." + std::to_string(32 * lanes);
  op.replaceAllUsesWith(intrinsic(b, name, op.getType(), {op.getAcc(), op.getA(), op.getB()}));
  op.erase();
  return success();
}

/// %r = lowbit.dot4 %acc, %a, %b  ->  %acc + pmaddwd(even %a, even %b) + pmaddwd(odd %a, odd %b), bytes as
/// i16
static LogicalResult legalizeWidening(lowbit::Dot4Op op) {
  if (op.getType().getDimSize(0) != 8)
    return op.emitOpError() << "pmaddwd of 256 bits has 8 lanes";
  ImplicitLocOpBuilder b(op.getLoc(), op);
  VectorType type = words(op);
  Value eight = constant(b, type, 8);
  Value a = vector::BitCastOp::create(b, type, op.getA()), x = vector::BitCastOp::create(b, type, op.getB());
  Value evenA = arith::AndIOp::create(b, a, constant(b, type, 255));
  Value oddA = arith::ShRUIOp::create(b, a, eight);
  Value evenX = arith::ShRSIOp::create(b, arith::ShLIOp::create(b, x, eight), eight);
  Value oddX = arith::ShRSIOp::create(b, x, eight);
  Value even = intrinsic(b, "llvm.x86.avx2.pmadd.wd", op.getType(), {evenA, evenX});
  Value odd = intrinsic(b, "llvm.x86.avx2.pmadd.wd", op.getType(), {oddA, oddX});
  Value sum = arith::AddIOp::create(b, arith::AddIOp::create(b, op.getAcc(), even), odd);
  op.replaceAllUsesWith(sum);
  op.erase();
  return success();
}

/// The accumulator comes from a product of small bytes that nothing else reads.
static lowbit::Dot4Op previousInChain(lowbit::Dot4Op op) {
  auto previous = op.getAcc().getDefiningOp<lowbit::Dot4Op>();
  bool joins = previous && previous->hasOneUse() && previous->getBlock() == op->getBlock() &&
               previous.getUnsignedMax().value_or(255) <= 15;
  return joins ? previous : lowbit::Dot4Op();
}

/// The product `last` and those that only feed its accumulator, last first.
static SmallVector<lowbit::Dot4Op> chainOf(lowbit::Dot4Op last) {
  SmallVector<lowbit::Dot4Op> chain = {last};
  while (chain.size() < kMaddubsChain)
    if (lowbit::Dot4Op previous = previousInChain(chain.back()))
      chain.push_back(previous);
    else
      break;
  return chain;
}

/// %r = lowbit.dot4 (lowbit.dot4 %acc, %a0, %b0), %a1, %b1
///   ->  %acc + pmaddwd(pmaddubsw(%a0, %b0) + pmaddubsw(%a1, %b1), 1)
static LogicalResult legalizeMaddubs(ArrayRef<lowbit::Dot4Op> chain) {
  lowbit::Dot4Op last = chain.front(), first = chain.back();
  if (last.getType().getDimSize(0) != 8)
    return last.emitOpError() << "pmaddubsw of 256 bits has 8 lanes";
  ImplicitLocOpBuilder b(last.getLoc(), last);
  VectorType type = words(last);
  Value sum;
  for (lowbit::Dot4Op op : llvm::reverse(chain)) {
    Value product = intrinsic(b, "llvm.x86.avx2.pmadd.ub.sw", type, {op.getA(), op.getB()});
    sum = sum ? arith::AddIOp::create(b, sum, product).getResult() : product;
  }
  sum = intrinsic(b, "llvm.x86.avx2.pmadd.wd", last.getType(), {sum, constant(b, type, 1)});
  last.replaceAllUsesWith(arith::AddIOp::create(b, first.getAcc(), sum).getResult());
  for (lowbit::Dot4Op op : chain)
    op.erase();
  return success();
}

namespace {

struct LowbitLegalizeDot4Pass : nibble::impl::LowbitLegalizeDot4PassBase<LowbitLegalizeDot4Pass> {
  using LowbitLegalizeDot4PassBase::LowbitLegalizeDot4PassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation()->emitError() << found.error().message;
      return signalPassFailure();
    }
    SmallVector<lowbit::Dot4Op> products;
    getOperation()->walk([&](lowbit::Dot4Op op) { products.push_back(op); });
    DenseSet<Operation *> done;
    // Backwards, so that a chain is met at its end.
    for (lowbit::Dot4Op op : llvm::reverse(products)) {
      if (!done.insert(op).second)
        continue;
      LogicalResult legalized = failure();
      if (found->dot == DotProduct::Maddubs && op.getUnsignedMax().value_or(255) <= 15) {
        SmallVector<lowbit::Dot4Op> chain = chainOf(op);
        done.insert_range(llvm::map_range(chain, [](lowbit::Dot4Op part) { return part.getOperation(); }));
        legalized = legalizeMaddubs(chain);
      } else {
        legalized = found->dot == DotProduct::VNNI ? legalizeVNNI(op) : legalizeWidening(op);
      }
      if (failed(legalized))
        return signalPassFailure();
    }
  }
};

} // namespace
