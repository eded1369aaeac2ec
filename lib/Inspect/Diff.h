//===- Diff.h - What differs between two artifacts or checkpoints -------------------*- C++ -*-===//
#pragma once

#include "llvm/Support/raw_ostream.h"

#include <nlohmann/json.hpp>

namespace nibble {

/// Of two descriptions (Summary.h): {"a", "b", "tensors": [those that differ in shape, format, activations or
/// bytes, or that one lacks], "alike": count, "totals"}.
nlohmann::ordered_json describeDifferences(const nlohmann::ordered_json &a, const nlohmann::ordered_json &b);

void printDifferences(llvm::raw_ostream &stream, const nlohmann::ordered_json &differences);

} // namespace nibble
