//===- Model.h - What nibble-reference was given to run -----------------------------*- C++ -*-===//
//
// An artifact (its IR segment and its weights), a module with a checkpoint for its weights, or a checkpoint
// alone, of which the module of the import phase is made.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Reference/Interpreter.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace nibble {
class Artifact;
struct Checkpoint;
} // namespace nibble

namespace nibble::reference {

class Model {
public:
  /// `input`: the file of an artifact or of a module (`-`: standard input), or a checkpoint. `checkpoint` may
  /// be empty; its weights come before those of the artifact.
  static Result<Model> open(const std::string &input, const std::string &checkpoint,
                            InterpreterOptions options);

  Model(Model &&) noexcept;
  ~Model();

  Interpreter &interpreter() { return *walker; }
  /// Ids that end generation; empty where only a module is known.
  const std::vector<int32_t> &stopTokens() const { return stops; }

private:
  Model();
  Result<void> readModule(const std::string &input);

  // In the order in which one may need the one before it.
  std::unique_ptr<Artifact> artifact;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<Interpreter> walker;
  std::vector<int32_t> stops;
};

} // namespace nibble::reference
