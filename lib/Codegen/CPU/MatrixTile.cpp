//===- MatrixTile.cpp - Integer linears on a unit of matrix tiles -----------------------------===//
//
// A panel is unpacked once for all tokens of an item: the bytes of a group are then a tile of 8 x 64 as the
// unit wants it, the scales are f32. Codes become signed (their bias taken off), which spares what
// IntegerTile.cpp does with c: the sums are the same integers, and so is what follows from them.
//
// Activations have a scale for every 32 columns, so a group's sums leave the unit before the next group's
// come, and half of a tile's 64 columns stay empty: 512 of the unit's 1024 products a cycle are what a linear
// can have.
//
//===------------------------------------------------------------------------------------------===//
#include "MatrixTile.h"

using namespace mlir;
using namespace nibble;

namespace {

constexpr int64_t kCodes = kPanelRows * kSubgroup; // bytes of a group, unpacked
constexpr int64_t kLine = 4 * kPanelRows;          // bytes of a row of sums, of scales

/// Offsets in an unpacked group: codes [8][16][4], scales f32 [16], minima f32 [16] where there are any.
constexpr int64_t kScales = kCodes, kMinima = kCodes + kLine;

bool hasMinima(const WeightPanel &weight) { return weight.layout.format.zero != Zero::None; }
int64_t groupBytes(const WeightPanel &weight) { return kCodes + (hasMinima(weight) ? 2 : 1) * kLine; }

bool isSigned(const WeightPanel &weight) { return weight.bias != 0; }

} // namespace

int64_t nibble::unpackedPanelBytes(const WeightPanel &weight) {
  return weight.layout.subgroups() * groupBytes(weight);
}

int64_t nibble::matrixSumsBytes(lowbit::RowsType rows, int64_t records) {
  return records * rows.getPlanes() * kRecordTokens * kLine;
}

void nibble::emitUnpackedPanel(KernelBuilder &b, const WeightPanel &weight, Value panel, Value unpacked) {
  const VectorType bytes = b.vec(64, b.i8());
  const bool isCodebook = weight.layout.format.isCodebook();
  auto value = [&](Value code) -> Value {
    if (isCodebook)
      return lookUpEntries(b, weight, code, 0);
    return weight.bias ? b.sub(code, b.constant(bytes, int64_t(static_cast<int8_t>(weight.bias)))) : code;
  };
  auto subgroup = [&](Value codes, Value number, Value scales, Value minima,
                      ValueRange) -> SmallVector<Value> {
    Value group = b.at(unpacked, b.mul(number, groupBytes(weight)));
    b.store(scales, group, kScales, kLine);
    if (minima)
      b.store(minima, group, kMinima, kLine);
    const int64_t bits = weight.layout.format.bits();
    for (int64_t vector = 0; vector < bits; ++vector) {
      Value code = b.load(bytes, codes, 64 * vector, 64);
      if (bits == 8) {
        b.store(value(code), group, 64 * vector, 64);
        continue;
      }
      for (int64_t half : {0, 1})
        b.store(value(nibblesOf(b, code, half)), group, 64 * (4 * half + vector), 64);
    }
    return {};
  };
  const TileAddress stream{panel, Value(), Value(), kRecordTokens, 0, kRecordTokens, /*isFirst=*/true};
  forEachSubgroup(b, weight, stream, ValueRange(), subgroup);
}

SmallVector<Value> nibble::emitMatrixTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                          const MatrixAddress &tile) {
  const VectorType ints = b.vec(kPanelRows, b.i32()), floats = b.vec(kPanelRows, b.f32());
  const int64_t planes = rows.getPlanes();
  const RecordOffsets offsets{kRecordTokens, planes, static_cast<int64_t>(rows.getBiases().size())};

  auto group = [&](Value number, ValueRange carried) {
    Value codes = b.at(tile.unpacked, b.mul(number, groupBytes(weight)));
    SmallVector<Value> records;
    for (int64_t i = 0; i < tile.records; ++i)
      records.push_back(b.at(b.at(tile.rows, i * kRecordTokens * rows.getRowBytes()),
                             b.mul(number, kRecordTokens * rows.getRecordBytes())));
    // The planes of a record follow each other: rows of one tile. Sums are [record][plane][token][16].
    lowbit::DotTileOp::create(b, codes, records, tile.sums, planes * kRecordTokens, kSubgroup,
                              !isSigned(weight));
    Value scales = b.load(floats, codes, kScales, kLine), minima;
    if (hasMinima(weight))
      minima = b.load(floats, codes, kMinima, kLine);
    SmallVector<Value> result;
    for (int64_t m = 0; m < tile.records * kRecordTokens; ++m) {
      int64_t record = m / kRecordTokens, token = m % kRecordTokens;
      SmallVector<Value> sums;
      for (int64_t plane = 0; plane < planes; ++plane)
        sums.push_back(
            b.load(ints, tile.sums, ((record * planes + plane) * kRecordTokens + token) * kLine, kLine));
      result.push_back(
          addGroup(b, records[record], offsets, token, combinePlanes(b, sums), scales, minima, carried[m]));
    }
    return result;
  };
  SmallVector<Value> zero(tile.records * kRecordTokens, b.constant(floats, 0.0));
  return b.loop(b.index(0), b.index(weight.layout.subgroups()), 1, zero, group);
}
