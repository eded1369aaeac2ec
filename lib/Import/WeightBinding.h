//===- WeightBinding.h - From a container's tensors to a model's weights ------------*- C++ -*-===//
//
// Both importers end here: every weight that the architecture needs must be there with its shape, and nothing
// else may be.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Architecture.h"
#include "nibble/Import/ParameterStore.h"

#include <map>

namespace nibble {

/// A tensor under its container's name.
struct ContainerTensor {
  std::string file;           // for messages
  std::vector<int64_t> shape; // row-major, [N, K] or [N]
  std::string type;           // the container's spelling of how it is stored
  std::span<const std::byte> bytes;
  bool mapped = false;
};

enum class Container : uint8_t { HuggingFace, GGUF };

/// Tensors by name; an ordered map, so that messages do not depend on chance.
using ContainerTensors = std::map<std::string, ContainerTensor, std::less<>>;

/// Takes the weights of `config` out of `tensors`. What is left over, and is not harmless (inverse
/// frequencies that old checkpoints store), is an error. `checkpoint` begins messages that no single file
/// explains; `owner` keeps the mappings.
Result<ParameterStore> bindWeights(const ModelConfig &config, ContainerTensors tensors, Container container,
                                   const std::string &checkpoint, std::shared_ptr<const void> owner);

/// "[2048, 128]".
std::string shapeText(const std::vector<int64_t> &shape);

} // namespace nibble
