//===- GGUFModel.h - A GGUF file as a checkpoint ------------------------------------*- C++ -*-===//
//
// Metadata to ModelConfig, tensors to weights under Hugging Face's names. The container itself is
// GGUFFile.h's.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Import.h"

#include <functional>

namespace nibble {

/// A tensor in any file of the model; null if none has it.
using GGUFTensorLookup = std::function<const GGUFTensor *(std::string_view name)>;

/// Optional weights (biases, a head of its own) are found by looking for their tensors.
Result<ModelConfig> readGGUFConfig(const GGUFFile &file, const GGUFTensorLookup &find);

/// Stop ids, the start token and the templates of tokenizer.* keys; the text of the "templates" segment.
Result<std::string> readGGUFTokenizerKeys(const GGUFFile &file, ModelConfig &config);

/// The checkpoint of an opened file; further files of a split model are looked for beside it.
Result<Checkpoint> importGGUF(GGUFFile file);

/// One file, or the first of a split model: the others are looked for beside it.
Result<Checkpoint> openGGUF(const std::string &path);

} // namespace nibble
