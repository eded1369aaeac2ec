//===- LinearKernel.cpp - Kernels of lowbit.linear --------------------------------------------===//
#include "LinearEmitter.h"

#include "nibble/Quantize/FormatAttribute.h"

using namespace mlir;
using namespace nibble;

GroupWork nibble::workOf(const Format &format, lowbit::RowsType rows) {
  return {format.bits(), rows.getPlanes(), format.bits() == 4 && !format.isCodebook() ? 15 : 255,
          format.zero != Zero::None, format.isCodebook()};
}

LinearEmitter::LinearEmitter(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
    : kernel(kernel), op(op), target(target), rows(op.getInput().getType()), lanes(target.lanes()),
      tokenBlock(tokensOfBlock(target, rows.getRowBytes())) {
  for (Value weight : op.getWeights())
    weights.push_back(WeightPanel::get(cast<lowbit::PackedType>(weight.getType()), rows));
}

int64_t LinearEmitter::panelsPerItem() const {
  int64_t bytes = 0;
  for (const WeightPanel &weight : weights)
    bytes += weight.layout.panelBytes();
  int64_t each = panelsOfItem(target, bytes, panels());
  return std::min(panels(), (each + panelsTogether - 1) / panelsTogether * panelsTogether);
}

Value LinearEmitter::items(KernelBuilder &b, Value batch) {
  int64_t runs = (panels() + panelsPerItem() - 1) / panelsPerItem();
  return b.mul(b.ceilDiv(rowCount(b, batch, rows.getCount()), tokenBlock), runs);
}

void LinearEmitter::item(KernelBuilder &b, const KernelFrame &frame, Value item) {
  int64_t runs = (panels() + panelsPerItem() - 1) / panelsPerItem();
  Value total = rowCount(b, frame.batch, rows.getCount());
  Value begin = b.mul(b.div(item, runs), tokenBlock);
  Value end = b.min(b.add(begin, tokenBlock), total);
  Value panel = b.mul(b.mod(item, runs), panelsPerItem());
  Value panelEnd = b.min(b.add(panel, panelsPerItem()), b.index(panels()));
  Value whole = b.add(begin, b.mul(b.div(b.sub(end, begin), stepTokens), stepTokens));
  Block block{begin, whole, end};
  Value even = panelsTogether == 1
                   ? panelEnd
                   : b.add(panel, b.mul(b.div(b.sub(panelEnd, panel), panelsTogether), panelsTogether));
  b.loop(panel, even, panelsTogether, [&](Value p) { tokens(b, frame, {p, panelsTogether}, block); });
  if (panelsTogether > 1)
    b.loop(even, panelEnd, 1, [&](Value p) { tokens(b, frame, {p, 1}, block); });
}

void LinearEmitter::forRows(KernelBuilder &b, const Panels &panels, int64_t vectors,
                            llvm::function_ref<void(const TileRows &)> body) const {
  int64_t rowsAtOnce = vectors * lanes;
  if (rowsAtOnce == panels.count * kPanelRows)
    return body({panels.first, {}, vectors});
  auto ofPanel = [&](Value panel) {
    if (rowsAtOnce >= kPanelRows)
      return body({panel, {}, vectors});
    b.loop(b.index(0), b.index(kPanelRows), rowsAtOnce,
           [&](Value offset) { body({panel, offset, vectors}); });
  };
  if (panels.count == 1)
    return ofPanel(panels.first);
  b.loop(panels.first, b.add(panels.first, panels.count), std::max<int64_t>(1, rowsAtOnce / kPanelRows),
         ofPanel);
}

Value LinearEmitter::panelOf(KernelBuilder &b, const KernelFrame &frame, size_t weight, Value panel) {
  return b.at(operandOf(frame, kernel, op.getWeights()[weight]),
              b.mul(panel, weights[weight].layout.panelBytes()));
}

Value LinearEmitter::rowsOf(KernelBuilder &b, const KernelFrame &frame, Value token) {
  return b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
}

Value LinearEmitter::columnBytes(KernelBuilder &b, const TileRows &at) const {
  Value column = b.mul(at.panel, kPanelRows);
  return b.mul(at.offset ? b.add(column, at.offset) : column, 4);
}

void LinearEmitter::epilogue(KernelBuilder &b, const KernelFrame &frame, ArrayRef<SmallVector<Value>> sums,
                             const TileRows &at, Value token) {
  Value result = resultPointer(frame, kernel, 0), column = columnBytes(b, at);
  const int64_t stride = rt::rowBytes(op.getType());
  const int64_t places = static_cast<int64_t>(sums.front().size()), count = places / at.vectors;
  for (int64_t place = 0; place < places; ++place) {
    const int64_t m = place % count, vectorBytes = place / count * lanes * 4;
    SmallVector<Value> arguments;
    for (const SmallVector<Value> &weight : sums)
      arguments.push_back(weight[place]);
    for (Value extra : op.getExtras()) {
      Value address = b.at(b.at(operandOf(frame, kernel, extra), column), vectorBytes);
      if (auto matrix = cast<RankedTensorType>(extra.getType()); matrix.getRank() == 2)
        address = b.at(address, b.mul(b.add(token, m), rt::rowBytes(matrix)));
      arguments.push_back(b.load(b.vec(lanes, b.f32()), address, 4));
    }
    Value value = cloneOnVectors(b, op.getEpilogue().front(), arguments, lanes).front();
    Value row = b.at(b.at(b.at(result, column), vectorBytes), b.mul(b.add(token, m), stride));
    b.store(value, row, 4);
  }
}

void LinearEmitter::prefetchExtras(KernelBuilder &b, const KernelFrame &frame, const TileRows &at,
                                   Value token, int64_t count) {
  for (Value extra : op.getExtras()) {
    auto matrix = cast<RankedTensorType>(extra.getType());
    if (matrix.getRank() != 2)
      continue;
    Value begin = b.at(operandOf(frame, kernel, extra), columnBytes(b, at));
    for (int64_t m = 0; m < count; ++m)
      for (int64_t line = 0; line < at.vectors * lanes * 4; line += 64)
        b.prefetch(b.at(begin, b.mul(b.add(token, m), rt::rowBytes(matrix))), line, CacheLevel::First);
  }
}

std::unique_ptr<KernelEmitter> nibble::makeLinearEmitter(rt::KernelOp kernel, const CPUTarget &target) {
  auto ops = kernel.getBody().front().getOps<lowbit::LinearOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family linear holds one lowbit.linear";
    return nullptr;
  }
  lowbit::LinearOp op = *ops.begin();
  for (Value weight : op.getWeights())
    if (auto type = cast<lowbit::PackedType>(weight.getType());
        type.getLayout() != lowbit::LayoutKind::Panel) {
      kernel.emitError() << "no CPU kernel reads " << type << "; it must be packed in panels";
      return nullptr;
    }
  lowbit::RowsType rows = op.getInput().getType();
  auto all = [&](auto predicate) {
    return llvm::all_of(op.getWeights(), [&](Value weight) {
      return predicate(plainFormat(cast<lowbit::PackedType>(weight.getType()).getFormat()));
    });
  };
  if (!rows.isInteger()) {
    bool isPairs = rows.getActivations() == lowbit::ActivationKind::BF16 &&
                   all([](const Format &format) { return format.element == Element::BF16; });
    int64_t tiles = isPairs ? matrixTilesOfPairs(target) : 0;
    return tiles ? makePairLinear(kernel, op, target, tiles) : makeFloatLinear(kernel, op, target);
  }
  int64_t records = kMostMatrixRecords;
  all([&](const Format &format) {
    records = std::min(records, matrixTileRecords(target, workOf(format, rows)));
    return true;
  });
  return records ? makeMatrixLinear(kernel, op, target, records) : makeIntegerLinear(kernel, op, target);
}
