//===- Dequantize.h - From codes to values ------------------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Quantize/RowBlock.h"

namespace nibble {

/// The values of a block, as a block in f32. scale * code, scale * (code - zero) and scale * table[code] are
/// exact in f32; scale * code + minimum is rounded once, in the addition. A block in a float format keeps its
/// values.
Result<RowBlock> dequantize(const RowBlock &block);

/// Brings a block into another format. The same format: untouched. Codes into another format: dequantized
/// first. Float into f16 or bf16: each value rounded to the nearest (an error where a finite value becomes
/// infinite). `firstRow` is the block's place in the tensor, for messages.
Result<RowBlock> convertRows(RowBlock block, const Format &target, int64_t firstRow = 0);

} // namespace nibble
