//===- Dequantize.cpp - From codes to values ------------------------------------------------------------===//
#include "nibble/Quantize/Dequantize.h"

#include "nibble/Quantize/Quantizer.h"
#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <cmath>

using namespace nibble;

/// Unsigned codes of eight bits are stored as their bit pattern; those of four bits are the same either way.
static void dequantizeGroup(const Format &format, float scale, uint16_t zero, const int8_t *codes,
                            int64_t count, float *out) {
  // Codes of four bits are never negative as bytes unless they are signed, so that one reading serves both
  // widths.
  switch (format.zero) {
  case Zero::None:
    for (int64_t k = 0; k < count; ++k)
      out[k] = scale * static_cast<float>(codes[k]);
    return;
  case Zero::Integer:
    for (int64_t k = 0; k < count; ++k)
      out[k] = scale * static_cast<float>(static_cast<int>(static_cast<uint8_t>(codes[k])) - zero);
    return;
  case Zero::Minimum: {
    float minimum = halfToFloat(zero);
    for (int64_t k = 0; k < count; ++k)
      out[k] = scale * static_cast<float>(static_cast<uint8_t>(codes[k])) + minimum;
    return;
  }
  }
}

Result<RowBlock> nibble::dequantize(const RowBlock &block) {
  NIBBLE_CHECK(block.check());
  RowBlock out{Format{}, block.rows, block.columns, {}, {}, {}, {}};
  if (block.format.isFloat()) {
    out.values = block.values;
    return out;
  }
  out.values.resize(block.codes.size());
  int64_t groups = block.groups();
  int64_t length = block.format.group == 0 ? block.columns : block.format.group;
  for (int64_t row = 0; row < block.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t flat = row * groups + group, at = row * block.columns + group * length;
      dequantizeGroup(block.format, halfToFloat(block.scales[flat]),
                      block.zeros.empty() ? 0 : block.zeros[flat], block.codes.data() + at,
                      std::min(length, block.columns - group * length), out.values.data() + at);
    }
  return out;
}

/// Rounds values to the format's, in place.
static Result<void> narrow(RowBlock &block, const Format &target, int64_t firstRow) {
  bool isHalf = target.element == Element::F16;
  for (int64_t row = 0; row < block.rows; ++row)
    for (int64_t k = 0; k < block.columns; ++k) {
      float &value = block.values[row * block.columns + k];
      float rounded = isHalf ? halfToFloat(floatToHalf(value)) : bfloat16ToFloat(floatToBFloat16(value));
      if (std::isinf(rounded) && !std::isinf(value))
        return failure("row " + std::to_string(firstRow + row) + ", column " + std::to_string(k) + " is " +
                       std::to_string(value) + ": too large for " + formatSpelling(target) +
                       "; keep this tensor in " + (isHalf ? "f32 or bf16" : "f32"));
      value = rounded;
    }
  return {};
}

Result<RowBlock> nibble::convertRows(RowBlock block, const Format &target, int64_t firstRow) {
  NIBBLE_CHECK(block.check());
  if (block.format == target)
    return block;
  if (!block.format.isFloat()) {
    NIBBLE_TRY(block, dequantize(block));
  }
  if (!target.isFloat())
    return quantize(block, target, firstRow);
  if (target.element != Element::F32)
    NIBBLE_CHECK(narrow(block, target, firstRow));
  block.format = target;
  return block;
}
