//===- WeightPanel.h - Inner loops of linears over one panel of a weight ------------*- C++ -*-===//
//
// A tile is a few tokens by one vector of rows, or a few: of one panel or of several. The loop over K keeps
// its accumulators in registers and reads the panel as one forward stream. The order of additions over K is
// fixed, whatever the tile: that is what makes results independent of the batch.
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

/// The rows of one group of columns that a vector holds.
struct GroupRows {
  Value codes;
  Value scales;
  Value minima; // of zero points: -(scale * zero); null: none
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
  // A part of the panel with its codes unpacked (UnpackedPanel.h); null: the whole, as it is stored. `rows`
  // is where that part begins.
  Value unpacked = {};
  Value groups = {};            // i64: of 32 columns in that part
  SmallVector<Value> sums = {}; // of the columns before it, [vector][count] vectors of f32
  // Vectors of rows; those that the first panel has not are of the next ones.
  int64_t vectors = 1;
};

/// Sum over K for integer rows: [vector][count] vectors of f32.
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

/// Asks for the line as far ahead of `start` as the target wants it for such a tile.
void prefetchAhead(KernelBuilder &b, Value start, CacheLevel level, const TileAddress &tile);
/// The same for the lines of `bytes` bytes, at both levels. Many at once keep loads waiting.
void prefetchStream(KernelBuilder &b, Value start, int64_t bytes, const TileAddress &tile);

/// Where vector number `vector` of a tile finds its rows: its panel among the tile's, and the row in it less
/// the tile's offset.
struct VectorPlace {
  int64_t panel, row;
};
VectorPlace placeOf(KernelBuilder &b, int64_t vector);

/// Calls `body(rows of each vector, subgroup, accumulators)` for every subgroup of 32 columns in order: loops
/// over blocks, unrolls within them where a group is one subgroup. Codes are those of row 0 of the tile's
/// offset; to ask for those ahead is left to the body, which can do so between its multiplications.
using GroupBody = llvm::function_ref<SmallVector<Value>(llvm::ArrayRef<GroupRows> rows, Value subgroup,
                                                        ValueRange accumulators)>;
SmallVector<Value> forEachGroup(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile,
                                ValueRange init, GroupBody body);

/// The same for tiles of one vector.
using SubgroupBody = llvm::function_ref<SmallVector<Value>(Value codes, Value subgroup, Value scales,
                                                           Value minima, ValueRange accumulators)>;
SmallVector<Value> forEachSubgroup(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile,
                                   ValueRange init, SubgroupBody body);

} // namespace nibble
