//===- Recipe.h - One weight from the checkpoint to packed panels, in blocks of rows ---*- C++ -*-===//
//
// What the parameter store does with every weight: read some rows, bring them into the target format, pack
// them, write them. Memory is that of a few blocks, whatever the size of the weight; bytes are the same for
// any number of threads.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/PanelLayout.h"
#include "nibble/Quantize/RowBlock.h"

#include <functional>
#include <span>

namespace nibble {

/// Rows begin..end of the weight, in any format (always the same one). Called by several threads at once.
using RowSource = std::function<Result<RowBlock>(int64_t begin, int64_t end)>;
/// The next bytes of the packed weight, in order. Called on the thread that called packWeight.
using ByteSink = std::function<Result<void>(std::span<const uint8_t> bytes)>;
/// Rows that were written so far. Called on the thread that called packWeight.
using Progress = std::function<void(int64_t rows)>;

struct RecipeOptions {
  unsigned threads = 1;
  /// Of f32 values in one block; a block has at least one panel of rows.
  int64_t blockBytes = 4 << 20;
};

/// Writes layout.bytes() bytes to the sink. Codes that already have the layout's format are kept untouched;
/// others are dequantized, then quantized. Fails with the message of the first block that fails (the same for
/// any number of threads), which names rows but not the tensor: the caller knows its name.
Result<void> packWeight(const RowSource &source, const PanelLayout &layout, const ByteSink &sink,
                        const RecipeOptions &options = {}, const Progress &progress = {});

} // namespace nibble
