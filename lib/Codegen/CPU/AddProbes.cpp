//===- AddProbes.cpp - Kernels that measure the machine ---------------------------------------===//
//
// include/nibble/runtime/ProbeABI.h says what they do. They come out of the same builders as all kernels, so
// that a share of the peak compares like with like.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"

#include "nibble/Codegen/CPU/Passes.h"
#include "nibble/runtime/KernelABI.h"
#include "nibble/runtime/ProbeABI.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace nibble {
#define GEN_PASS_DEF_ADDPROBESPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

/// The values that a probe can use.
namespace {
struct ProbeFrame {
  Value source, sink; // operands
  Value begin, end;   // i64: items
};
} // namespace

/// All of them must be needed for the sum that is stored.
static void keep(KernelBuilder &b, ValueRange sums, Value sink) {
  Value sum = sums.front();
  for (Value other : sums.drop_front())
    sum = b.add(sum, other);
  b.store(sum, sink, 4);
}

/// One stream: the kernel's prefetchers see what they see of a weight.
static void emitRead(KernelBuilder &b, const ProbeFrame &frame) {
  constexpr int64_t kSums = 8;
  VectorType ints = b.vec(b.target.lanes(), b.i32());
  int64_t bytes = b.target.vectorBits / 8;
  SmallVector<Value> sums(kSums, b.constant(ints, int64_t(0)));
  sums = b.loop(b.mul(frame.begin, kProbeReadBytes), b.mul(frame.end, kProbeReadBytes), kSums * bytes, sums,
                [&](Value offset, ValueRange carried) {
                  Value address = b.at(frame.source, offset);
                  SmallVector<Value> next;
                  for (auto [i, sum] : llvm::enumerate(carried))
                    next.push_back(b.add(sum, b.load(ints, address, static_cast<int64_t>(i) * bytes, bytes)));
                  return next;
                });
  keep(b, sums, frame.sink);
}

/// Two units of latency 5 need ten sums in flight.
static int64_t sumsInFlight(const CPUTarget &target) { return target.vectorRegisters >= 32 ? 16 : 8; }

/// Loops often enough for all items; `step` makes the next sum out of the last, its number and the iteration.
static void emitMultiplications(KernelBuilder &b, const ProbeFrame &frame, VectorType type, int64_t perSum,
                                llvm::function_ref<Value(Value sum, int64_t number, Value iteration)> step) {
  int64_t sums = sumsInFlight(b.target);
  int64_t iterations = kProbeMultiplications / (sums * perSum);
  SmallVector<Value> init(sums, b.constant(type, int64_t(0)));
  auto end = b.mul(b.sub(frame.end, frame.begin), iterations);
  SmallVector<Value> done = b.loop(b.index(0), end, 1, init, [&](Value iteration, ValueRange carried) {
    SmallVector<Value> next;
    for (auto [i, sum] : llvm::enumerate(carried))
      next.push_back(step(sum, static_cast<int64_t>(i), iteration));
    return next;
  });
  keep(b, done, frame.sink);
}

static void emitDot4(KernelBuilder &b, const ProbeFrame &frame) {
  int64_t lanes = b.target.lanes(), bytes = 4 * lanes;
  VectorType codes = b.vec(bytes, b.i8()), ints = b.vec(lanes, b.i32());
  IntegerAttr codeMax = b.getI32IntegerAttr(15);
  Value x = b.load(codes, frame.source, 0, bytes);
  Value fixed = b.load(codes, frame.source, 64, bytes);
  bool oneInstruction = b.target.dotCost(15).product == 1;
  emitMultiplications(b, frame, ints, 4 * lanes, [&](Value sum, int64_t number, Value iteration) -> Value {
    Value code = fixed;
    if (!oneInstruction) {
      // Where a product takes several instructions, those of the same bytes would be done once for all.
      Value block = b.mul(b.mod(iteration, 8), 512);
      code = b.load(codes, b.at(frame.source, block), number * bytes, bytes);
    }
    return lowbit::Dot4Op::create(b, ints, sum, code, x, codeMax);
  });
}

/// Full tiles, whose sums are stored after each product as kernels have to.
static void emitTiles(KernelBuilder &b, const ProbeFrame &frame) {
  constexpr int64_t kRows = 16, kColumns = 64, kTileBytes = 1024, kSources = kProbeOperandBytes / kTileBytes;
  constexpr int64_t iterations = kProbeMultiplications / (kRows * kRows * kColumns * kSources);
  Value sums = LLVM::AllocaOp::create(b, b.ptr(), b.i8(), b.index(kSources * kTileBytes), /*alignment=*/64);
  SmallVector<Value> sources;
  for (int64_t i = 0; i < kSources; ++i)
    sources.push_back(b.at(frame.source, i * kTileBytes));
  b.loop(b.index(0), b.mul(b.sub(frame.end, frame.begin), iterations), 1, [&](Value) {
    lowbit::DotTileOp::create(b, frame.source, sources, sums, kRows, kColumns, /*unsigned_codes=*/false);
  });
  keep(b, b.load(b.vec(kRows, b.i32()), sums, 64), frame.sink);
}

static void emitFMA(KernelBuilder &b, const ProbeFrame &frame) {
  int64_t lanes = b.target.lanes();
  VectorType floats = b.vec(lanes, b.f32());
  // About 1/256, but not known here: sums converge, far from what slows a unit down.
  Value bits = b.load(b.vec(lanes, b.i32()), frame.source, 0, 4 * lanes);
  Value x = b.mul(arith::SIToFPOp::create(b, floats, bits), b.constant(floats, 0x1p-40));
  x = b.add(x, b.constant(floats, 0x1p-8));
  emitMultiplications(b, frame, floats, lanes, [&](Value sum, int64_t, Value) { return b.fma(sum, x, x); });
}

namespace {

struct AddProbesPass : nibble::impl::AddProbesPassBase<AddProbesPass> {
  using AddProbesPassBase::AddProbesPassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target);
    if (!found) {
      getOperation().emitError() << found.error().message;
      return signalPassFailure();
    }
    emit(kProbeRead, *found, emitRead);
    emit(kProbeDot4, *found, found->hasTiles ? emitTiles : emitDot4);
    emit(kProbeFMA, *found, emitFMA);
  }

private:
  void emit(const Twine &name, const CPUTarget &target,
            llvm::function_ref<void(KernelBuilder &, const ProbeFrame &)> body) {
    auto builder = OpBuilder::atBlockEnd(getOperation().getBody());
    Location loc = builder.getUnknownLoc();
    Type ptr = LLVM::LLVMPointerType::get(&getContext()), i32 = builder.getI32Type();
    func::FuncOp function = beginKernelFunction(builder, loc, name, {ptr, ptr, i32, i32, ptr}, {}, target);
    function->setAttr("nibble.scratch", builder.getI64IntegerAttr(0));
    function->setAttr("nibble.family", builder.getStringAttr(kProbeFamily));
    KernelBuilder b(builder, loc, target);
    ProbeFrame frame;
    frame.source = b.load(ptr, function.getArgument(1), 0, 8);
    frame.sink = b.load(ptr, function.getArgument(1), 8, 8);
    frame.begin = b.toI64(function.getArgument(2));
    frame.end = b.toI64(function.getArgument(3));
    body(b, frame);
    func::ReturnOp::create(b);

    auto after = OpBuilder::atBlockEnd(getOperation().getBody());
    func::FuncOp items = beginKernelFunction(after, loc, name + "_items", {ptr}, {i32}, target);
    KernelBuilder count(after, loc, target);
    func::ReturnOp::create(count, count.load(i32, items.getArgument(0), offsetof(NibbleBatch, tokens), 4));
  }
};

} // namespace
