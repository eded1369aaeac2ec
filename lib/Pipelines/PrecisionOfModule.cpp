//===- PrecisionOfModule.cpp - The precision plan that a module has ---------------------------===//
//
// Read back from the IR, so that a plan written out, and the manifest, say what the module does and not what
// was asked.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Pipelines/PrecisionOfModule.h"

#include "dialects/LLM/LLM.h"
#include "dialects/RT/RT.h"
#include "nibble/Quantize/FormatAttribute.h"

using namespace mlir;
using namespace nibble;

namespace {

class PlanReader {
public:
  PrecisionPlan plan;

  /// A weight and the precision of what it multiplies.
  void add(Value weight, lowbit::ActivationKind activations) {
    auto type = dyn_cast<lowbit::PackedType>(weight.getType());
    if (!type)
      return;
    StringRef name;
    if (auto param = weight.getDefiningOp<llm::ParamOp>())
      name = param.getName();
    else if (auto stored = weight.getDefiningOp<rt::WeightOp>())
      name = stored.getName();
    else
      return; // a kernel's argument
    TensorPrecision precision{plainFormat(type.getFormat()), plainActivations(activations)};
    auto [entry, isNew] = plan.tensors.try_emplace(name.str(), precision);
    if (!isNew && activations != lowbit::ActivationKind::F32)
      entry->second = precision; // a table that is embedding and head
  }

  /// The same of llm.linear or llm.logits.
  template <typename LinearOp> void addDequantized(LinearOp op) {
    if (auto dequantize = op.getWeight().template getDefiningOp<lowbit::DequantizeOp>())
      add(dequantize.getInput(), op.getActivations().value_or(lowbit::ActivationKind::F32));
  }

  void read(Operation *op) {
    if (auto linear = dyn_cast<llm::LinearOp>(op)) {
      addDequantized(linear);
    } else if (auto logits = dyn_cast<llm::LogitsOp>(op)) {
      addDequantized(logits);
    } else if (auto embed = dyn_cast<llm::EmbedOp>(op)) {
      add(embed.getTable(), lowbit::ActivationKind::F32);
    } else if (auto linear = dyn_cast<lowbit::LinearOp>(op)) {
      for (Value weight : linear.getWeights())
        add(weight, linear.getInput().getType().getActivations());
    } else if (auto dispatch = dyn_cast<rt::DispatchOp>(op)) {
      auto activations = lowbit::ActivationKind::F32;
      for (Value input : dispatch.getInputs())
        if (auto rows = dyn_cast<lowbit::RowsType>(input.getType()))
          activations = rows.getActivations();
      for (Value input : dispatch.getInputs())
        add(input, activations);
    }
  }
};

} // namespace

PrecisionPlan nibble::precisionOfModule(Operation *module) {
  PlanReader reader;
  module->walk([&](Operation *op) { reader.read(op); });
  return std::move(reader.plan);
}
