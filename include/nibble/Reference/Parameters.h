//===- Parameters.h - Where the reference gets weights from -------------------------------*- C++ -*-===//
//
// An llm.param names a weight and says what happens to it on the way into the artifact. A source carries that
// out, from the checkpoint, or finds it done, in an artifact. Needs no MLIR.
//
//===------------------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/RowBlock.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace nibble {
class Artifact;
} // namespace nibble

namespace nibble::reference {

/// One step of a recipe that changes values or their order; packing changes neither.
struct RecipeStep {
  enum class Kind : uint8_t { UnpermuteRows, Convert };
  Kind kind = Kind::Convert;
  int64_t heads = 0; // UnpermuteRows
  Format format;     // Convert
};

struct ParameterRequest {
  std::string name;
  int64_t rows = 0, columns = 0; // a vector is one row; [E][F][K] is E * F rows
  Format source;                 // as the checkpoint has it
  std::vector<RecipeStep> recipe;

  /// The format after the last step.
  Format format() const;
};

/// Gives the whole weight, in request.format().
using ParameterSource = std::function<Result<RowBlock>(const ParameterRequest &)>;

/// Puts the rows of each head back in order: row i of a head is stored row 2i, row i + D/2 is stored row 2i
/// + 1.
Result<RowBlock> unpermuteRows(RowBlock block, int64_t heads);

/// Carries out the recipe on a weight as the checkpoint has it.
Result<RowBlock> carryOut(const ParameterRequest &request, RowBlock block);

/// Weights of an artifact, which must outlive the source.
ParameterSource artifactParameters(const Artifact &artifact);

} // namespace nibble::reference
