//===- WeightPanel.h - Inner loops of linears over one panel of a weight ------------*- C++ -*-===//
//
// A tile is a few tokens by the rows of a panel that fit one vector. The loop over K keeps its accumulators
// in registers and reads the panel as one forward stream. The order of additions over K is fixed, whatever
// the tile: that is what makes results independent of the batch.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelBuilder.h"

#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Quantize/PanelLayout.h"

namespace nibble {

/// One weight of a linear, as the emitter sees it.
struct WeightPanel {
  lowbit::PackedType type;
  PanelLayout layout;
  int64_t bias;      // added to symmetric codes, or to a codebook's entries, to make them unsigned
  int64_t biasIndex; // which of the rows' c belongs to that bias

  static WeightPanel get(lowbit::PackedType type, lowbit::RowsType rows);
};

/// Where a tile's operands are.
struct TileAddress {
  Value panel;     // first byte of the panel
  Value rowOffset; // i64: first row of the panel that the vector holds (0, or 8 on half vectors); null for 0
  Value rows;      // first byte of the record (integer) or row (float) of the tile's first token
  int64_t record;  // tokens in the record (integer rows)
  int64_t first;   // the tile's first token within the record
  int64_t count;   // tokens in the tile
  bool isFirst;    // nothing has read the panel just before: its lines have to be asked for ahead
  Value unpacked = {}; // the panel with its codes unpacked (UnpackedPanel.h); null: read it as it is stored
};

/// Sum over K for integer rows: [count] vectors of f32.
SmallVector<Value> emitIntegerTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                   const TileAddress &tile);
/// Accumulators a token of a float tile: column k belongs to number k mod 4. They decide the order of
/// additions, hence are the same on every target and for every number of tokens.
inline constexpr int64_t kFloatChains = 4;

/// Sum over K for f32 or bf16 rows: [count] vectors of f32.
SmallVector<Value> emitFloatTile(KernelBuilder &b, const WeightPanel &weight, lowbit::RowsType rows,
                                 const TileAddress &tile);

/// The entries of the weight's codebook, plus `bias`, for bytes that hold a code each.
Value lookUpEntries(KernelBuilder &b, const WeightPanel &weight, Value codes, int64_t bias);

/// Scale (or minimum) vector of one of a block's two groups, as f32.
Value loadScales(KernelBuilder &b, Value line, Value rowOffset, int64_t group);
/// `pointer` moved by `bytes` for each row of the offset.
Value moveRows(KernelBuilder &b, Value pointer, Value rowOffset, int64_t bytes);

/// Asks for the lines of `bytes` bytes as far ahead of `start` as the target wants it for such a tile.
void prefetchStream(KernelBuilder &b, Value start, int64_t bytes, const TileAddress &tile);

/// Calls `body(subgroup index within the panel as bytes of codes, scales, minima (of zero points: -(scale *
/// zero)) or null, accumulators)` for every subgroup of 32 columns in order: loops over blocks, unrolls
/// within them where a group is one subgroup.
using SubgroupBody = llvm::function_ref<SmallVector<Value>(Value codes, Value subgroup, Value scales,
                                                           Value minima, ValueRange accumulators)>;
SmallVector<Value> forEachSubgroup(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile,
                                   ValueRange init, SubgroupBody body);

} // namespace nibble
