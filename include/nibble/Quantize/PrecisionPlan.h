//===- PrecisionPlan.h - Which format each weight gets ------------------------------*- C++ -*-===//
//
// The plan file of DESIGN section 10, which a person may edit and feed back:
//   {"version": 1, "tensors": {"lm_head.weight": {"format": "int4-g32", "activations": "int8"}}}
// It may also say how code is tuned, by target: "tuning": {"avx512-vnni": "znver4,tile-tokens=4"}.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/Format.h"

#include <filesystem>
#include <map>
#include <span>

namespace nibble {

/// What a linear multiplies its weight with.
enum class Activations : uint8_t {
  F32,
  Int8,  // quantized row by row, a scale for 32 elements; needs an integer weight
  Int16, // the same with codes of 16 bits: two int8 planes, twice the products
  BF16,  // rounded
};

/// Whether they are codes, which need an integer weight.
constexpr bool isInteger(Activations activations) {
  return activations == Activations::Int8 || activations == Activations::Int16;
}

/// Reads `f32`, `bf16`, `int8` or `int16`.
Result<Activations> parseActivations(std::string_view spelling);
std::string activationsSpelling(Activations activations);

/// int8 with an integer weight, f32 with a float one.
Activations defaultActivations(const Format &format);

/// Orders names as a person does: runs of digits by their value, layers.2 before layers.10.
struct NaturalLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};

struct TensorPrecision {
  Format format;
  Activations activations = Activations::F32;
  bool operator==(const TensorPrecision &) const = default;
};

struct PrecisionPlan {
  std::map<std::string, TensorPrecision, NaturalLess> tensors;
  std::map<std::string, std::string> tuning; // by target; its readers know the spelling
  bool operator==(const PrecisionPlan &) const = default;
};

/// `file` is the name in messages. "activations" may be left out (defaultActivations). Unknown and repeated
/// keys, wrong types, unknown spellings and other versions are errors.
Result<PrecisionPlan> parsePlan(std::string_view json, const std::string &file);
Result<PrecisionPlan> readPlan(const std::filesystem::path &file);

/// One tensor a line, in natural order, ending in a newline: the same plan always gives the same text.
std::string printPlan(const PrecisionPlan &plan);
Result<void> writePlan(const PrecisionPlan &plan, const std::filesystem::path &file);

/// Fails where the plan names a tensor that is not among `known`, the weights that can have a format; the
/// message proposes the nearest known name.
Result<void> checkPlanTensors(const PrecisionPlan &plan, std::span<const std::string> known,
                              const std::string &file);

} // namespace nibble
