//===- Evaluator.h - One run of one function ----------------------------------------*- C++ -*-===//
//
// Keeps a value for each SSA value that is still needed, and calls the reference function of each op.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "ParameterCache.h"
#include "nibble/Reference/Interpreter.h"
#include "nibble/Reference/Kernels.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace nibble::reference {

class Evaluator {
public:
  Evaluator(ParameterCache &parameters, const std::function<bool(mlir::Operation *)> &afterOp)
      : parameters(parameters), afterOp(afterOp) {}

  Result<std::vector<RuntimeValue>> call(mlir::func::FuncOp function, std::vector<RuntimeValue> arguments);

private:
  using Values = std::vector<RuntimeValue>;

  /// Results of an op that is no llm.param.
  Result<Values> evaluate(mlir::Operation *op);
  /// Any dialect's ops; nothing where the op is not one of these.
  std::optional<Result<Values>> evaluateLLM(mlir::Operation *op);
  std::optional<Result<Values>> evaluateLowbit(mlir::Operation *op);
  std::optional<Result<Values>> evaluateElementwise(mlir::Operation *op);

  Result<Values> callOp(mlir::func::CallOp op);
  Result<Values> constant(mlir::Operation *op);

  Result<Values> embed(llm::EmbedOp op);
  Result<Values> rmsNorm(llm::RMSNormOp op);
  Result<Values> layerNorm(llm::LayerNormOp op);
  Result<Values> linear(llm::LinearOp op);
  Result<Values> logits(llm::LogitsOp op);
  Result<Values> rope(llm::RopeOp op);
  Result<Values> angles(llm::AnglesOp op);
  Result<Values> rotate(llm::RotateOp op);
  Result<Values> attention(llm::AttentionOp op);
  Result<Values> glu(llm::GLUOp op);
  Result<Values> moe(llm::MoEOp op);
  Result<Values> lora(llm::LoRAOp op);

  Result<Values> quantize(lowbit::QuantizeOp op);
  Result<Values> quantizeRows(lowbit::QuantizeRowsOp op);
  Result<Values> linear(lowbit::LinearOp op);

  /// Runs the ops of a block whose arguments have values; the operands of its terminator.
  Result<Values> run(mlir::Block &block);
  /// Reads the weights that the op uses, where that was not done yet.
  Result<void> loadParameters(mlir::Operation *op);
  void define(mlir::Value value, RuntimeValue runtime);
  void releaseOperands(mlir::Operation *op);

  // Operands. A weight is decoded where a matrix is asked for.
  const RuntimeValue &get(mlir::Value value) { return values.find(value)->second.runtime; }
  Result<Matrix> matrix(mlir::Value value);
  /// The one row of a vector.
  Result<std::vector<double>> vector(mlir::Value value);
  const Indices &indices(mlir::Value value) { return std::get<Indices>(get(value)); }
  /// The product of rows and the transpose of a weight.
  Result<Matrix> product(const Matrix &x, mlir::Value weight, std::span<const double> bias);
  /// x, or what its int8 rows stand for.
  static Matrix read(Matrix x, std::optional<lowbit::ActivationKind> activations);
  /// An error unless the two have as many rows.
  static Result<void> sameRows(mlir::Operation *op, int64_t a, int64_t b);
  static tl::unexpected<Error> error(mlir::Operation *op, const std::string &message);

  struct Entry {
    RuntimeValue runtime;
    int64_t uses; // still to come
  };
  ParameterCache &parameters;
  const std::function<bool(mlir::Operation *)> &afterOp;
  llvm::DenseMap<mlir::Value, Entry> values;
  llvm::SmallPtrSet<mlir::Operation *, 8> active; // functions that are running
};

} // namespace nibble::reference
