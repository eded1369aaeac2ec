//===- Checkpoint.cpp - What kind of checkpoint a path is -------------------------------------===//

#include "GGUF/GGUFModel.h"
#include "HuggingFace/HuggingFace.h"

#include <filesystem>

using namespace nibble;
namespace fs = std::filesystem;

Result<Checkpoint> nibble::openCheckpoint(const std::string &path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    return openHuggingFace(path);
  if (!fs::exists(path, error))
    return failure(path +
                   ": there is no such file or folder; expected the folder of a Hugging Face checkpoint "
                   "or a .gguf file");
  std::string name = fs::path(path).filename().string();
  if (name.ends_with(".safetensors") || name == "config.json")
    return failure(path + ": is one file of a Hugging Face checkpoint; give its folder");
  return openGGUF(path);
}
