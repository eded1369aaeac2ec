//===- Dequantize.cpp - From codes to values --------------------------------------------------===//
#include "nibble/Quantize/Dequantize.h"

#include "nibble/Quantize/Codebook.h"
#include "nibble/Quantize/Quantizer.h"
#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace nibble;

/// Unsigned codes of eight bits are stored as their bit pattern; those of four bits are the same either way.
static void dequantizeGroup(const Format &format, float scale, uint16_t zero, const int8_t *codes,
                            int64_t count, float *out) {
  if (format.isCodebook()) {
    const Codebook &table = codebook(format.element);
    for (int64_t k = 0; k < count; ++k)
      out[k] = scale * static_cast<float>(table[codes[k] & 15]);
    return;
  }
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

static float toHalfAndBack(float value) { return halfToFloat(floatToHalf(value)); }
static float toBFloat16AndBack(float value) { return bfloat16ToFloat(floatToBFloat16(value)); }

/// Rounds values to the format's, in place. Returns the first index whose finite value became infinite, or
/// -1.
template <float (*round)(float)> static int64_t roundAll(std::vector<float> &values, int64_t rowLength) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (size_t begin = 0; begin < values.size(); begin += rowLength) {
    float *row = values.data() + begin;
    auto overflows = [](float value) {
      return std::fabs(round(value)) == infinity && std::fabs(value) < infinity;
    };
    unsigned any = 0;
    for (int64_t k = 0; k < rowLength; ++k)
      any |= overflows(row[k]);
    if (any)
      return std::find_if(row, row + rowLength, overflows) - values.data();
    for (int64_t k = 0; k < rowLength; ++k)
      row[k] = round(row[k]);
  }
  return -1;
}

static Result<void> narrow(RowBlock &block, const Format &target, int64_t firstRow) {
  bool isHalf = target.element == Element::F16;
  int64_t bad = (isHalf ? roundAll<toHalfAndBack> : roundAll<toBFloat16AndBack>)(block.values, block.columns);
  if (bad < 0)
    return {};
  return failure("row " + std::to_string(firstRow + bad / block.columns) + ", column " +
                 std::to_string(bad % block.columns) + " is " + std::to_string(block.values[bad]) +
                 ": too large for " + formatSpelling(target) + "; keep this tensor in " +
                 (isHalf ? "f32 or bf16" : "f32"));
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
