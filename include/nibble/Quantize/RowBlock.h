//===- RowBlock.h - Some rows of a weight, as values or as codes --------------------*- C++ -*-===//
//
// What flows through a recipe: the parameter store reads blocks of rows, the quantizer turns values into
// codes, the packer lays them out for kernels. A block is a few megabytes at most, whatever the model's size.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/Format.h"

#include <vector>

namespace nibble {

struct RowBlock {
  Format format;
  int64_t rows = 0;
  int64_t columns = 0; // K
  /// Float formats: [rows][K], already widened to f32 (exactly).
  std::vector<float> values;
  /// Formats with codes: [rows][K], one code a byte; unsigned codes 0..255 are stored as their bit pattern.
  std::vector<int8_t> codes;
  /// Formats with codes: [rows][groups] f16 bit patterns; groups = ceil(K / group), or 1.
  std::vector<uint16_t> scales;
  /// Zero::Minimum: [rows][groups] f16 bit patterns. Zero::Integer: [rows][groups] the zero points.
  std::vector<uint16_t> zeros;

  int64_t groups() const { return format.group == 0 ? 1 : (columns + format.group - 1) / format.group; }

  /// Whether the vectors have the sizes that rows, columns and format ask for.
  Result<void> check() const;
};

} // namespace nibble
