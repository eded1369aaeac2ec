//===- LowbitOps.cpp - Ops of lowbit: operands, checks, and the call of the kernel ------------===//
#include "Evaluator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

using OptionalValues = std::optional<Result<std::vector<RuntimeValue>>>;

OptionalValues Evaluator::evaluateLowbit(Operation *op) {
  return llvm::TypeSwitch<Operation *, OptionalValues>(op)
      .Case([&](lowbit::QuantizeOp op) { return quantize(op); })
      // Neither changes a value: a weight is decoded where it is used, and has no layout here.
      .Case([&](lowbit::DequantizeOp op) { return Values{get(op.getInput())}; })
      .Case([&](lowbit::RepackOp op) { return Values{get(op.getInput())}; })
      .Case([&](lowbit::QuantizeRowsOp op) { return quantizeRows(op); })
      .Case([&](lowbit::LinearOp op) { return linear(op); })
      .Default([](Operation *) { return std::nullopt; });
}

Result<Evaluator::Values> Evaluator::quantize(lowbit::QuantizeOp op) {
  Format format = formatOf(op.getResult().getType().getFormat());
  NIBBLE_TRY(Matrix values, matrix(op.getInput()));
  if (format.isFloat())
    return error(op, "a float format has no codes");
  return Values{std::make_shared<const RowBlock>(reference::quantize(values, format))};
}

Result<Evaluator::Values> Evaluator::quantizeRows(lowbit::QuantizeRowsOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  if (op.getResidual()) {
    NIBBLE_TRY(Matrix residual, matrix(op.getResidual()));
    NIBBLE_CHECK(sameRows(op, x.rows, residual.rows));
    for (size_t i = 0; i < x.data.size(); ++i)
      x.data[i] += residual.data[i];
  }
  if (op.getSelected()) {
    for (int32_t row : indices(op.getSelected()))
      if (row < 0 || row >= x.rows)
        return error(op, "row " + std::to_string(row) + " is selected of " + std::to_string(x.rows));
    x = selectRows(x, indices(op.getSelected()));
  }
  Values results(op.getSum() ? 2 : 1);
  if (op.getSum())
    results[1] = x;
  if (op.getNorm()) {
    NIBBLE_TRY(std::vector<double> gain, vector(op.getNorm()));
    x = reference::rmsNorm(x, gain, op.getEps()->convertToDouble());
  }
  lowbit::RowsType rows = op.getResult().getType();
  if (rows.isInteger())
    results[0] = reference::quantizeRows(x, rows.getPlanes());
  else if (rows.getActivations() == lowbit::ActivationKind::BF16)
    results[0] = reference::roundRowsToBFloat16(std::move(x));
  else
    results[0] = std::move(x);
  return results;
}

/// A vector becomes a row of each of `rows` rows.
static Matrix broadcast(const Matrix &vector, int64_t rows) {
  Matrix all(rows, vector.columns);
  for (int64_t row = 0; row < rows; ++row)
    std::copy(vector.data.begin(), vector.data.end(), all.row(row).begin());
  return all;
}

Result<Evaluator::Values> Evaluator::linear(lowbit::LinearOp op) {
  auto *codes = std::get_if<QuantizedRows>(&get(op.getInput()));
  Matrix x;
  if (codes) {
    x = dequantize(*codes);
  } else {
    NIBBLE_TRY(x, matrix(op.getInput()));
  }
  Block &epilogue = op.getEpilogue().front();
  Values arguments;
  for (Value weight : op.getWeights()) {
    NIBBLE_TRY(Matrix y, product(x, weight, {}));
    arguments.push_back(std::move(y));
  }
  for (Value extra : op.getExtras()) {
    NIBBLE_TRY(Matrix rows, matrix(extra));
    if (cast<ShapedType>(extra.getType()).getRank() == 1)
      rows = broadcast(rows, x.rows);
    NIBBLE_CHECK(sameRows(op, x.rows, rows.rows));
    arguments.push_back(std::move(rows));
  }
  // The epilogue runs once, each f32 in it being the matrix of all its elements.
  for (auto [argument, value] : llvm::zip_equal(epilogue.getArguments(), arguments))
    define(argument, std::move(value));
  NIBBLE_TRY(Values results, run(epilogue));
  Matrix &y = std::get<Matrix>(results.front());
  int64_t channels = op.getResult().getType().getDimSize(1);
  if (y.rows != x.rows || y.columns != channels) { // a constant
    double value = y.data.front();
    y = Matrix(x.rows, channels, std::vector<double>(x.rows * channels, value));
  }
  return results;
}
