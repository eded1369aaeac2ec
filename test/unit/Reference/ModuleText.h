//===- ModuleText.h - Modules from text, for tests ----------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Pipelines/Registration.h"
#include "nibble/Reference/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

struct ModuleText {
  mlir::MLIRContext context{[] {
    mlir::DialectRegistry registry;
    nibble::registerAllDialects(registry);
    return registry;
  }()};
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit ModuleText(const std::string &text)
      : module(mlir::parseSourceString<mlir::ModuleOp>(text, &context)) {
    EXPECT_TRUE(module) << text;
  }

  /// Runs @f, which yields one matrix.
  nibble::Result<std::vector<nibble::reference::RuntimeValue>>
  call(std::vector<nibble::reference::RuntimeValue> arguments,
       const nibble::reference::ParameterSource &parameters = {}) {
    return nibble::reference::call(module->lookupSymbol<mlir::func::FuncOp>("f"), std::move(arguments),
                                   parameters);
  }
};

/// The matrix that @f yields.
inline std::vector<double> run(const std::string &text,
                               std::vector<nibble::reference::RuntimeValue> arguments,
                               const nibble::reference::ParameterSource &parameters = {}) {
  ModuleText module(text);
  auto results = module.call(std::move(arguments), parameters);
  EXPECT_TRUE(results) << results.error().message;
  return results ? std::get<nibble::reference::Matrix>(results->front()).data : std::vector<double>();
}
