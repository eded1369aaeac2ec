//===- UnpackedPanel.cpp - A panel with a byte a code -----------------------------------------===//
#include "UnpackedPanel.h"

#include "IntegerRecord.h"

using namespace mlir;
using namespace nibble;

static constexpr int64_t kCodes = kPanelRows * kSubgroup; // bytes of a group
static constexpr int64_t kLine = 4 * kPanelRows;          // of a row of scales, or of minima
static constexpr int64_t kScales = kCodes, kMinima = kCodes + kLine;

static bool hasMinima(const WeightPanel &weight) { return weight.layout.format.zero != Zero::None; }

int64_t nibble::unpackedGroupBytes(const WeightPanel &weight) {
  return kCodes + (hasMinima(weight) ? 2 : 1) * kLine;
}

int64_t nibble::unpackedPanelBytes(const WeightPanel &weight) {
  return weight.layout.subgroups() * unpackedGroupBytes(weight);
}

void nibble::emitUnpackedPanel(KernelBuilder &b, const WeightPanel &weight, Value panel, Value unpacked,
                               UnpackedCodes meant) {
  const VectorType bytes = b.vec(64, b.i8());
  const int64_t lanes = b.target.lanes(), bits = weight.layout.format.bits();
  const bool isSigned = meant == UnpackedCodes::Signed;
  auto value = [&](Value code) -> Value {
    if (weight.layout.format.isCodebook())
      return lookUpEntries(b, weight, code, isSigned ? 0 : weight.bias);
    if (!isSigned || weight.bias == 0)
      return code;
    return b.sub(code, b.constant(bytes, int64_t(static_cast<int8_t>(weight.bias))));
  };
  // The walk hands out as many rows of scales as a vector holds: codes are unpacked with the first of them.
  for (int64_t row = 0; row < kPanelRows; row += lanes) {
    const TileAddress stream{panel,   row ? b.index(row) : Value(), {}, kRecordTokens, 0, kRecordTokens,
                             row == 0};
    auto subgroup = [&](Value codes, Value number, Value scales, Value minima,
                        ValueRange) -> SmallVector<Value> {
      Value group = b.at(unpacked, b.mul(number, unpackedGroupBytes(weight)));
      b.store(scales, group, kScales + 4 * row, 4 * lanes);
      if (minima)
        b.store(minima, group, kMinima + 4 * row, 4 * lanes);
      for (int64_t vector = 0; row == 0 && vector < bits; ++vector) {
        Value code = b.load(bytes, codes, 64 * vector, 64);
        prefetchStream(b, b.at(codes, 64 * vector), 64, stream);
        if (bits == 8) {
          b.store(value(code), group, 64 * vector, 64);
          continue;
        }
        for (int64_t half : {0, 1})
          b.store(value(nibblesOf(b, code, half)), group, 64 * (4 * half + vector), 64);
      }
      return {};
    };
    forEachSubgroup(b, weight, stream, ValueRange(), subgroup);
  }
}

GroupRows nibble::unpackedGroup(KernelBuilder &b, const WeightPanel &weight, Value unpacked, Value number,
                                Value rowOffset) {
  const int64_t lanes = b.target.lanes();
  const VectorType floats = b.vec(lanes, b.f32());
  Value base = moveRows(b, b.at(unpacked, b.mul(number, unpackedGroupBytes(weight))), rowOffset, 4);
  GroupRows group{base, b.load(floats, base, kScales, 4 * lanes), {}};
  if (hasMinima(weight))
    group.minima = b.load(floats, base, kMinima, 4 * lanes);
  return group;
}
