//===- Weights.cpp - The weights of a module that can have a format ---------------------------===//
#include "nibble/Conversion/Weights.h"

#include "dialects/LLM/LLM.h"
#include "nibble/Quantize/FormatAttribute.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace nibble;

FailureOr<std::vector<WeightUse>> nibble::weightUses(Operation *module) {
  std::vector<WeightUse> weights;
  llvm::StringMap<size_t> index;
  auto add = [&](Operation *op, Value weight, bool WeightUse::*role) -> WalkResult {
    if (auto dequantize = weight.getDefiningOp<lowbit::DequantizeOp>())
      weight = dequantize.getInput();
    auto param = weight.getDefiningOp<llm::ParamOp>();
    if (!param)
      return op->emitOpError() << "has a weight that is no llm.param";
    auto [entry, isNew] = index.try_emplace(param.getName(), weights.size());
    if (isNew)
      weights.push_back({param.getName().str(), plainFormat(param.getSource())});
    weights[entry->second].*role = true;
    return WalkResult::advance();
  };
  WalkResult result = module->walk([&](Operation *op) -> WalkResult {
    if (auto linear = dyn_cast<llm::LinearOp>(op))
      return add(op, linear.getWeight(), &WeightUse::linear);
    if (auto logits = dyn_cast<llm::LogitsOp>(op))
      return add(op, logits.getWeight(), &WeightUse::head);
    if (auto embed = dyn_cast<llm::EmbedOp>(op))
      return add(op, embed.getTable(), &WeightUse::embedding);
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return mlir::failure();
  return weights;
}
