//===- FormatChoice.h - Which format each weight gets, by the rules of the command line ---*- C++ -*-===//
//
// The options of DESIGN section 10 and a plan file, turned into a complete precision plan. What fails here is
// wrong usage (exit code 2), so that a tool can ask before it does any work.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/PrecisionPlan.h"

#include <span>
#include <string>

namespace nibble {

/// A weight that has a format: of a linear, of the head, or the embedding table. A tied table is both of
/// these.
struct WeightUse {
  std::string name;
  Format source; // as the checkpoint has it
  bool linear = false;
  bool head = false;
  bool embedding = false;
};

/// Spellings as on the command line; empty where nothing was said.
struct FormatOptions {
  /// A format or `keep`. Default: `keep` if a weight of the checkpoint has an integer format, else int4-g32.
  std::string precision;
  /// A format or `keep`, for the head and the embedding table. Default: what `precision` is if that is a
  /// float format or `keep`, else int8-g32. Either sets both where the table is tied.
  std::string head, embedding;
  /// `int8` or `f32`, for every linear. Default: int8 with integer weights, f32 with float ones.
  std::string activations;
  /// Overrides all of these for the tensors that it names.
  PrecisionPlan plan;
};

/// A plan with every weight in it. Fails on wrong spellings, on different formats for a tied table, and on
/// int8 activations for a float weight. A table that is only an embedding has `f32` activations.
Result<PrecisionPlan> chooseFormats(std::span<const WeightUse> weights, const FormatOptions &options);

} // namespace nibble
