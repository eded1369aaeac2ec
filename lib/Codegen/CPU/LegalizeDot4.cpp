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

/// The most that pmaddubsw, or two neighbours of smull, can give: in i16, where products are added up before
/// they are widened, as long as the sum of this stays below 2^15. Eight products of nibbles do, or one of 7
/// bits.
static int64_t pairMax(lowbit::Dot4Op op) { return 2 * 128 * int64_t(op.getUnsignedMax().value_or(255)); }
static constexpr int64_t kWordMax = 32767;

namespace {

/// What a target makes of one product, or of a chain of them; `lanes` of i32, 4 * lanes bytes a side.
struct Legalizer {
  ImplicitLocOpBuilder b;
  int64_t lanes;
  VectorType ints = VectorType::get({lanes}, b.getI32Type());
  VectorType words = VectorType::get({2 * lanes}, b.getIntegerType(16));
  VectorType bytes = VectorType::get({4 * lanes}, b.getI8Type());

  explicit Legalizer(lowbit::Dot4Op op) : b(op.getLoc(), op), lanes(op.getType().getDimSize(0)) {}

  Value constant(VectorType type, int64_t value) {
    IntegerAttr element = b.getIntegerAttr(type.getElementType(), value);
    return arith::ConstantOp::create(b, DenseElementsAttr::get(type, Attribute(element)));
  }
  Value intrinsic(const Twine &name, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name), operands).getResult(0);
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }

  /// x86's names depend on the width: of 128, 256 and 512 bits.
  Value sized(StringRef narrow, StringRef middle, StringRef wide, Type result, ValueRange operands) {
    return intrinsic(lanes == 4 ? narrow : lanes == 8 ? middle : wide, result, operands);
  }
  Value pmaddubsw(Value a, Value x) {
    return sized("llvm.x86.ssse3.pmadd.ub.sw.128", "llvm.x86.avx2.pmadd.ub.sw",
                 "llvm.x86.avx512.pmaddubs.w.512", words, {a, x});
  }
  Value pmaddwd(Value a, Value x) {
    return sized("llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512", ints,
                 {a, x});
  }

  /// acc + dot(a, x)  ->  vpdpbusd
  Value vnni(Value acc, Value a, Value x) {
    return intrinsic("llvm.x86.avx512.vpdpbusd." + Twine(32 * lanes), ints, {acc, a, x});
  }

  /// acc + dot(a, x)  ->  acc + pmaddwd(even a, even x) + pmaddwd(odd a, odd x), bytes as i16
  Value widened(Value acc, Value a, Value x) {
    Value eight = constant(words, 8);
    a = vector::BitCastOp::create(b, words, a);
    x = vector::BitCastOp::create(b, words, x);
    Value evenA = arith::AndIOp::create(b, a, constant(words, 255));
    Value oddA = arith::ShRUIOp::create(b, a, eight);
    Value evenX = arith::ShRSIOp::create(b, arith::ShLIOp::create(b, x, eight), eight);
    Value oddX = arith::ShRSIOp::create(b, x, eight);
    return add(add(acc, pmaddwd(evenA, evenX)), pmaddwd(oddA, oddX));
  }

  /// acc + dot(a0, x0) + dot(a1, x1)  ->  acc + pmaddwd(pmaddubsw(a0, x0) + pmaddubsw(a1, x1), 1)
  Value maddubs(Value acc, ArrayRef<std::pair<Value, Value>> products) {
    Value sum;
    for (auto [a, x] : products) {
      Value product = pmaddubsw(a, x);
      sum = sum ? add(sum, product) : product;
    }
    return add(acc, pmaddwd(sum, constant(words, 1)));
  }

  // AArch64's vectors have 4 lanes.

  Value half(Value bytes, int64_t first) {
    return vector::ExtractStridedSliceOp::create(b, bytes, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{8},
                                                 ArrayRef<int64_t>{1});
  }
  Value smull(Value a, Value x, int64_t first) {
    return intrinsic("llvm.aarch64.neon.smull.v8i16", words, {half(a, first), half(x, first)});
  }
  /// i32 sums of neighbours in i16.
  Value saddlp(Value x) { return intrinsic("llvm.aarch64.neon.saddlp.v4i32.v8i16", ints, x); }
  Value sdot(Value acc, Value a, Value x) {
    return intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", ints, {acc, a, x});
  }
  Value usdot(Value acc, Value a, Value x) {
    return intrinsic("llvm.aarch64.neon.usdot.v4i32.v16i8", ints, {acc, a, x});
  }
  Value toSigned(Value a) { return arith::XOrIOp::create(b, a, constant(bytes, -128)); }

  /// acc + dot(a0, x0) + dot(a1, x1)  ->  acc + saddlp(addp(products of bytes 0 to 7, of bytes 8 to 15))
  Value neonSmall(Value acc, ArrayRef<std::pair<Value, Value>> products) {
    Value low, high;
    for (auto [a, x] : products) {
      Value l = smull(a, x, 0), h = smull(a, x, 8);
      low = low ? add(low, l) : l;
      high = high ? add(high, h) : h;
    }
    return add(acc, saddlp(intrinsic("llvm.aarch64.neon.addp.v8i16", words, {low, high})));
  }

  /// acc + dot(a, x)  ->  acc + dot(a - 128, x) + 128 sum(x), where a - 128 is signed
  Value neonWidened(Value acc, Value a, Value x) {
    a = toSigned(a);
    Value low = saddlp(smull(a, x, 0)), high = saddlp(smull(a, x, 8));
    Value sum = saddlp(intrinsic("llvm.aarch64.neon.saddlp.v8i16.v16i8", words, x));
    Value shift = arith::ShLIOp::create(b, sum, constant(ints, 7));
    return add(add(acc, shift), intrinsic("llvm.aarch64.neon.addp.v4i32", ints, {low, high}));
  }

  /// acc + dot(a, x)  ->  sdot(acc, a - 128, x) - sdot(0, -128, x)
  Value sdotShifted(Value acc, Value a, Value x) {
    Value shift = sdot(constant(ints, 0), constant(bytes, -128), x);
    return arith::SubIOp::create(b, sdot(acc, toSigned(a), x), shift);
  }
};

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
      // An instruction that the target lacks would end the process in LLVM.
      int64_t bits = 32 * op.getType().getDimSize(0);
      if (bits < 128 || bits > found->vectorBits || !llvm::isPowerOf2_64(bits)) {
        op.emitOpError() << "has a vector of " << bits << " bits; " << found->name << " multiplies 128 to "
                         << found->vectorBits;
        return signalPassFailure();
      }
      SmallVector<lowbit::Dot4Op> chain = {op};
      bool isArm = found->instructions == InstructionSet::AArch64;
      if (isSmall(op) && (found->dot == DotProduct::Maddubs || (found->dot == DotProduct::Widen && isArm)))
        chain = chainOf(op);
      done.insert_range(llvm::map_range(chain, [](lowbit::Dot4Op part) { return part.getOperation(); }));
      legalize(*found, chain);
    }
  }

  static bool isSmall(lowbit::Dot4Op op) { return pairMax(op) <= kWordMax; }

  /// The product `last` and those that only feed its accumulator, as many as can be added up in i16; last
  /// first.
  static SmallVector<lowbit::Dot4Op> chainOf(lowbit::Dot4Op last) {
    SmallVector<lowbit::Dot4Op> chain = {last};
    for (int64_t most = pairMax(last);;) {
      auto previous = chain.back().getAcc().getDefiningOp<lowbit::Dot4Op>();
      if (!previous || !previous->hasOneUse() || previous->getBlock() != last->getBlock())
        return chain;
      most += pairMax(previous);
      if (most > kWordMax)
        return chain;
      chain.push_back(previous);
    }
  }

  static void legalize(const CPUTarget &target, ArrayRef<lowbit::Dot4Op> chain) {
    lowbit::Dot4Op last = chain.front();
    Legalizer make(last);
    Value acc = lowbit::Dot4Op(chain.back()).getAcc(), a = last.getA(), x = last.getB(), result;
    SmallVector<std::pair<Value, Value>> products;
    for (lowbit::Dot4Op op : llvm::reverse(chain))
      products.emplace_back(op.getA(), op.getB());
    bool fitsSigned = last.getUnsignedMax().value_or(255) <= 127;
    switch (target.dot) {
    case DotProduct::VNNI:
      result = make.vnni(acc, a, x);
      break;
    case DotProduct::Maddubs:
      result = isSmall(last) ? make.maddubs(acc, products) : make.widened(acc, a, x);
      break;
    case DotProduct::Widen:
      if (target.instructions == InstructionSet::AArch64)
        result = isSmall(last) ? make.neonSmall(acc, products) : make.neonWidened(acc, a, x);
      else
        result = make.widened(acc, a, x);
      break;
    case DotProduct::SDot:
      result = fitsSigned ? make.sdot(acc, a, x) : make.sdotShifted(acc, a, x);
      break;
    case DotProduct::USDot:
      result = make.usdot(acc, a, x);
      break;
    }
    last.replaceAllUsesWith(result);
    for (lowbit::Dot4Op op : chain)
      op.erase();
  }
};

} // namespace
