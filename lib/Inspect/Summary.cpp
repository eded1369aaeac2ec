//===- Summary.cpp - Artifact or checkpoint ---------------------------------------------------===//
#include "lib/Inspect/Summary.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace nibble;
using Json = nlohmann::ordered_json;

/// Whether the file begins as a GGUF file does, or is named like a part of a checkpoint.
static bool isCheckpoint(const std::string &path) {
  if (llvm::sys::fs::is_directory(path))
    return true;
  llvm::StringRef name = path;
  if (name.ends_with(".gguf") || name.ends_with(".safetensors") || name.ends_with("config.json"))
    return true;
  auto file = MappedFile::open(path);
  return file && file->text().starts_with("GGUF");
}

Result<Input> nibble::openInput(const std::string &path) {
  if (isCheckpoint(path)) {
    NIBBLE_TRY(Checkpoint checkpoint, openCheckpoint(path));
    return Input(std::move(checkpoint));
  }
  NIBBLE_TRY(Artifact artifact, Artifact::open(path));
  return Input(std::move(artifact));
}

Result<Artifact> nibble::openArtifact(const std::string &path, const char *purpose) {
  if (isCheckpoint(path))
    return failure(path + ": is a checkpoint, and " + purpose +
                   " needs an artifact; compile it with nibble-compile");
  return Artifact::open(path);
}

Json nibble::describe(const Input &input) {
  return std::visit([](const auto &opened) { return describe(opened); }, input);
}

void nibble::printSummary(llvm::raw_ostream &stream, const Json &description, bool everyLayer) {
  if (description["kind"] == "artifact")
    printArtifact(stream, description, everyLayer);
  else
    printCheckpoint(stream, description, everyLayer);
}
