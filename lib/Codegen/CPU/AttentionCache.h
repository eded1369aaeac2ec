//===- AttentionCache.h - The paged cache as kernels see it -------------------------*- C++ -*-===//
//
// Addresses, loads and stores for every element type. A page holds, for each head, K as [head_dim][slot] and
// V as [slot][head_dim]; behind either, in an int8 cache, one f32 scale for each slot (KernelABI.h).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelBuilder.h"

#include "nibble/runtime/KernelABI.h"

namespace nibble {

/// Pointers to K and V of one head in one page.
struct CacheHead {
  Value keys, values;
};

class AttentionCache {
public:
  /// `element`: f32, f16, bf16 or i8.
  AttentionCache(Type element, int64_t kvHeads, int64_t headDim)
      : element(element), kvHeads(kvHeads), headDim(headDim),
        elementBytes(KernelBuilder::byteWidth(element)) {}

  const Type element;
  const int64_t kvHeads, headDim, elementBytes;

  bool hasScales() const { return element.isInteger(8); }
  /// Where the scales of a head in a page begin.
  int64_t scaleOffset() const { return kPageSize * headDim * elementBytes; }
  /// One head of K, or of V, in a page.
  int64_t headBytes() const { return scaleOffset() + (hasScales() ? kPageSize * 4 : 0); }

  /// `page` and `kvHead` are i64.
  CacheHead head(KernelBuilder &b, Value keys, Value values, Value page, Value kvHead) const;

  /// `lanes` elements as f32; codes of an int8 cache as they are, without their scales.
  Value load(KernelBuilder &b, Value pointer, int64_t lanes) const;

  /// Stores k and v, [head_dim] f32 each, at a slot (i64). `scratch` has room for head_dim f32.
  void store(KernelBuilder &b, const CacheHead &head, Value slot, Value k, Value v, Value scratch) const;

  // The same for a run of slots, K transposed in registers.

  /// Stores v; what of k goes to the cache, [head_dim] f32, replaces k.
  void storeValue(KernelBuilder &b, const CacheHead &head, Value slot, Value k, Value v) const;
  /// Stores rows of K that storeValue has seen: [lanes][stride bytes] f32 at `rows`, for the slots from
  /// `slot` (i64, a multiple of the target's lanes); of these only number begin .. end - 1 (i64).
  void storeKeys(KernelBuilder &b, const CacheHead &head, Value slot, Value rows, int64_t stride, Value begin,
                 Value end) const;

private:
  /// What becomes of a row's pieces: floats as they are, or codes as f32, whose scale goes to `scale`.
  SmallVector<Value> elements(KernelBuilder &b, Value x, Value scale) const;
  /// Elements as they are stored, as integers.
  Value bits(KernelBuilder &b, Value elements) const;
  /// Rounds x to elements at `out`; the scale of an int8 row goes to `scale`.
  void storeRow(KernelBuilder &b, Value x, Value out, Value scale) const;
};

} // namespace nibble
