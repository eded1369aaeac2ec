//===- Weights.h - The table of weights ---------------------------------------------*- C++ -*-===//
//
// One description for artifacts and checkpoints: JSON, and the text that is printed from that same JSON.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "llvm/Support/raw_ostream.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nibble {

struct WeightRow {
  std::string name;
  std::vector<uint64_t> shape; // [N, K], or [N]
  std::string format;          // "int4-g32"; of a checkpoint as it is stored: "Q4_0"
  std::string activations;     // "int8"; empty where nothing is multiplied
  std::string layout;          // "panel", "plain"; empty for a checkpoint
  uint64_t bytes = 0;

  /// The product of the shape; the largest number where it overflows.
  uint64_t parameters() const;
};

/// {"tensors": [...], "by_kind": [...], "total": {...}}.
nlohmann::ordered_json describeWeights(std::span<const WeightRow> rows);

/// What describeWeights gave. Layers whose weights are alike are one block, unless `everyLayer`.
void printWeights(llvm::raw_ostream &stream, const nlohmann::ordered_json &weights, bool everyLayer);

/// "4096x128".
std::string shapeText(const nlohmann::ordered_json &shape);

} // namespace nibble
