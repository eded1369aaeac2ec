//===- HuggingFace.cpp - A Hugging Face checkpoint, put together ------------------------------===//

#include "HuggingFace.h"

#include "../JsonObject.h"

using namespace nibble;

Result<Checkpoint> nibble::openHuggingFace(const std::string &path) {
  NIBBLE_TRY(auto folder, CheckpointFolder::open(path));
  if (!folder.has("config.json"))
    return failure(path +
                   ": has no config.json; expected the folder of a Hugging Face checkpoint or a .gguf file");
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.tokenizerFolder = path;
  NIBBLE_TRY(auto configPath, folder.file("config.json"));
  NIBBLE_TRY(auto document, readJsonFile(configPath, kConfigLimits));
  NIBBLE_TRY(checkpoint.config, readConfig(document, configPath));
  if (folder.has("generation_config.json")) {
    NIBBLE_TRY(auto generationPath, folder.file("generation_config.json"));
    NIBBLE_TRY(auto generation, readJsonFile(generationPath, kConfigLimits));
    NIBBLE_CHECK(readGenerationConfig(generation, generationPath, checkpoint.config));
  }
  NIBBLE_TRY(checkpoint.templates, readTemplates(folder));
  NIBBLE_TRY(checkpoint.parameters, readWeights(folder, checkpoint.config, checkpoint.notes));
  return checkpoint;
}
