//===- Parameters.h - Where the reference gets weights from -------------------------*- C++ -*-===//
//
// An llm.param names a weight and says what happens to it on the way into the artifact. A source carries that
// out, from the checkpoint, or finds it done, in an artifact. Needs no MLIR.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/RowBlock.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace nibble {
class Artifact;
class ParameterStore;
} // namespace nibble

namespace nibble::reference {

/// What an llm.param asks for. Packing, the last step of a recipe, changes no value.
struct ParameterRequest {
  std::string name;
  int64_t rows = 0, columns = 0; // a vector is one row; [E][F][K] is E * F rows
  Format source;                 // as the checkpoint has it
  int64_t unpermutedHeads = 0;   // the checkpoint has the rows of so many heads in rotary pairs; 0: in order
  std::vector<Format> conversions; // one after the other

  /// The format in the end.
  Format format() const { return conversions.empty() ? source : conversions.back(); }
};

/// Gives the whole weight, in request.format().
using ParameterSource = std::function<Result<RowBlock>(const ParameterRequest &)>;

/// Weights of a checkpoint, which must outlive the source; recipes are carried out as the compiler does.
ParameterSource checkpointParameters(const ParameterStore &store);

/// Weights of an artifact, which must outlive the source.
ParameterSource artifactParameters(const Artifact &artifact);

} // namespace nibble::reference
