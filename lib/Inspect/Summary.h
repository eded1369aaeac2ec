//===- Summary.h - What an artifact or a checkpoint is ------------------------------*- C++ -*-===//
//
// Each is described once, as JSON; tables are printed from that description.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Import.h"
#include "nibble/runtime/Artifact.h"

#include "llvm/Support/raw_ostream.h"

#include <variant>

namespace nibble {

using Input = std::variant<Artifact, Checkpoint>;

/// A folder or a GGUF file is a checkpoint, any other file an artifact.
Result<Input> openInput(const std::string &path);
Result<Artifact> openArtifact(const std::string &path, const char *purpose);

/// All that the tables say, and more.
nlohmann::ordered_json describe(const Artifact &artifact);
nlohmann::ordered_json describe(const Checkpoint &checkpoint);
nlohmann::ordered_json describe(const Input &input);

/// The tables of what `describe` gave.
void printSummary(llvm::raw_ostream &stream, const nlohmann::ordered_json &description, bool everyLayer);
void printArtifact(llvm::raw_ostream &stream, const nlohmann::ordered_json &description, bool everyLayer);
void printCheckpoint(llvm::raw_ostream &stream, const nlohmann::ordered_json &description, bool everyLayer);

} // namespace nibble
