//===- Interpreter.h - Walks a module, slowly and exactly ---------------------------*- C++ -*-===//
//
// Runs `func.func @step` of any phase from import to fuse: each op is one call of a function in Kernels.h. It
// is the oracle of the artifact, whose IR segment holds such a module.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Reference/Cache.h"
#include "nibble/Reference/Parameters.h"
#include "nibble/Reference/Value.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace mlir::func {
class FuncOp;
} // namespace mlir::func

namespace nibble::reference {

/// One step's ragged batch: rows of a sequence lie together, in ascending position.
struct Batch {
  std::vector<int32_t> tokenIds;  // [T]
  std::vector<int32_t> positions; // [T]
  SequenceRows sequences;
  std::vector<int32_t> logitsRows; // [R]: rows of the batch
};

/// Sizes that the types of @step state.
struct ModelShape {
  int64_t vocabulary = 0;
  int64_t layers = 0, kvHeads = 0, headDim = 0;
};

struct InterpreterOptions {
  /// Weights are kept decoded from their source while they fit; the others are read again in each step.
  uint64_t weightCacheBytes = uint64_t(4) << 30;
  /// Hears the multiplications that were done since the last call; false ends the step.
  std::function<bool(double multiplications)> progress;
};

class Interpreter {
public:
  /// Refuses a module without a function @step of the signature that every phase keeps:
  ///   (tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, !llm.cache<...>) -> tensor<?xVxf32>
  static Result<Interpreter> create(mlir::ModuleOp module, ParameterSource parameters,
                                    InterpreterOptions options = {});
  Interpreter(Interpreter &&) noexcept;
  Interpreter &operator=(Interpreter &&) noexcept;
  ~Interpreter();

  const ModelShape &shape() const;

  /// Logits [R][vocabulary]. The cache gets the keys and values of the batch. Errors say which row of the
  /// batch, or which op, is wrong.
  Result<Matrix> step(const Batch &batch, KeyValueCache &cache);

  /// What step() will report to `progress` in all.
  double multiplications(const Batch &batch) const;

private:
  struct State;
  explicit Interpreter(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

/// Runs any function of a module, for tests of single ops.
Result<std::vector<RuntimeValue>> call(mlir::func::FuncOp function, std::vector<RuntimeValue> arguments,
                                       const ParameterSource &parameters = {});

} // namespace nibble::reference
