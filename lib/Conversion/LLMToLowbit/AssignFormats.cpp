//===- AssignFormats.cpp - A format for every weight of a linear ------------------------------===//
//
// 1. Collect the weights and how they are used. 2. Choose (nibble/Quantize/FormatChoice.h). 3. Write the
// choice into the recipes of the llm.params, and a lowbit.dequantize before each linear.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Conversion/LLMToLowbit/Passes.h"
#include "nibble/Conversion/Weights.h"
#include "nibble/Quantize/FormatAttribute.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_ASSIGNFORMATSPASS
#include "lib/Conversion/LLMToLowbit/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

struct AssignFormatsPass : nibble::impl::AssignFormatsPassBase<AssignFormatsPass> {
  using AssignFormatsPassBase::AssignFormatsPassBase;

  void runOnOperation() override {
    if (failed(choose()))
      return signalPassFailure();
    getOperation()->walk([&](Operation *op) {
      if (auto embed = dyn_cast<llm::EmbedOp>(op)) {
        if (Value table = packed(embed.getTable()))
          embed.getTableMutable().assign(table);
      } else if (auto linear = dyn_cast<llm::LinearOp>(op)) {
        assign(linear);
      } else if (auto logits = dyn_cast<llm::LogitsOp>(op)) {
        assign(logits);
      }
    });
    for (auto [param, replacement] : replacements)
      if (param->use_empty())
        param->erase();
  }

  LogicalResult choose();
  Value packed(Value weight);
  template <typename LinearOp> void assign(LinearOp op);

  PrecisionPlan chosen;
  llvm::MapVector<llm::ParamOp, Value> replacements;
};

} // namespace

LogicalResult AssignFormatsPass::choose() {
  replacements.clear();
  Location loc = getOperation()->getLoc();
  FormatOptions options{precision, head, embedding, activations, {}};
  auto weights = weightUses(getOperation());
  if (failed(weights))
    return failure();
  if (!plan.empty()) {
    std::vector<std::string> names;
    for (const WeightUse &weight : *weights)
      names.push_back(weight.name);
    auto file = readPlan(plan.getValue());
    if (!file)
      return emitError(loc, file.error().message);
    if (auto known = checkPlanTensors(*file, names, plan); !known)
      return emitError(loc, known.error().message);
    options.plan = *std::move(file);
  }
  auto result = chooseFormats(*weights, options);
  if (!result)
    return emitError(loc, result.error().message);
  chosen = *std::move(result);
  return success();
}

/// llm.param @w : tensor<NxKxf32> -> llm.param @w recipe [..., #lowbit.convert<F>] : !lowbit.packed<NxK, F>;
/// null where `weight` has a format already.
Value AssignFormatsPass::packed(Value weight) {
  auto param = weight.getDefiningOp<llm::ParamOp>();
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (!param || !type)
    return {};
  Value &replacement = replacements[param];
  if (replacement)
    return replacement;
  auto format = formatAttribute(&getContext(), chosen.tensors.find(param.getName())->second.format);
  OpBuilder builder(param);
  SmallVector<Attribute> recipe(param.getRecipe().getValue());
  if (format != param.getSource())
    recipe.push_back(lowbit::ConvertAttr::get(&getContext(), format));
  auto packedType = lowbit::PackedType::get(&getContext(), type.getDimSize(0), type.getDimSize(1), format,
                                            lowbit::LayoutKind::Rows);
  replacement = llm::ParamOp::create(builder, param.getLoc(), packedType, param.getNameAttr(),
                                     param.getSourceAttr(), builder.getArrayAttr(recipe));
  return replacement;
}

template <typename LinearOp> void AssignFormatsPass::assign(LinearOp op) {
  auto param = op.getWeight().template getDefiningOp<llm::ParamOp>();
  Value weight = packed(op.getWeight());
  if (!weight)
    return;
  OpBuilder builder(op);
  op.getWeightMutable().assign(
      lowbit::DequantizeOp::create(builder, op.getLoc(), op.getWeight().getType(), weight).getResult());
  op.setActivations(activationKind(chosen.tensors.find(param.getName())->second.activations));
}
