//===- HuggingFace.h - The parts of a Hugging Face checkpoint -----------------------*- C++ -*-===//
//
// Each file of the folder has its reader here; openCheckpoint (Import.h) puts them together.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "../CheckpointFolder.h"
#include "nibble/Import/Import.h"

#include <nlohmann/json.hpp>

namespace nibble {

/// config.json, as transformers 4 and 5 write it. Weights decide later whether the head is tied by alias.
Result<ModelConfig> readConfig(const nlohmann::json &config, const std::string &file);

/// rope_theta and rope_scaling, or rope_parameters.
Result<RotaryConfig> readRotary(const nlohmann::json &config, int64_t context, const std::string &file);

/// Adds the stop ids of generation_config.json to `config`, and its sampling defaults.
Result<void> readGenerationConfig(const nlohmann::json &json, const std::string &file, ModelConfig &config);

/// The JSON text of the artifact's "templates" segment (ArtifactFormat.h).
Result<std::string> readTemplates(const CheckpointFolder &folder);

/// model.safetensors, or the shards that model.safetensors.index.json names. May settle config.tiedHead; what
/// is worth saying goes to `notes`.
Result<ParameterStore> readWeights(const CheckpointFolder &folder, ModelConfig &config,
                                   std::vector<std::string> &notes);

/// The whole checkpoint.
Result<Checkpoint> openHuggingFace(const std::string &path);

} // namespace nibble
