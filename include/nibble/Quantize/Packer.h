//===- Packer.h - Rows to panels and back -------------------------------------------*- C++ -*-===//
//
// The bytes that PanelLayout describes. Packing is lossless: unpacking gives the same codes and scales in
// checkpoint order, for nibble-inspect, for the reference and for tests.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/PanelLayout.h"
#include "nibble/Quantize/RowBlock.h"

#include <span>

namespace nibble {

/// The panels of `block`, whose rows start at a panel boundary of the weight: ceil(block.rows / 16) *
/// layout.panelBytes() bytes; missing rows of the last panel are zero rows. Format and K must be the
/// layout's. Float elements are narrowed to the nearest value of the format (exact where the block already
/// has that format).
Result<std::vector<uint8_t>> packPanels(const RowBlock &block, const PanelLayout &layout);

/// The rows of `bytes`, whole panels starting with panel `firstPanel`; rows past layout.rows are left out.
/// Fails where a size or a panel index does not fit the layout; padding is not looked at.
Result<RowBlock> unpackPanels(std::span<const uint8_t> bytes, const PanelLayout &layout,
                              int64_t firstPanel = 0);

} // namespace nibble
