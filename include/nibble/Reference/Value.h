//===- Value.h - What an SSA value is while a module runs ---------------------------*- C++ -*-===//
#pragma once

#include "nibble/Quantize/RowBlock.h"
#include "nibble/Reference/Cache.h"
#include "nibble/Reference/Matrix.h"
#include "nibble/Reference/QuantizedRows.h"

#include <memory>
#include <variant>

namespace nibble::reference {

/// tensor<?xi32>.
using Indices = std::vector<int32_t>;
/// !lowbit.packed, and llm.params and dequantized weights of tensor type.
using Weight = std::shared_ptr<const RowBlock>;

/// !llm.cache: the cache, which of the batch's rows belong to which of its sequences, and at which position.
struct CacheReference {
  KeyValueCache *cache = nullptr;
  const SequenceRows *sequences = nullptr;
  const Indices *positions = nullptr; // [T]
};

/// Matrix: floats of any shape, the last dimension as columns, all others as rows; !lowbit.rows<..., f32>;
/// and f32, which in an epilogue is the matrix of all its elements.
using RuntimeValue = std::variant<Matrix, Indices, Weight, QuantizedRows, CacheReference>;

} // namespace nibble::reference
