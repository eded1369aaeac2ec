//===- Work.cpp - How long an op will take ----------------------------------------------------===//
#include "Work.h"

#include "dialects/LLM/LLM.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

/// Elements of a weight, whatever its type.
static double elements(Value weight) {
  if (auto packed = dyn_cast<lowbit::PackedType>(weight.getType()))
    return static_cast<double>(packed.getRows()) * static_cast<double>(packed.getColumns());
  return static_cast<double>(cast<ShapedType>(weight.getType()).getNumElements());
}

static double attentionWork(llm::AttentionOp op, const Batch &batch) {
  double seen = 0;
  for (int32_t position : batch.positions) {
    double count = static_cast<double>(position) + 1;
    seen += op.getWindow() ? std::min(count, static_cast<double>(*op.getWindow())) : count;
  }
  // Scores, and the sum of values.
  return 2 * seen * static_cast<double>(op.getQuery().getType().getDimSize(1));
}

double nibble::reference::multiplicationsOf(Operation *op, const Batch &batch) {
  auto tokens = static_cast<double>(batch.tokenIds.size());
  auto logits = static_cast<double>(batch.logitsRows.size());
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([&](llm::LinearOp op) { return tokens * elements(op.getWeight()); })
      .Case([&](llm::LogitsOp op) { return logits * elements(op.getWeight()); })
      .Case([&](llm::MoEOp op) {
        double expert = elements(op.getGate()) + elements(op.getUp()) + elements(op.getDown());
        double chosen = static_cast<double>(op.getExpertsPerToken()) /
                        static_cast<double>(op.getRouter().getType().getDimSize(0));
        return tokens * (elements(op.getRouter()) + chosen * expert);
      })
      .Case([&](llm::AttentionOp op) { return attentionWork(op, batch); })
      .Case([&](lowbit::LinearOp op) {
        bool isHead = op.getInput().getType().getCount() == lowbit::RowCount::Logits;
        double sum = 0;
        for (Value weight : op.getWeights())
          sum += elements(weight);
        return (isHead ? logits : tokens) * sum;
      })
      .Default([](Operation *) { return 0.0; });
}
