//===- LegalizeTiles.cpp - Products of matrix tiles as instructions of AMX --------------------===//
#include "KernelBuilder.h"

#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Codegen/CPU/Passes.h"

namespace nibble {
#define GEN_PASS_DEF_LOWBITLEGALIZETILESPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

namespace {

constexpr int64_t kRows = 16;           // of a full tile
constexpr int64_t kOutputs = 16;        // columns of a tile of i32 or f32
constexpr int64_t kLine = 4 * kOutputs; // bytes of a row of codes, of sums
constexpr int64_t kBytes = 4;           // of a row of codes that belong to one output
constexpr int64_t kTile = kRows * kLine;

/// The intrinsics take rows and bytes of a row of each tile; LLVM allots registers and configures the unit.
struct Legalizer {
  KernelBuilder b;
  Type tile = LLVM::LLVMX86AMXType::get(b.getContext());
  Value line = size(kLine);

  Legalizer(OpBuilder &builder, Operation *op, const CPUTarget &target) : b(builder, op->getLoc(), target) {}

  Value size(int64_t value) { return b.constant(b.i16(), value); }
  StringAttr nameOf(StringRef name) { return b.getStringAttr("llvm.x86." + name + ".internal"); }
  Value intrinsic(StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, tile, nameOf(name), operands).getResult(0);
  }
  Value load(Value rows, Value bytes, Value pointer, int64_t step) {
    return intrinsic("tileloadd64", {rows, bytes, pointer, b.index(step)});
  }
  void store(Value rows, Value sums, Value pointer, int64_t offset) {
    LLVM::CallIntrinsicOp::create(b, nameOf("tilestored64"),
                                  ValueRange{rows, line, b.at(pointer, offset), b.index(kLine), sums});
  }

  void run(lowbit::DotTileOp op) {
    Value rows = size(op.getRows()), bytes = size(op.getColumns());
    Value codes = load(size(op.getColumns() / kBytes), line, op.getCodes(), kLine);
    StringRef product = op.getUnsignedCodes() ? "tdpbsud" : "tdpbssd";
    for (auto [i, source] : llvm::enumerate(op.getSources())) {
      Value x = load(rows, bytes, source, op.getColumns());
      Value zero = intrinsic("tilezero", {rows, line});
      Value sums = intrinsic(product, {rows, line, bytes, zero, x, codes});
      store(rows, sums, op.getSums(), static_cast<int64_t>(i) * op.getRows() * kLine);
    }
  }

  /// The sums of all sources stay in tiles while groups of 32 columns follow each other: a tile of weights is
  /// 16 pairs of columns by 16 outputs, one of a source its rows by 32 columns.
  void run(lowbit::DotTileBF16Op op) {
    Value rows = op.getRows();
    auto step = [&](Value number, ValueRange carried) {
      Value lines = b.at(op.getWeights(), b.mul(number, kTile));
      for (int64_t offset = 0; offset < kTile; offset += kLine) {
        if (op.getNear())
          b.prefetch(lines, op.getNear() + offset, CacheLevel::First);
        if (op.getFar())
          b.prefetch(lines, op.getFar() + offset, CacheLevel::Second);
      }
      Value weights = load(size(kRows), line, lines, kLine), columns = b.mul(number, kLine);
      SmallVector<Value> sums;
      for (auto [source, sum] : llvm::zip_equal(op.getSources(), carried)) {
        Value x = load(rows, line, b.at(source, columns), op.getStride());
        sums.push_back(intrinsic("tdpbf16ps", {rows, line, line, sum, x, weights}));
      }
      return sums;
    };
    SmallVector<Value> sums;
    for (size_t i = 0; i < op.getSources().size(); ++i)
      sums.push_back(intrinsic("tilezero", {rows, line}));
    sums = b.loop(b.index(0), b.index(2 * op.getColumns() / kLine), 1, sums, step);
    for (auto [i, sum] : llvm::enumerate(sums))
      store(rows, sum, op.getSums(), static_cast<int64_t>(i) * kTile);
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
    WalkResult walked = getOperation()->walk([&](Operation *op) -> WalkResult {
      if (!isa<lowbit::DotTileOp, lowbit::DotTileBF16Op>(op))
        return WalkResult::advance();
      // An instruction that the target lacks would end the process in LLVM.
      if (!found->hasTiles)
        return op->emitOpError() << "is no instruction of " << found->name;
      OpBuilder builder(op);
      Legalizer legalizer(builder, op, *found);
      if (auto bytes = dyn_cast<lowbit::DotTileOp>(op))
        legalizer.run(bytes);
      else
        legalizer.run(cast<lowbit::DotTileBF16Op>(op));
      op->erase();
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
