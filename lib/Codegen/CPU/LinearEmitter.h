//===- LinearEmitter.h - What all kernels of lowbit.linear share --------------------*- C++ -*-===//
//
// An item is a run of panels by a block of tokens. Within it panels are outer and tokens inner, so that a
// panel is read once from memory and the block's activations stay in the second-level cache. How tokens meet
// a panel depends on rows, weights and target: see the classes below, a file each.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelEmitter.h"
#include "TileModel.h"
#include "WeightPanel.h"

namespace nibble {

class LinearEmitter : public KernelEmitter {
public:
  LinearEmitter(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target);

  Value items(KernelBuilder &b, Value batch) override;
  void item(KernelBuilder &b, const KernelFrame &frame, Value item) override;
  int64_t scratchBytes() const override { return scratch; }

protected:
  /// Panels that tiles may take at once.
  struct Panels {
    Value first;
    int64_t count;
  };
  /// The rows of a tile: from `offset` on (i64, null for 0) in a panel.
  struct TileRows {
    Value panel, offset;
    int64_t vectors;
  };
  /// Tokens of an item: begin .. whole - 1 are a multiple of stepTokens, whole .. end - 1 the rest.
  struct Block {
    Value begin, whole, end;
  };

  /// All tokens of an item against some of its panels.
  virtual void tokens(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                      const Block &block) = 0;

  /// Calls the body for tiles of so many vectors, until they had all rows.
  void forRows(KernelBuilder &b, const Panels &panels, int64_t vectors,
               llvm::function_ref<void(const TileRows &)> body) const;
  /// Where panel `panel` (i64) of a weight begins, and the rows of a token (i64) that is the first of a
  /// record.
  Value panelOf(KernelBuilder &b, const KernelFrame &frame, size_t weight, Value panel);
  Value rowsOf(KernelBuilder &b, const KernelFrame &frame, Value token);
  /// The op's region on sums, [weight][vector][token] vectors of f32, and the store. Rows are padded to whole
  /// panels, so nothing needs a mask.
  void epilogue(KernelBuilder &b, const KernelFrame &frame, llvm::ArrayRef<SmallVector<Value>> sums,
                const TileRows &at, Value token);
  /// Asks for what the epilogue of `count` tokens will add: a line of each row, far from the others.
  void prefetchExtras(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, Value token,
                      int64_t count);

  rt::KernelOp kernel;
  lowbit::LinearOp op;
  const CPUTarget &target;
  const lowbit::RowsType rows;
  const int64_t lanes;
  SmallVector<WeightPanel> weights;

  // What the classes below decide.
  int64_t stepTokens = 1;     // that are worked on at once
  int64_t tokenBlock;         // tokens of an item
  int64_t panelsTogether = 1; // in tiles of several vectors
  int64_t scratch = 0;        // bytes

private:
  /// Bytes before a tile's rows in a row of the result or of an extra.
  Value columnBytes(KernelBuilder &b, const TileRows &at) const;
  int64_t panels() const { return weights.front().layout.panels(); }
  int64_t panelsPerItem() const;
};

/// Tiles that registers hold the sums of.
class TiledLinear : public LinearEmitter {
public:
  using LinearEmitter::LinearEmitter;

protected:
  void tokens(KernelBuilder &b, const KernelFrame &frame, const Panels &panels, const Block &block) override;
  /// The tokens of `block` but for the rest.
  virtual void wholeSteps(KernelBuilder &b, const KernelFrame &frame, const Panels &panels,
                          const Block &block);
  /// The shape of tiles for `count` tokens that are worked on together, of at most so many vectors.
  virtual TileShape shapeOf(int64_t count, int64_t vectors) const = 0;
  /// Sums of a tile over K: [vector][token] vectors of f32.
  virtual SmallVector<Value> sumsOf(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile) = 0;

  TileShape shapeOf(int64_t count, const Panels &panels) const {
    return shapeOf(count, panels.count * kPanelRows / lanes);
  }
  /// Where a tile finds its panel.
  enum class From { Memory, Cache };
  void steps(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, const Block &block, From from);

private:
  void step(KernelBuilder &b, const KernelFrame &frame, const TileRows &at, Value token, int64_t count,
            From from);
};

/// Rows of integers, whose records hold 8 tokens.
class RecordLinear : public TiledLinear {
public:
  RecordLinear(rt::KernelOp kernel, lowbit::LinearOp op, const CPUTarget &target);

protected:
  TileShape shapeOf(int64_t count, int64_t vectors) const override;
  using TiledLinear::shapeOf;
  SmallVector<Value> sumsOf(KernelBuilder &b, const WeightPanel &weight, const TileAddress &tile) override;

  GroupWork hardest; // for what the weights take together
};

/// Rows of floats, or of bf16, by multiply-adds.
std::unique_ptr<KernelEmitter> makeFloatLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                               const CPUTarget &target);
/// Rows of integers by dot products.
std::unique_ptr<KernelEmitter> makeIntegerLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                 const CPUTarget &target);
/// Rows of integers by matrix tiles, `records` records of 8 tokens at once.
std::unique_ptr<KernelEmitter> makeMatrixLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                                const CPUTarget &target, int64_t records);
/// Rows and weights of bf16 by matrix tiles, `tiles` at once.
std::unique_ptr<KernelEmitter> makePairLinear(rt::KernelOp kernel, lowbit::LinearOp op,
                                              const CPUTarget &target, int64_t tiles);

/// The work of a weight's format for such rows.
GroupWork workOf(const Format &format, lowbit::RowsType rows);

} // namespace nibble
