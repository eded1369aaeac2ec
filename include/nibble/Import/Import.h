//===- Import.h - Opening a checkpoint ----------------------------------------------*- C++ -*-===//
//
// The one entry for everything that comes in: a Hugging Face folder or a GGUF file. Needs neither LLVM nor
// MLIR; ModelBuilder.h makes IR of what it gives.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Architecture.h"
#include "nibble/Import/GGUFFile.h"
#include "nibble/Import/ModelConfig.h"
#include "nibble/Import/ParameterStore.h"

namespace nibble {

struct Checkpoint {
  std::string path; // as it was given
  ModelConfig config;
  ParameterStore parameters;
  /// JSON text of the artifact's "templates" segment: {"templates": {"default": source, …}, "bos_token", …}.
  std::string templates;
  /// Where the tokenizer is: files of this folder, or the metadata of this file. One of the two is set.
  std::string tokenizerFolder;
  std::shared_ptr<const GGUFFile> gguf;
  /// What a person should know about how the checkpoint was read; one sentence each.
  std::vector<std::string> notes;
};

/// Reads and checks everything but the weights' values. A folder, a .gguf file, or the first file of a split
/// GGUF model. Errors name the file and the key or weight.
Result<Checkpoint> openCheckpoint(const std::string &path);

} // namespace nibble
