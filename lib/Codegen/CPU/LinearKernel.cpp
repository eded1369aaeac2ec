//===- LinearKernel.cpp - Kernels of lowbit.linear --------------------------------------------===//
//
// An item is a run of panels by a block of tokens. Within it panels are outer and tiles of tokens inner, so
// that a panel is read once from memory and the block's activations stay in the second-level cache. For many
// tokens its codes are unpacked first. Where the target has matrix tiles, whole records go through them and
// what is left through dot products; rows of bf16 all go through them.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"
#include "MatrixTile.h"
#include "TileModel.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kPairSumsBytes = kMatrixTokens * 4 * kPanelRows; // of a matrix tile of bf16

namespace {

class LinearEmitter final : public KernelEmitter {
public:
  LinearEmitter(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
      : kernel(kernel), op(op), rows(op.getInput().getType()), lanes(target.lanes()),
        integer(rows.isInteger()), tokenBlock(tokensOfBlock(target, rows.getRowBytes())) {
    int64_t bytes = 0, unpacked = 0;
    matrixRecords = integer ? kMostMatrixRecords : 0;
    tileTokens = integer ? kRecordTokens : floatTileTokens(target, kFloatChains);
    SmallVector<int64_t> tilesToUnpack; // of each weight
    for (Value weight : op.getWeights()) {
      weights.push_back(WeightPanel::get(cast<lowbit::PackedType>(weight.getType()), rows));
      bytes += weights.back().layout.panelBytes();
      if (!integer)
        continue;
      GroupWork work = workOf(weights.back().layout.format);
      tileTokens = std::min(tileTokens, integerTileTokens(target, work));
      matrixRecords = std::min(matrixRecords, matrixTileRecords(target, work));
      tilesToUnpack.push_back(tilesWorthUnpacking(target, work));
      unpacked += unpackedPanelBytes(weights.back());
    }
    bool pairs = rows.getActivations() == lowbit::ActivationKind::BF16 &&
                 llvm::all_of(weights, [](const WeightPanel &weight) {
                   return weight.layout.format.element == Element::BF16;
                 });
    if (pairs && (pairTiles = matrixTilesOfPairs(target))) {
      tileTokens = kMatrixTokens;
      // Whole tiles, but for the last of a batch.
      int64_t most = tokenBlock >= pairTiles * kMatrixTokens ? pairTiles * kMatrixTokens : kMatrixTokens;
      tokenBlock = std::max(tokenBlock / most * most, kMatrixTokens);
      scratch = static_cast<int64_t>(weights.size()) * pairTiles * kPairSumsBytes;
    }
    stepTokens = integer ? kRecordTokens : tileTokens;
    if (matrixRecords)
      unpackFrom = kRecordTokens;
    else if (integer && !llvm::is_contained(tilesToUnpack, 0)) // all weights of a kernel, or none
      unpackFrom = *llvm::max_element(tilesToUnpack) * tileTokens;
    if (unpackFrom)
      scratch = matrixSumsBytes(rows, matrixRecords) + unpacked;
    panels = weights.front().layout.panels();
    panelsPerItem = panelsOfItem(target, bytes, panels);
    runs = (panels + panelsPerItem - 1) / panelsPerItem;
  }

  Value items(KernelBuilder &b, Value batch) override {
    return b.mul(b.ceilDiv(rowCount(b, batch, rows.getCount()), tokenBlock), runs);
  }

  int64_t scratchBytes() const override { return scratch; }

  void run(KernelBuilder &b, const KernelFrame &frame, Value begin, Value end) override {
    if (pairTiles) {
      // 1 to 16 tokens of the last tile. LLVM configures the unit once if it knows that ahead of all loops,
      // in the type that configuring takes: a conversion would move to where the value is used.
      Value total = arith::TruncIOp::create(b, b.i16(), rowCount(b, frame.batch, rows.getCount()));
      Value last = arith::AndIOp::create(b, b.sub(total, b.constant(b.i16(), int64_t(1))),
                                         b.constant(b.i16(), kMatrixTokens - 1));
      lastRows = b.add(last, b.constant(b.i16(), int64_t(1)));
    }
    KernelEmitter::run(b, frame, begin, end);
  }

  void item(KernelBuilder &b, const KernelFrame &frame, Value item) override {
    Value total = rowCount(b, frame.batch, rows.getCount());
    Value begin = b.mul(b.div(item, runs), tokenBlock);
    Value end = b.min(b.add(begin, tokenBlock), total);
    Value panel = b.mul(b.mod(item, runs), panelsPerItem);
    Value panelEnd = b.min(b.add(panel, panelsPerItem), b.index(panels));
    Value whole = b.add(begin, b.mul(b.div(b.sub(end, begin), stepTokens), stepTokens));
    Block block{begin, whole, end, {}};
    if (unpackFrom)
      block.isUnpacked = b.less(b.index(unpackFrom - 1), b.sub(whole, begin));
    b.loop(panel, panelEnd, 1, [&](Value p) {
      if (unpackFrom)
        b.ifThen(block.isUnpacked, [&] { unpack(b, frame, p); });
      if (lanes == kPanelRows)
        return tokens(b, frame, p, Value(), block);
      b.loop(b.index(0), b.index(kPanelRows), lanes,
             [&](Value rowOffset) { tokens(b, frame, p, rowOffset, block); });
    });
  }

private:
  GroupWork workOf(const Format &format) const {
    return {format.bits(), rows.getPlanes(), format.bits() == 4 && !format.isCodebook() ? 15 : 255,
            format.zero != Zero::None, format.isCodebook()};
  }

  /// Tokens of an item: begin .. whole - 1 are whole records (or tiles), whole .. end - 1 the rest.
  struct Block {
    Value begin, whole, end;
    Value isUnpacked; // i1: whether the whole records find the panel unpacked; null: they never do
  };

  /// Where the panel of a weight lies unpacked.
  Value unpackedPanel(KernelBuilder &b, const KernelFrame &frame, size_t weight) {
    int64_t offset = matrixSumsBytes(rows, matrixRecords);
    for (size_t i = 0; i < weight; ++i)
      offset += unpackedPanelBytes(weights[i]);
    return b.at(frame.scratch, offset);
  }

  void unpack(KernelBuilder &b, const KernelFrame &frame, Value panel) {
    for (auto [i, weight] : llvm::enumerate(weights)) {
      Value base = operandOf(frame, kernel, op.getWeights()[i]);
      emitUnpackedPanel(b, weight, b.at(base, b.mul(panel, weight.layout.panelBytes())),
                        unpackedPanel(b, frame, i),
                        matrixRecords ? UnpackedCodes::Signed : UnpackedCodes::Biased);
    }
  }

  void tokens(KernelBuilder &b, const KernelFrame &frame, Value panel, Value rowOffset, const Block &block) {
    if (pairTiles)
      return tilesOfPairs(b, frame, panel, block);
    if (matrixRecords)
      matrixTiles(b, frame, panel, block);
    else if (unpackFrom)
      b.ifElse(
          block.isUnpacked, [&] { tiles(b, frame, panel, rowOffset, block, From::Unpacked); },
          [&] { tiles(b, frame, panel, rowOffset, block, From::Memory); });
    else
      manyTiles(b, frame, panel, rowOffset, block);
    Value rest = b.sub(block.end, block.whole);
    for (int64_t count = 1; count < stepTokens; ++count)
      b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, b.index(count)),
               [&] { record(b, frame, panel, rowOffset, block.whole, count, From::Memory); });
  }

  /// Where a tile finds its panel.
  enum class From { Memory, Cache, Unpacked };

  void tiles(KernelBuilder &b, const KernelFrame &frame, Value panel, Value rowOffset, const Block &block,
             From from) {
    b.loop(block.begin, block.whole, stepTokens,
           [&](Value token) { record(b, frame, panel, rowOffset, token, stepTokens, from); });
  }

  /// The first finds the panel in memory, the others in a cache.
  void manyTiles(KernelBuilder &b, const KernelFrame &frame, Value panel, Value rowOffset,
                 const Block &block) {
    b.ifThen(b.less(block.begin, block.whole),
             [&] { record(b, frame, panel, rowOffset, block.begin, stepTokens, From::Memory); });
    tiles(b, frame, panel, rowOffset, {b.add(block.begin, stepTokens), block.whole, block.end, {}},
          From::Cache);
  }

  /// Whole records by matrix tiles.
  void matrixTiles(KernelBuilder &b, const KernelFrame &frame, Value panel, const Block &block) {
    auto tile = [&](Value token, int64_t records) {
      Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
      SmallVector<SmallVector<Value>> sums;
      for (auto [i, weight] : llvm::enumerate(weights))
        sums.push_back(
            emitMatrixTile(b, weight, rows, {unpackedPanel(b, frame, i), frame.scratch, input, records}));
      epilogue(b, frame, sums, token, b.mul(panel, kPanelRows * 4));
    };
    int64_t step = matrixRecords * kRecordTokens;
    Value even = b.add(block.begin, b.mul(b.div(b.sub(block.whole, block.begin), step), step));
    b.loop(block.begin, even, step, [&](Value token) { tile(token, matrixRecords); });
    if (matrixRecords > 1)
      b.loop(even, block.whole, kRecordTokens, [&](Value token) { tile(token, 1); });
  }

  /// All tokens by matrix tiles of bf16, as many at once as there are.
  void tilesOfPairs(KernelBuilder &b, const KernelFrame &frame, Value panel, const Block &block) {
    Value full = b.constant(b.i16(), kMatrixTokens), token = block.begin;
    for (int64_t tiles = pairTiles; tiles > 0; tiles /= 2) {
      int64_t step = tiles * kMatrixTokens;
      Value end = b.add(token, b.mul(b.div(b.sub(block.whole, token), step), step));
      b.loop(token, end, step,
             [&](Value first) { tileOfPairs(b, frame, panel, first, tiles, full, b.index(step)); });
      token = end;
    }
    Value rest = b.sub(block.end, block.whole);
    b.ifThen(b.less(b.index(0), rest), [&] { tileOfPairs(b, frame, panel, block.whole, 1, lastRows, rest); });
  }

  /// `tiles` tiles of `rows` tokens (i16), or of `count` tokens together.
  void tileOfPairs(KernelBuilder &b, const KernelFrame &frame, Value panel, Value token, int64_t tiles,
                   Value tileRows, Value count) {
    PrefetchDistances ahead = prefetchDistances(b.target, tiles * kMatrixTokens);
    Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
    SmallVector<Value> sources, sums; // of a tile; of a weight, f32 [tiles][16][16]
    for (int64_t tile = 0; tile < tiles; ++tile)
      sources.push_back(b.at(input, tile * kMatrixTokens * rows.getRowBytes()));
    for (auto [i, weight] : llvm::enumerate(weights)) {
      Value base = operandOf(frame, kernel, op.getWeights()[i]);
      sums.push_back(b.at(frame.scratch, static_cast<int64_t>(i) * pairTiles * kPairSumsBytes));
      lowbit::DotTileBF16Op::create(b, b.at(base, b.mul(panel, weight.layout.panelBytes())), sources,
                                    tileRows, sums.back(), weight.layout.paddedColumns(), rows.getRowBytes(),
                                    ahead.near, ahead.far);
    }
    b.loop(b.index(0), count, 1, [&](Value m) {
      SmallVector<SmallVector<Value>> row;
      for (Value sum : sums)
        row.push_back({b.load(b.vec(lanes, b.f32()), b.at(sum, b.mul(m, 4 * kPanelRows)), 4 * kPanelRows)});
      epilogue(b, frame, row, b.add(token, m), b.mul(panel, 4 * kPanelRows));
    });
  }

  /// `count` tokens that share a record, in tiles that fit the registers.
  void record(KernelBuilder &b, const KernelFrame &frame, Value panel, Value rowOffset, Value token,
              int64_t count, From from) {
    Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
    for (int64_t first = 0; first < count; first += tileTokens) {
      int64_t tokens = std::min(tileTokens, count - first);
      SmallVector<SmallVector<Value>> sums; // [weight][token]
      for (auto [i, weight] : llvm::enumerate(weights)) {
        Value base = operandOf(frame, kernel, op.getWeights()[i]);
        TileAddress tile{b.at(base, b.mul(panel, weight.layout.panelBytes())),
                         rowOffset,
                         input,
                         count,
                         first,
                         tokens,
                         from == From::Memory && first == 0};
        if (from == From::Unpacked)
          tile.unpacked = unpackedPanel(b, frame, i);
        if (integer) {
          sums.push_back(emitIntegerTile(b, weight, rows, tile));
        } else {
          tile.rows = b.at(input, first * rows.getRowBytes());
          sums.push_back(emitFloatTile(b, weight, rows, tile));
        }
      }
      Value column = b.mul(panel, kPanelRows);
      if (rowOffset)
        column = b.add(column, rowOffset);
      epilogue(b, frame, sums, b.add(token, first), b.mul(column, 4));
    }
  }

  /// The region on vectors, and the store. Rows are padded to whole panels, so nothing needs a mask.
  void epilogue(KernelBuilder &b, const KernelFrame &frame, ArrayRef<SmallVector<Value>> sums, Value token,
                Value columnBytes) {
    Value result = resultPointer(frame, kernel, 0);
    int64_t stride = rt::rowBytes(op.getType());
    for (int64_t m = 0, e = sums.front().size(); m < e; ++m) {
      SmallVector<Value> arguments;
      for (const SmallVector<Value> &weight : sums)
        arguments.push_back(weight[m]);
      for (Value extra : op.getExtras()) {
        Value address = b.at(operandOf(frame, kernel, extra), columnBytes);
        if (auto matrix = cast<RankedTensorType>(extra.getType()); matrix.getRank() == 2)
          address = b.at(address, b.mul(b.add(token, m), rt::rowBytes(matrix)));
        arguments.push_back(b.load(b.vec(lanes, b.f32()), address, 4));
      }
      Value value = cloneOnVectors(b, op.getEpilogue().front(), arguments, lanes).front();
      b.store(value, b.at(b.at(result, columnBytes), b.mul(b.add(token, m), stride)), 4);
    }
  }

  rt::KernelOp kernel;
  lowbit::LinearOp op;
  lowbit::RowsType rows;
  int64_t lanes;
  bool integer;
  int64_t tileTokens;
  int64_t stepTokens;     // of a whole record, or of a tile of float rows
  int64_t matrixRecords;  // in a matrix tile; 0: none is used
  int64_t pairTiles = 0;  // matrix tiles of bf16 at once; 0: none is used
  Value lastRows;         // i16: tokens of the batch's last matrix tile of bf16
  int64_t unpackFrom = 0; // tokens of whole records from which on panels are unpacked; 0: never
  int64_t scratch = 0;    // bytes
  int64_t tokenBlock;     // tokens of an item
  SmallVector<WeightPanel> weights;
  int64_t panels, panelsPerItem, runs;
};

} // namespace

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
  return std::make_unique<LinearEmitter>(kernel, op, target);
}
