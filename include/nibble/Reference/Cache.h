//===- Cache.h - Keys and values of sequences ---------------------------------------*- C++ -*-===//
//
// The reference's KV cache has neither pages nor a budget: an array for each sequence and layer.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nibble::reference {

/// What a stored element is rounded to, as the run-time cache types do. Int8: d q, |q| <= 127, with one f32
/// d = max |x| / 127 for each position and head.
enum class CacheRounding : uint8_t { None, F16, BF16, Int8 };

/// Which rows of a batch belong to which sequence of the cache: rows start[s] .. start[s + 1] - 1 to
/// sequence[s].
struct SequenceRows {
  std::vector<int64_t> start;   // [S + 1]
  std::vector<size_t> sequence; // [S]
};

class KeyValueCache {
public:
  KeyValueCache(int64_t layers, int64_t kvHeads, int64_t headDim,
                CacheRounding rounding = CacheRounding::None)
      : layerCount(layers), width(kvHeads * headDim), headDim(headDim), rounding(rounding) {}

  /// The index of a new, empty sequence.
  size_t addSequence();
  size_t sequences() const { return stored.size() / layerCount; }
  int64_t layers() const { return layerCount; }
  /// Elements of one position: kvHeads * headDim.
  int64_t positionWidth() const { return width; }
  /// Positions stored in a layer.
  int64_t length(size_t sequence, int64_t layer) const;

  /// `key` and `value` are [kvHeads][headDim]; `position` is at most length(): earlier positions are
  /// overwritten.
  void store(size_t sequence, int64_t layer, int64_t position, std::span<const double> key,
             std::span<const double> value);

  /// [length()][kvHeads][headDim].
  std::span<const double> keys(size_t sequence, int64_t layer) const;
  std::span<const double> values(size_t sequence, int64_t layer) const;

private:
  struct Layer {
    std::vector<double> keys, values;
  };
  const Layer &layerOf(size_t sequence, int64_t layer) const { return stored[sequence * layerCount + layer]; }

  int64_t layerCount, width, headDim;
  CacheRounding rounding;
  std::vector<Layer> stored; // [sequences][layers]
};

} // namespace nibble::reference
