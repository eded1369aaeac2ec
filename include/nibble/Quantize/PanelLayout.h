//===- PanelLayout.h - The one layout of packed weights that all CPU kernels read ---*- C++ -*-===//
//
// Panels of 16 rows (output channels), read by kernels as one forward stream (reference: DESIGN section 5 and
// the measured facts that it rests on: the line of scales comes first). N is padded to 16 with zero rows, K
// to 64 with codes that mean zero (iq4's nearest to it: the activations there are zero too). The packer
// writes it, lib/Codegen/CPU and lib/Reference read it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/Format.h"

namespace nibble {

inline constexpr int64_t kPanelRows = 16;
inline constexpr int64_t kPaddedColumns = 64; // K is a multiple of this
inline constexpr int64_t kSubgroup = 32; // codes of 32 columns lie together; activations have a scale per 32

/// Formats with codes. A panel is a sequence of BLOCKS. A block covers two weight groups, 2 * G columns (G =
/// the group, a multiple of 32; a channel format has one block for the whole padded row). Where 2 * G does
/// not divide the padded K, the last block has fewer subgroups, and its second group may be short or absent
/// (scales zero):
///
///   64 bytes   scales: f16 [2][16], first group's 16 rows, then the second's (unused half: zero)
///   64 bytes   minima: f16 [2][16], only with Zero::Minimum;
///              zero points: u8 [2][16] in the first 32 bytes, only with Zero::Integer
///   codes      for each subgroup of 32 columns, in order, only as many as the padded K has:
///              4 bits: 4 vectors of 64 bytes; byte 4r+i of vector j holds in its low nibble the code of
///                    row r, column 4j+i, in its high nibble that of column 16+4j+i
///              8 bits: 8 vectors of 64 bytes; byte 4r+i of vector j holds the code of row r, column 4j+i
///
/// Codes are stored unsigned: symmetric integers as code + 2^(b-1) (bias 8, or 128), others as they are.
/// Float formats: for each column k of the padded K, the 16 rows' elements: [K][16] of f32 or f16. bf16 lies
/// in pairs of columns, which instructions for it multiply at once: [K/2][16][2].
struct PanelLayout {
  int64_t rows = 0;    // N as in the checkpoint
  int64_t columns = 0; // K as in the checkpoint
  Format format;

  int64_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  int64_t paddedColumns() const { return (columns + kPaddedColumns - 1) / kPaddedColumns * kPaddedColumns; }
  int64_t subgroups() const { return paddedColumns() / kSubgroup; }
  /// Subgroups of 32 columns in one block (the last block of a panel may have fewer).
  int64_t subgroupsPerBlock() const;
  int64_t blocks() const { return (subgroups() + subgroupsPerBlock() - 1) / subgroupsPerBlock(); }
  /// Bytes before the codes of a block: 64, or 128 with minima or zero points. 0 for float formats.
  int64_t blockHeaderBytes() const;
  /// Columns of a float format whose elements lie side by side in each row: 1, or 2 in bf16.
  int64_t columnsTogether() const { return format.element == Element::BF16 ? 2 : 1; }
  /// Where a float format's element of one of a panel's rows is in the panel, in elements.
  int64_t elementIndex(int64_t row, int64_t column) const {
    int64_t together = columnsTogether();
    return (column / together * kPanelRows + row) * together + column % together;
  }
  /// Bytes of the codes of one subgroup in a panel: 256 (int4) or 512 (int8).
  int64_t subgroupBytes() const;
  /// Bytes of one panel, and of the whole weight: both multiples of 64.
  int64_t panelBytes() const;
  int64_t bytes() const { return panels() * panelBytes(); }

  /// Whether the layout can hold the format, and its sizes can be computed without overflow. The other
  /// members rely on it; call it first on sizes that come from a file.
  Result<void> check() const;
};

} // namespace nibble
