//===- WeightPanel.cpp - The walk over a panel's blocks and subgroups -------------------------===//
#include "WeightPanel.h"

#include "TileModel.h"
#include "nibble/Quantize/Codebook.h"
#include "nibble/Quantize/FormatAttribute.h"

using namespace mlir;
using namespace nibble;

WeightPanel WeightPanel::get(lowbit::PackedType type, lowbit::RowsType rows) {
  WeightPanel weight{type, {}, type.getFormat().getBias(), 0};
  weight.layout.rows = type.getRows();
  weight.layout.columns = type.getColumns();
  weight.layout.format = plainFormat(type.getFormat());
  for (auto [i, bias] : llvm::enumerate(rows.getBiases()))
    if (bias == weight.bias)
      weight.biasIndex = i;
  return weight;
}

Value nibble::moveRows(KernelBuilder &b, Value pointer, Value rowOffset, int64_t bytes) {
  return rowOffset ? b.at(pointer, b.mul(rowOffset, bytes)) : pointer;
}

Value nibble::lookUpEntries(KernelBuilder &b, const WeightPanel &weight, Value codes, int64_t bias) {
  Codebook table = codebook(weight.layout.format.element);
  for (int8_t &entry : table)
    entry = static_cast<int8_t>(entry + bias);
  return lowbit::LookupOp::create(b, codes.getType(), codes, b.getDenseI8ArrayAttr(table));
}

Value nibble::loadScales(KernelBuilder &b, Value line, Value rowOffset, int64_t group) {
  Value address = moveRows(b, b.at(line, 32 * group), rowOffset, 2);
  return b.loadFloats(b.getF16Type(), address, b.target.lanes(), 2 * b.target.lanes());
}

/// value = s (c - z) = s c + m with m = -(s z), exact in f32. Zero points are u8 [2][16].
static Value loadZeros(KernelBuilder &b, Value line, Value rowOffset, int64_t group, Value scales) {
  int64_t lanes = b.target.lanes();
  Value bytes = b.load(b.vec(lanes, b.i8()), moveRows(b, b.at(line, 16 * group), rowOffset, 1), 1);
  Value zeros = arith::UIToFPOp::create(b, b.vec(lanes, b.f32()), bytes);
  return arith::NegFOp::create(b, b.mul(scales, zeros));
}

void nibble::prefetchAhead(KernelBuilder &b, Value start, CacheLevel level, const TileAddress &tile) {
  PrefetchDistances distances = prefetchDistances(b.target, tile.count);
  int64_t distance = level == CacheLevel::First ? distances.near : distances.far;
  if (tile.isFirst && distance)
    b.prefetch(start, distance, level);
}

void nibble::prefetchStream(KernelBuilder &b, Value start, int64_t bytes, const TileAddress &tile) {
  for (int64_t line = 0; line < bytes; line += 64)
    for (CacheLevel level : {CacheLevel::First, CacheLevel::Second})
      prefetchAhead(b, line ? b.at(start, line) : start, level, tile);
}

VectorPlace nibble::placeOf(KernelBuilder &b, int64_t vector) {
  int64_t row = vector * b.target.lanes();
  return {row / kPanelRows, row % kPanelRows};
}

SmallVector<Value> nibble::forEachGroup(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile,
                                        ValueRange init, GroupBody body) {
  const PanelLayout &layout = weight.layout;
  int64_t perBlock = layout.subgroupsPerBlock();
  int64_t perGroup = layout.format.group == 0 ? perBlock : layout.format.group / kSubgroup;
  int64_t codesBytes = layout.subgroupBytes(), header = layout.blockHeaderBytes();
  int64_t blockBytes = header + perBlock * codesBytes;

  auto minimaOf = [&](Value start, int64_t row, int64_t group, Value scales) -> Value {
    Value line = b.at(start, 64);
    switch (layout.format.zero) {
    case Zero::None:
      return {};
    case Zero::Integer:
      return loadZeros(b, b.at(line, row), tile.rowOffset, group, scales);
    case Zero::Minimum:
      return loadScales(b, b.at(line, 2 * row), tile.rowOffset, group);
    }
    llvm_unreachable("all kinds of zero points are known");
  };
  // One block of `subgroups` subgroups, the first of which is number `first` in the panel.
  auto block = [&](Value start, Value first, int64_t subgroups, ValueRange accumulators) {
    SmallVector<Value> acc(accumulators);
    SmallVector<Value> starts; // of each vector's panel
    for (int64_t vector = 0; vector < tile.vectors; ++vector) {
      VectorPlace place = placeOf(b, vector);
      starts.push_back(place.panel ? b.at(start, b.index(place.panel * layout.panelBytes())) : start);
      if (place.row == 0)
        prefetchStream(b, starts.back(), header, tile);
    }
    for (int64_t group = 0; group * perGroup < subgroups; ++group) {
      int64_t begin = group * perGroup, count = std::min(perGroup, subgroups - begin);
      SmallVector<GroupRows> rows;
      for (int64_t vector = 0; vector < tile.vectors; ++vector) {
        int64_t row = placeOf(b, vector).row;
        Value scales = loadScales(b, b.at(starts[vector], 2 * row), tile.rowOffset, group);
        Value codes = b.at(starts[vector], header + begin * codesBytes + 4 * row);
        rows.push_back({codes, scales, minimaOf(starts[vector], row, group, scales)});
      }
      Value number = b.add(first, begin);
      if (count == 1) {
        acc = body(rows, number, acc);
        continue;
      }
      acc = b.loop(b.index(0), b.index(count), 1, acc, [&](Value i, ValueRange carried) {
        SmallVector<GroupRows> here = rows;
        for (GroupRows &one : here)
          one.codes = b.at(one.codes, b.mul(i, codesBytes));
        return body(here, b.add(number, i), carried);
      });
    }
    return acc;
  };

  SmallVector<Value> acc(init);
  int64_t full = layout.subgroups() / perBlock, rest = layout.subgroups() % perBlock;
  if (full == 1)
    acc = block(tile.panel, b.index(0), perBlock, acc);
  else if (full > 1)
    acc = b.loop(b.index(0), b.index(full), 1, acc, [&](Value i, ValueRange carried) {
      return block(b.at(tile.panel, b.mul(i, blockBytes)), b.mul(i, perBlock), perBlock, carried);
    });
  if (rest)
    acc = block(b.at(tile.panel, full * blockBytes), b.index(full * perBlock), rest, acc);
  return acc;
}

SmallVector<Value> nibble::forEachSubgroup(KernelBuilder &b, const WeightPanel &weight,
                                           const TileAddress &tile, ValueRange init, SubgroupBody body) {
  return forEachGroup(b, weight, tile, init, [&](ArrayRef<GroupRows> rows, Value number, ValueRange carried) {
    return body(rows[0].codes, number, rows[0].scales, rows[0].minima, carried);
  });
}
