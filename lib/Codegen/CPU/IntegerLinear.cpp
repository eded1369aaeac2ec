//===- IntegerLinear.cpp - Linears of integer rows by dot products ----------------------------===//
//
// For many tokens the codes of a panel are unpacked first, so much of K at a time as stays in the first-level
// cache.
//
//===------------------------------------------------------------------------------------------===//
#include "IntegerRecord.h"
#include "LinearEmitter.h"
#include "UnpackedPanel.h"

using namespace mlir;
using namespace nibble;

namespace {

class IntegerLinear final : public RecordLinear {
public:
  IntegerLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target)
      : RecordLinear(kernel, op, target) {
    for (int64_t count = 1; count <= stepTokens; ++count)
      panelsTogether =
          std::max(panelsTogether, shapeOf(count, mostVectors(target)).vectors * lanes / kPanelRows);
    SmallVector<int64_t> tilesToUnpack; // of each weight
    int64_t unpackedBlock = 0;          // bytes
    bool inOneGo = weights.size() == 1; // neither blocks of K nor weights follow each other
    for (const WeightPanel &weight : weights) {
      const PanelLayout &layout = weight.layout;
      tilesToUnpack.push_back(tilesWorthUnpacking(target, workOf(layout.format, rows)));
      int64_t groupBytes = unpackedGroupBytes(weight) * panelsTogether;
      int64_t groups = groupsOfBlock(target, groupBytes + kRecordTokens * rows.getRecordBytes(),
                                     layout.subgroups(), layout.subgroupsPerBlock());
      groups = std::min(groups, layout.subgroups());
      blockGroups.push_back(groups);
      unpackedBlock = std::max(unpackedBlock, groups * groupBytes);
      inOneGo &= groups == layout.subgroups();
    }
    if (llvm::is_contained(tilesToUnpack, 0)) // all weights of a kernel, or none
      return;
    unpackFrom = *llvm::max_element(tilesToUnpack) * shapeOf(kRecordTokens, mostVectors(target)).tokens;
    unpackedAt = inOneGo ? 0 : static_cast<int64_t>(weights.size()) * tokenBlock * waitingBytes();
    scratch = unpackedAt + unpackedBlock;
  }

private:
  /// Of a whole record that meets unpacked codes.
  TileShape unpackedShape(const Panels &panels) const {
    return integerTile(target, hardest.unpacked(), kRecordTokens, panels.count * kPanelRows / lanes);
  }

  void wholeSteps(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                  const Block &block) override {
    if (!unpackFrom)
      return TiledLinear::wholeSteps(b, frame, panels, block);
    b.ifElse(
        b.less(b.index(unpackFrom - 1), b.sub(block.whole, block.begin)),
        [&] { unpackedTiles(b, frame, panels, block); },
        [&] {
          forRows(b, panels, shapeOf(stepTokens, panels).vectors,
                  [&](const TileRows &at) { steps(b, frame, at, block, From::Memory); });
        });
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
        Value sums = b.at(b.at(frame.scratch, b.mul(row, waitingBytes())), b.mul(number, 4 * kPanelRows));
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
      Value input = rowsOf(b, frame, token);
      TileAddress address{{}, at.offset, {}, kRecordTokens, first, count, false};
      address.vectors = at.vectors;
      address.rows = b.at(input, b.mul(part.first, kRecordTokens * rows.getRecordBytes()));
      address.unpacked = b.at(b.at(frame.scratch, unpackedAt), b.mul(number, panelBytes));
      address.groups = part.groups;
      address.sums = part.isFirst ? b.ifElse(
                                        part.isFirst, TypeRange(ValueRange(zero)), [&] { return zero; },
                                        [&] { return waiting(part.weight); })
                                  : zero;
      if (part.weight + 1 == weights.size())
        prefetchExtras(b, frame, at, b.add(token, first), count);
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

  /// Bytes of the sums of one token that wait.
  int64_t waitingBytes() const { return panelsTogether * 4 * kPanelRows; }

  SmallVector<int64_t> blockGroups; // of 32 columns in a block of K, of each weight
  int64_t unpackFrom = 0;           // tokens of whole records from which on panels are unpacked; 0: never
  int64_t unpackedAt = 0;           // of scratch: unpacked codes, behind what waits
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeIntegerLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                         const CPUTarget &target) {
  return std::make_unique<IntegerLinear>(kernel, op, target);
}
