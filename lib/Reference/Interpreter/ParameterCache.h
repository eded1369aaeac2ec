//===- ParameterCache.h - Weights that were read once -------------------------------*- C++ -*-===//
#pragma once

#include "nibble/Reference/Parameters.h"
#include "nibble/Reference/Value.h"

#include "dialects/LLM/LLM.h"

namespace nibble::reference {

/// What the op asks for.
ParameterRequest requestOf(llm::ParamOp op);

/// Format of an attribute.
Format formatOf(lowbit::FormatAttr format);

class ParameterCache {
public:
  ParameterCache(ParameterSource source, uint64_t limit) : source(std::move(source)), limit(limit) {}

  Result<Weight> load(llm::ParamOp op);

private:
  ParameterSource source;
  uint64_t limit, used = 0;                     // bytes
  llvm::DenseMap<mlir::Attribute, Weight> kept; // by the op's attributes: name, source and recipe
};

} // namespace nibble::reference
