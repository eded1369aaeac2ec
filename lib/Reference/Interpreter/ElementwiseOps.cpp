//===- ElementwiseOps.cpp - arith and math, on tensors and in epilogues -----------------------===//
#include "Evaluator.h"

#include "llvm/ADT/StringMap.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

using OptionalValues = std::optional<Result<std::vector<RuntimeValue>>>;

/// NaN if either is, as arith.maximumf and minimumf have it.
static double maximum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : std::max(a, b);
}
static double minimum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : std::min(a, b);
}

static double (*unaryFunction(StringRef name))(double) {
  static const llvm::StringMap<double (*)(double)> functions = {
      {"arith.negf", [](double x) { return -x; }},
      {"math.absf", [](double x) { return std::abs(x); }},
      {"math.cos", [](double x) { return std::cos(x); }},
      {"math.erf", [](double x) { return std::erf(x); }},
      {"math.exp", [](double x) { return std::exp(x); }},
      {"math.exp2", [](double x) { return std::exp2(x); }},
      {"math.log", [](double x) { return std::log(x); }},
      {"math.rsqrt", [](double x) { return 1 / std::sqrt(x); }},
      {"math.sin", [](double x) { return std::sin(x); }},
      {"math.sqrt", [](double x) { return std::sqrt(x); }},
      {"math.tanh", [](double x) { return std::tanh(x); }},
  };
  auto found = functions.find(name);
  return found == functions.end() ? nullptr : found->second;
}

static double (*binaryFunction(StringRef name))(double, double) {
  static const llvm::StringMap<double (*)(double, double)> functions = {
      {"arith.addf", [](double a, double b) { return a + b; }},
      {"arith.divf", [](double a, double b) { return a / b; }},
      {"arith.maximumf", maximum},
      {"arith.maxnumf", [](double a, double b) { return std::fmax(a, b); }},
      {"arith.minimumf", minimum},
      {"arith.minnumf", [](double a, double b) { return std::fmin(a, b); }},
      {"arith.mulf", [](double a, double b) { return a * b; }},
      {"arith.subf", [](double a, double b) { return a - b; }},
  };
  auto found = functions.find(name);
  return found == functions.end() ? nullptr : found->second;
}

/// A scalar constant of an epilogue is one element beside a matrix of them.
static bool isScalar(Value value, const Matrix &matrix) {
  return value.getType().isF32() && matrix.data.size() == 1;
}

OptionalValues Evaluator::evaluateElementwise(Operation *op) {
  StringRef name = op->getName().getStringRef();
  auto evaluate = [&]() -> Result<Values> {
    NIBBLE_TRY(Matrix a, matrix(op->getOperand(0)));
    if (auto unary = unaryFunction(name)) {
      for (double &value : a.data)
        value = unary(value);
      return Values{std::move(a)};
    }
    NIBBLE_TRY(Matrix b, matrix(op->getOperand(1)));
    bool scalarA = isScalar(op->getOperand(0), a), scalarB = isScalar(op->getOperand(1), b);
    if (!scalarA && !scalarB)
      NIBBLE_CHECK(sameRows(op, a.rows, b.rows));
    Matrix result = scalarA ? b : a;
    for (size_t i = 0; i < result.data.size(); ++i)
      result.data[i] = binaryFunction(name)(a.data[scalarA ? 0 : i], b.data[scalarB ? 0 : i]);
    return Values{std::move(result)};
  };
  if (unaryFunction(name) || binaryFunction(name))
    return evaluate();
  return std::nullopt;
}
