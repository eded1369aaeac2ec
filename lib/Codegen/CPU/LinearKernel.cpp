//===- LinearKernel.cpp - Kernels of lowbit.linear --------------------------------------------===//
//
// An item is a run of panels by a block of tokens. Within it panels are outer and tiles of tokens inner, so
// that a panel is read once from memory and the block's activations stay in the second-level cache. For many
// tokens its codes are unpacked first, so much of K at a time as stays in the first-level cache. Where the
// target has matrix tiles, whole records go through them and what is left through dot products; rows of bf16
// all go through them.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"
#include "MatrixTile.h"
#include "TileModel.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kPairSumsBytes = kMatrixTokens * 4 * kPanelRows; // of a matrix tile of bf16
static constexpr int64_t kRowBytes = 4 * kPanelRows;                      // of sums that wait

namespace {

class LinearEmitter final : public KernelEmitter {
public:
  LinearEmitter(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
      : kernel(kernel), op(op), rows(op.getInput().getType()), lanes(target.lanes()),
        integer(rows.isInteger()), target(target), tokenBlock(tokensOfBlock(target, rows.getRowBytes())) {
    int64_t bytes = 0, unpackedPanels = 0, unpackedBlock = 0; // bytes
    bool inOneGo = true; // neither blocks of K nor weights follow each other
    matrixRecords = integer ? kMostMatrixRecords : 0;
    SmallVector<int64_t> tilesToUnpack; // of each weight
    for (Value weight : op.getWeights()) {
      weights.push_back(WeightPanel::get(cast<lowbit::PackedType>(weight.getType()), rows));
      bytes += weights.back().layout.panelBytes();
      if (!integer)
        continue;
      GroupWork work = workOf(weights.back().layout.format);
      hardest = weights.size() == 1 ? work : hardest.with(work);
      matrixRecords = std::min(matrixRecords, matrixTileRecords(target, work));
      tilesToUnpack.push_back(tilesWorthUnpacking(target, work));
      unpackedPanels += unpackedPanelBytes(weights.back());
    }
    stepTokens = integer ? kRecordTokens : floatTileTokens(target, kFloatChains);
    for (int64_t count = 1; count <= stepTokens && !matrixRecords; ++count)
      panelsTogether =
          std::max(panelsTogether, shapeOf(count, mostVectors(target)).vectors * lanes / kPanelRows);
    for (const WeightPanel &weight : weights) {
      if (!integer)
        break;
      const PanelLayout &layout = weight.layout;
      int64_t groupBytes = unpackedGroupBytes(weight) * panelsTogether;
      int64_t groups = groupsOfBlock(target, groupBytes + kRecordTokens * rows.getRecordBytes(),
                                     layout.subgroups(), layout.subgroupsPerBlock());
      groups = std::min(groups, layout.subgroups());
      blockGroups.push_back(groups);
      unpackedBlock = std::max(unpackedBlock, groups * groupBytes);
      inOneGo &= weights.size() == 1 && groups == layout.subgroups();
    }
    bool pairs = rows.getActivations() == lowbit::ActivationKind::BF16 &&
                 llvm::all_of(weights, [](const WeightPanel &weight) {
                   return weight.layout.format.element == Element::BF16;
                 });
    if (pairs && (pairTiles = matrixTilesOfPairs(target))) {
      stepTokens = kMatrixTokens;
      // Whole tiles, but for the last of a batch.
      int64_t most = tokenBlock >= pairTiles * kMatrixTokens ? pairTiles * kMatrixTokens : kMatrixTokens;
      tokenBlock = std::max(tokenBlock / most * most, kMatrixTokens);
      scratch = static_cast<int64_t>(weights.size()) * pairTiles * kPairSumsBytes;
    }
    if (matrixRecords)
      unpackFrom = kRecordTokens;
    else if (integer && !llvm::is_contained(tilesToUnpack, 0)) // all weights of a kernel, or none
      unpackFrom = *llvm::max_element(tilesToUnpack) * shapeOf(kRecordTokens, mostVectors(target)).tokens;
    if (matrixRecords) {
      unpackedAt = matrixSumsBytes(rows, matrixRecords);
      scratch = unpackedAt + unpackedPanels;
    } else if (unpackFrom) {
      unpackedAt = inOneGo ? 0 : static_cast<int64_t>(weights.size()) * tokenBlock * waitingBytes();
      scratch = unpackedAt + unpackedBlock;
    }
    panels = weights.front().layout.panels();
    panelsPerItem = panelsOfItem(target, bytes, panels);
    panelsPerItem = std::min(panels, (panelsPerItem + panelsTogether - 1) / panelsTogether * panelsTogether);
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
    Value even = panelsTogether == 1
                     ? panelEnd
                     : b.add(panel, b.mul(b.div(b.sub(panelEnd, panel), panelsTogether), panelsTogether));
    b.loop(panel, even, panelsTogether, [&](Value p) { tokens(b, frame, {p, panelsTogether}, block); });
    if (panelsTogether > 1)
      b.loop(even, panelEnd, 1, [&](Value p) { tokens(b, frame, {p, 1}, block); });
  }

private:
  GroupWork workOf(const Format &format) const {
    return {format.bits(), rows.getPlanes(), format.bits() == 4 && !format.isCodebook() ? 15 : 255,
            format.zero != Zero::None, format.isCodebook()};
  }

  /// Panels that tiles may take at once.
  struct Panels {
    Value first;
    int64_t count;
  };

  /// The rows of a tile: from `offset` on (i64, null for 0) in a panel.
  struct TileRows {
    Value panel, offset;
    int64_t vectors;
  };

  /// The shape of tiles for `count` tokens that share a record, or for float rows.
  TileShape shapeOf(int64_t count, int64_t vectors) const {
    if (!integer)
      return {1, std::min(stepTokens, count)};
    return integerTile(target, hardest, count, vectors);
  }
  /// Of a whole record that meets unpacked codes.
  TileShape unpackedShape(const Panels &panels) const {
    return integerTile(target, hardest.unpacked(), kRecordTokens, panels.count * kPanelRows / lanes);
  }
  TileShape shapeOf(int64_t count, const Panels &panels) const {
    return shapeOf(count, panels.count * kPanelRows / lanes);
  }

  /// Tokens of an item: begin .. whole - 1 are whole records (or tiles), whole .. end - 1 the rest.
  struct Block {
    Value begin, whole, end;
    Value isUnpacked; // i1: whether the whole records find the panel unpacked; null: they never do
  };

  /// Calls the body for tiles of so many vectors, until they had all rows.
  void forRows(KernelBuilder &b, const Panels &panels, int64_t vectors,
               llvm::function_ref<void(const TileRows &)> body) {
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

  Value panelOf(KernelBuilder &b, const KernelFrame &frame, size_t weight, Value panel) {
    return b.at(operandOf(frame, kernel, op.getWeights()[weight]),
                b.mul(panel, weights[weight].layout.panelBytes()));
  }

  void tokens(KernelBuilder &b, const KernelFrame &frame, const Panels &panels, const Block &block) {
    if (pairTiles)
      return tilesOfPairs(b, frame, panels.first, block);
    const int64_t vectors = shapeOf(stepTokens, panels).vectors;
    if (matrixRecords)
      b.ifThen(block.isUnpacked, [&] { matrixTiles(b, frame, panels.first, block); });
    else if (unpackFrom)
      b.ifElse(
          block.isUnpacked, [&] { unpackedTiles(b, frame, panels, block); },
          [&] {
            forRows(b, panels, vectors,
                    [&](const TileRows &at) { tiles(b, frame, at, block, From::Memory); });
          });
    else
      forRows(b, panels, vectors, [&](const TileRows &at) { manyTiles(b, frame, at, block); });
    Value rest = b.sub(block.end, block.whole);
    for (int64_t count = 1; count < stepTokens; ++count)
      b.ifThen(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, b.index(count)), [&] {
        forRows(b, panels, shapeOf(count, panels).vectors,
                [&](const TileRows &at) { record(b, frame, at, block.whole, count, From::Memory); });
      });
  }

  /// Where a tile finds its panel.
  enum class From { Memory, Cache };

  void tiles(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, const Block &block, From from) {
    b.loop(block.begin, block.whole, stepTokens,
           [&](Value token) { record(b, frame, at, token, stepTokens, from); });
  }

  /// The first finds the panel in memory, the others in a cache.
  void manyTiles(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, const Block &block) {
    b.ifThen(b.less(block.begin, block.whole),
             [&] { record(b, frame, at, block.begin, stepTokens, From::Memory); });
    tiles(b, frame, at, {b.add(block.begin, stepTokens), block.whole, block.end, {}}, From::Cache);
  }

  /// A block of K of one weight's panel.
  struct Part {
    size_t weight;
    Value first, groups;   // i64: number of its first group, and how many
    Value isFirst, isLast; // i1: of the panel's parts; null: it is
  };

  /// Whole records by dot products with codes that are unpacked one block of K after the other. Between
  /// blocks the sums wait in scratch memory, [weight][token of the item][panels together * 16] f32.
  void unpackedTiles(KernelBuilder &b, const KernelFrame &frame, const Panels &panels, const Block &block) {
    for (size_t i = 0; i < weights.size(); ++i) {
      int64_t groups = weights[i].layout.subgroups(), each = blockGroups[i];
      WeightPanel part = weights[i]; // its columns are a block's
      part.layout.columns = each * kSubgroup;
      const int64_t bytes = part.layout.panelBytes(), unpackedBytes = unpackedPanelBytes(part);
      auto unpack = [&](Value begin, int64_t count) { // `begin`: bytes of the panel before it
        part.layout.columns = count * kSubgroup;
        auto one = [&](Value number) {
          Value start = b.at(panelOf(b, frame, i, b.add(panels.first, number)), begin);
          Value to = b.at(b.at(frame.scratch, unpackedAt), b.mul(number, unpackedBytes));
          emitUnpackedPanel(b, part, start, to, UnpackedCodes::Biased);
        };
        if (panels.count == 1)
          one(b.index(0));
        else
          b.loop(b.index(0), b.index(panels.count), 1, one);
      };
      if (each == groups) {
        unpack(b.index(0), groups);
        partTiles(b, frame, panels, block, {i, b.index(0), b.index(groups), {}, {}});
        continue;
      }
      int64_t last = (groups - 1) / each, tail = groups - last * each;
      b.loop(b.index(0), b.index(last + 1), 1, [&](Value number) {
        auto isNumber = [&](int64_t n) {
          return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number, b.index(n));
        };
        Value begin = b.mul(number, bytes), isLast = isNumber(last), count = b.index(each);
        if (tail == each) {
          unpack(begin, each);
        } else {
          b.ifElse(isLast, [&] { unpack(begin, tail); }, [&] { unpack(begin, each); });
          count = b.select(isLast, b.index(tail), count);
        }
        partTiles(b, frame, panels, block, {i, b.mul(number, each), count, isNumber(0), isLast});
      });
    }
  }

  /// All whole records against one part.
  void partTiles(KernelBuilder &b, const KernelFrame &frame, const Panels &panels, const Block &block,
                 const Part &part) {
    WeightPanel weight = weights[part.weight];
    weight.layout.columns = blockGroups[part.weight] * kSubgroup;
    const VectorType floats = b.vec(lanes, b.f32());
    const TileShape shape = unpackedShape(panels);
    auto tile = [&](Value token, const TileRows &at, int64_t first) {
      const int64_t count = std::min(shape.tokens, kRecordTokens - first),
                    panelBytes = unpackedPanelBytes(weight);
      SmallVector<Value> zero(at.vectors * count, b.constant(floats, 0.0));
      Value number = panels.count == 1 ? b.index(0) : b.sub(at.panel, panels.first); // of the panels together
      auto sumsOf = [&](size_t i) { // of the tile's first token
        Value row = b.add(b.sub(token, block.begin), static_cast<int64_t>(i) * tokenBlock + first);
        Value sums = b.at(b.at(frame.scratch, b.mul(row, waitingBytes())), b.mul(number, kRowBytes));
        return moveRows(b, sums, at.offset, 4);
      };
      auto placeOf = [&](int64_t place) {
        return place / count * lanes * 4 + place % count * waitingBytes();
      };
      auto waiting = [&](size_t i) {
        SmallVector<Value> sums;
        for (int64_t place = 0; place < at.vectors * count; ++place)
          sums.push_back(b.load(floats, sumsOf(i), placeOf(place), 4 * lanes));
        return sums;
      };
      Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
      TileAddress address{{}, at.offset, {}, kRecordTokens, first, count, false};
      address.vectors = at.vectors;
      address.rows = b.at(input, b.mul(part.first, kRecordTokens * rows.getRecordBytes()));
      address.unpacked = b.at(b.at(frame.scratch, unpackedAt), b.mul(number, panelBytes));
      address.groups = part.groups;
      address.sums = part.isFirst ? b.ifElse(
                                        part.isFirst, TypeRange(ValueRange(zero)), [&] { return zero; },
                                        [&] { return waiting(part.weight); })
                                  : zero;
      SmallVector<Value> sums = emitIntegerTile(b, weight, rows, address);
      auto wait = [&] {
        for (auto [place, sum] : llvm::enumerate(sums))
          b.store(sum, sumsOf(part.weight), placeOf(static_cast<int64_t>(place)), 4 * lanes);
      };
      auto finish = [&] {
        SmallVector<SmallVector<Value>> all;
        for (size_t i = 0; i < part.weight; ++i)
          all.push_back(waiting(i));
        all.push_back(sums);
        epilogue(b, frame, all, at, b.add(token, first));
      };
      if (part.weight + 1 < weights.size())
        wait();
      else if (part.isLast)
        b.ifElse(part.isLast, finish, wait);
      else
        finish();
    };
    forRows(b, panels, shape.vectors, [&](const TileRows &at) {
      b.loop(block.begin, block.whole, kRecordTokens, [&](Value token) {
        for (int64_t first = 0; first < kRecordTokens; first += shape.tokens)
          tile(token, at, first);
      });
    });
  }

  /// Whole records by matrix tiles.
  void matrixTiles(KernelBuilder &b, const KernelFrame &frame, Value panel, const Block &block) {
    SmallVector<Value> unpacked; // of each weight
    for (auto [i, weight] : llvm::enumerate(weights)) {
      unpacked.push_back(i == 0 ? b.at(frame.scratch, unpackedAt)
                                : b.at(unpacked.back(), unpackedPanelBytes(weights[i - 1])));
      emitUnpackedPanel(b, weight, panelOf(b, frame, i, panel), unpacked.back(), UnpackedCodes::Signed);
    }
    auto tile = [&](Value token, int64_t records) {
      Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
      SmallVector<SmallVector<Value>> sums;
      for (auto [i, weight] : llvm::enumerate(weights))
        sums.push_back(emitMatrixTile(b, weight, rows, {unpacked[i], frame.scratch, input, records}));
      epilogue(b, frame, sums, {panel, {}, 1}, token);
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
      epilogue(b, frame, row, {panel, {}, 1}, b.add(token, m));
    });
  }

  /// `count` tokens that share a record, in tiles that fit the registers.
  void record(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, Value token, int64_t count,
              From from) {
    Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(token, rows.getRowBytes()));
    const int64_t step = shapeOf(count, at.vectors).tokens;
    for (int64_t first = 0; first < count; first += step) {
      int64_t tokens = std::min(step, count - first);
      SmallVector<SmallVector<Value>> sums; // [weight][vector][token]
      for (auto [i, weight] : llvm::enumerate(weights)) {
        TileAddress tile{panelOf(b, frame, i, at.panel),    at.offset, input, count, first, tokens,
                         from == From::Memory && first == 0};
        tile.vectors = at.vectors;
        if (integer) {
          sums.push_back(emitIntegerTile(b, weight, rows, tile));
        } else {
          tile.rows = b.at(input, first * rows.getRowBytes());
          sums.push_back(emitFloatTile(b, weight, rows, tile));
        }
      }
      epilogue(b, frame, sums, at, b.add(token, first));
    }
  }

  /// The region on vectors, and the store. Rows are padded to whole panels, so nothing needs a mask.
  void epilogue(KernelBuilder &b, const KernelFrame &frame, ArrayRef<SmallVector<Value>> sums,
                const TileRows &at, Value token) {
    Value result = resultPointer(frame, kernel, 0), column = b.mul(at.panel, kPanelRows);
    Value columnBytes = b.mul(at.offset ? b.add(column, at.offset) : column, 4);
    const int64_t stride = rt::rowBytes(op.getType());
    const int64_t places = static_cast<int64_t>(sums.front().size()), count = places / at.vectors;
    for (int64_t place = 0; place < places; ++place) {
      const int64_t m = place % count, vectorBytes = place / count * lanes * 4;
      SmallVector<Value> arguments;
      for (const SmallVector<Value> &weight : sums)
        arguments.push_back(weight[place]);
      for (Value extra : op.getExtras()) {
        Value address = b.at(b.at(operandOf(frame, kernel, extra), columnBytes), vectorBytes);
        if (auto matrix = cast<RankedTensorType>(extra.getType()); matrix.getRank() == 2)
          address = b.at(address, b.mul(b.add(token, m), rt::rowBytes(matrix)));
        arguments.push_back(b.load(b.vec(lanes, b.f32()), address, 4));
      }
      Value value = cloneOnVectors(b, op.getEpilogue().front(), arguments, lanes).front();
      Value row = b.at(b.at(b.at(result, columnBytes), vectorBytes), b.mul(b.add(token, m), stride));
      b.store(value, row, 4);
    }
  }

  /// Bytes of the sums of one token that wait.
  int64_t waitingBytes() const { return panelsTogether * kRowBytes; }

  rt::KernelOp kernel;
  lowbit::LinearOp op;
  lowbit::RowsType rows;
  int64_t lanes;
  bool integer;
  const CPUTarget &target;
  GroupWork hardest;          // for what the weights take together
  int64_t panelsTogether = 1; // in tiles of several vectors
  int64_t stepTokens;         // of a whole record, or of a tile of float rows
  int64_t matrixRecords;      // in a matrix tile; 0: none is used
  int64_t pairTiles = 0;      // matrix tiles of bf16 at once; 0: none is used
  Value lastRows;             // i16: tokens of the batch's last matrix tile of bf16
  int64_t unpackFrom = 0;     // tokens of whole records from which on panels are unpacked; 0: never
  int64_t unpackedAt = 0;     // of scratch: unpacked codes, behind what waits
  int64_t scratch = 0;        // bytes
  int64_t tokenBlock;         // tokens of an item
  SmallVector<WeightPanel> weights;
  SmallVector<int64_t> blockGroups; // of 32 columns in a block of K, of each weight
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
