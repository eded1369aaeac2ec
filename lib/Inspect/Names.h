//===- Names.h - Names that were meant, and layers in names -------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// "; the nearest are a, b and c": the end of a message about a name that is not there. At most three, those
/// that contain `wanted` first, then by edit distance.
std::string nearestNames(std::string_view wanted, std::span<const std::string> known);

/// "model.layers.12.mlp.up_proj.weight" in its parts.
struct LayerName {
  std::string prefix; // "model.layers."
  uint64_t layer = 0; // 12
  std::string suffix; // "mlp.up_proj.weight"
};
/// None where the name has no ".layers.N.".
std::optional<LayerName> splitLayer(std::string_view name);

/// Ascending numbers as "0-3,8".
std::string rangesText(const std::vector<uint64_t> &numbers);

} // namespace nibble
