//===- Evaluator.cpp - Functions, calls and values --------------------------------------------===//
#include "Evaluator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

tl::unexpected<Error> Evaluator::error(Operation *op, const std::string &message) {
  return nibble::failure("'" + op->getName().getStringRef().str() + "': " + message);
}

Result<void> Evaluator::sameRows(Operation *op, int64_t a, int64_t b) {
  if (a != b)
    return error(op, "operands have " + std::to_string(a) + " and " + std::to_string(b) + " rows");
  return {};
}

void Evaluator::define(Value value, RuntimeValue runtime) {
  if (!value.use_empty())
    values[value] = {std::move(runtime), std::distance(value.use_begin(), value.use_end())};
}

void Evaluator::releaseOperands(Operation *op) {
  for (Value operand : op->getOperands())
    if (auto entry = values.find(operand); entry != values.end() && --entry->second.uses == 0)
      values.erase(entry);
}

Result<void> Evaluator::loadParameters(Operation *op) {
  for (Value operand : op->getOperands())
    if (auto param = operand.getDefiningOp<llm::ParamOp>(); param && !values.contains(operand)) {
      NIBBLE_TRY(Weight weight, parameters.load(param));
      define(operand, std::move(weight));
    }
  return {};
}

Result<Matrix> Evaluator::matrix(Value value) {
  if (auto *weight = std::get_if<Weight>(&get(value)))
    return dequantize(**weight);
  return std::get<Matrix>(get(value));
}

Result<std::vector<double>> Evaluator::vector(Value value) {
  NIBBLE_TRY(Matrix row, matrix(value));
  return std::move(row.data);
}

Result<Matrix> Evaluator::product(const Matrix &x, Value weight, std::span<const double> bias) {
  if (auto *packed = std::get_if<Weight>(&get(weight)))
    return reference::linear(x, **packed, bias);
  return reference::linear(x, std::get<Matrix>(get(weight)), bias);
}

Matrix Evaluator::read(Matrix x, std::optional<lowbit::ActivationKind> activations) {
  switch (activations.value_or(lowbit::ActivationKind::F32)) {
  case lowbit::ActivationKind::F32:
    return x;
  case lowbit::ActivationKind::Int8:
    return dequantize(reference::quantizeRows(x, 1));
  case lowbit::ActivationKind::Int16:
    return dequantize(reference::quantizeRows(x, 2));
  case lowbit::ActivationKind::BF16:
    return reference::roundRowsToBFloat16(std::move(x));
  }
  llvm_unreachable("all precisions of activations are known");
}

Result<Evaluator::Values> Evaluator::constant(Operation *op) {
  Attribute value = cast<arith::ConstantOp>(op).getValue();
  if (auto number = dyn_cast<FloatAttr>(value))
    return Values{Matrix(1, 1, {number.getValueAsDouble()})};
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (dense && isa<FloatType>(dense.getElementType())) {
    Matrix elements;
    for (APFloat element : dense.getValues<APFloat>()) {
      bool exact;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &exact);
      elements.data.push_back(element.convertToDouble());
    }
    ArrayRef<int64_t> shape = dense.getType().getShape();
    elements.columns = shape.empty() ? 1 : shape.back();
    elements.rows = elements.columns ? static_cast<int64_t>(elements.data.size()) / elements.columns : 0;
    return Values{std::move(elements)};
  }
  if (dense && dense.getElementType().isInteger(32))
    return Values{Indices(dense.value_begin<int32_t>(), dense.value_end<int32_t>())};
  return error(op, "the reference has constants of floats and of i32 only");
}

Result<Evaluator::Values> Evaluator::callOp(func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee)
    return error(op, "there is no function @" + op.getCallee().str());
  if (active.contains(callee))
    return error(op, "function @" + op.getCallee().str() + " calls itself");
  Values arguments;
  for (Value operand : op.getOperands())
    arguments.push_back(get(operand));
  return call(callee, std::move(arguments));
}

Result<Evaluator::Values> Evaluator::evaluate(Operation *op) {
  if (auto call = dyn_cast<func::CallOp>(op))
    return callOp(call);
  if (isa<arith::ConstantOp>(op))
    return constant(op);
  if (isa<tensor::CastOp>(op))
    return Values{get(op->getOperand(0))};
  if (auto results = evaluateLLM(op))
    return *results;
  if (auto results = evaluateLowbit(op))
    return *results;
  if (auto results = evaluateElementwise(op))
    return *results;
  return error(
      op, "the reference runs modules from import to fuse, which have no such op; stop the compiler earlier "
          "(--compile-to=fuse)");
}

Result<Evaluator::Values> Evaluator::run(Block &block) {
  for (Operation &op : block.without_terminator()) {
    // A weight is read when it is first needed, not where it is named.
    if (isa<llm::ParamOp>(op))
      continue;
    NIBBLE_CHECK(loadParameters(&op));
    NIBBLE_TRY(Values results, evaluate(&op));
    releaseOperands(&op);
    for (auto [value, runtime] : llvm::zip_equal(op.getResults(), results))
      define(value, std::move(runtime));
    if (afterOp && !afterOp(&op))
      return nibble::failure("interrupted");
  }
  NIBBLE_CHECK(loadParameters(block.getTerminator()));
  Values yielded;
  for (Value operand : block.getTerminator()->getOperands())
    yielded.push_back(get(operand));
  releaseOperands(block.getTerminator());
  return yielded;
}

Result<Evaluator::Values> Evaluator::call(func::FuncOp function, Values arguments) {
  if (!function.getBody().hasOneBlock())
    return nibble::failure("function @" + function.getName().str() + " has no body of a single block");
  for (auto [argument, runtime] : llvm::zip_equal(function.getArguments(), arguments))
    define(argument, std::move(runtime));
  active.insert(function);
  Result<Values> results = run(function.getBody().front());
  active.erase(function);
  return results;
}
