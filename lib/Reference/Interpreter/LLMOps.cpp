//===- LLMOps.cpp - Ops of llm: operands, checks, and the call of the kernel ------------------===//
#include "Evaluator.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

using OptionalValues = std::optional<Result<std::vector<RuntimeValue>>>;

OptionalValues Evaluator::evaluateLLM(Operation *op) {
  return llvm::TypeSwitch<Operation *, OptionalValues>(op)
      .Case([&](llm::EmbedOp op) { return embed(op); })
      .Case([&](llm::RMSNormOp op) { return rmsNorm(op); })
      .Case([&](llm::LayerNormOp op) { return layerNorm(op); })
      .Case([&](llm::LinearOp op) { return linear(op); })
      .Case([&](llm::LogitsOp op) { return logits(op); })
      .Case([&](llm::RopeOp op) { return rope(op); })
      .Case([&](llm::AnglesOp op) { return angles(op); })
      .Case([&](llm::RotateOp op) { return rotate(op); })
      .Case([&](llm::AttentionOp op) { return attention(op); })
      .Case([&](llm::GLUOp op) { return glu(op); })
      .Case([&](llm::MoEOp op) { return moe(op); })
      .Case([&](llm::LoRAOp op) { return lora(op); })
      .Default([](Operation *) { return std::nullopt; });
}

static Activation activationOf(llm::Activation activation) {
  switch (activation) {
  case llm::Activation::Silu:
    return Activation::Silu;
  case llm::Activation::Gelu:
    return Activation::Gelu;
  case llm::Activation::GeluTanh:
    return Activation::GeluTanh;
  }
  llvm_unreachable("all activations are known");
}

/// An error unless all indices are in 0 .. count - 1.
static Result<void> checkRange(const Indices &indices, int64_t count, const std::string &what) {
  for (size_t i = 0; i < indices.size(); ++i)
    if (indices[i] < 0 || indices[i] >= count)
      return nibble::failure(what + " " + std::to_string(indices[i]) + " (number " + std::to_string(i) +
                             ") is outside 0 .. " + std::to_string(count - 1));
  return {};
}

Result<Evaluator::Values> Evaluator::embed(llm::EmbedOp op) {
  const Indices &ids = indices(op.getIds());
  double scale = op.getScale().convertToDouble();
  if (auto *table = std::get_if<Weight>(&get(op.getTable()))) {
    NIBBLE_CHECK(checkRange(ids, (*table)->rows, "token id"));
    return Values{reference::embed(ids, **table, scale)};
  }
  NIBBLE_TRY(Matrix table, matrix(op.getTable()));
  NIBBLE_CHECK(checkRange(ids, table.rows, "token id"));
  return Values{reference::embed(ids, table, scale)};
}

Result<Evaluator::Values> Evaluator::rmsNorm(llm::RMSNormOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  NIBBLE_TRY(std::vector<double> gain, vector(op.getGain()));
  return Values{reference::rmsNorm(x, gain, op.getEps().convertToDouble())};
}

Result<Evaluator::Values> Evaluator::layerNorm(llm::LayerNormOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  NIBBLE_TRY(std::vector<double> gain, vector(op.getGain()));
  NIBBLE_TRY(std::vector<double> bias, vector(op.getBias()));
  return Values{reference::layerNorm(x, gain, bias, op.getEps().convertToDouble())};
}

Result<Evaluator::Values> Evaluator::linear(llm::LinearOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  std::vector<double> bias;
  if (op.getBias()) {
    NIBBLE_TRY(bias, vector(op.getBias()));
  }
  NIBBLE_TRY(Matrix y, product(read(std::move(x), op.getActivations()), op.getWeight(), bias));
  return Values{std::move(y)};
}

Result<Evaluator::Values> Evaluator::logits(llm::LogitsOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  NIBBLE_CHECK(checkRange(indices(op.getRows()), x.rows, "row"));
  Matrix selected = selectRows(x, indices(op.getRows()));
  NIBBLE_TRY(Matrix y, product(read(std::move(selected), op.getActivations()), op.getWeight(), {}));
  return Values{std::move(y)};
}

Result<Evaluator::Values> Evaluator::rope(llm::RopeOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  const Indices &positions = indices(op.getPositions());
  NIBBLE_CHECK(sameRows(op, x.rows, static_cast<int64_t>(positions.size())));
  return Values{reference::rope(x, positions, static_cast<int64_t>(op.getHeadDim()),
                                op.getInverseFrequencies(), op.getAttentionFactor().convertToDouble())};
}

Result<Evaluator::Values> Evaluator::angles(llm::AnglesOp op) {
  return Values{reference::angles(indices(op.getPositions()), op.getInverseFrequencies(),
                                  op.getAttentionFactor().convertToDouble())};
}

Result<Evaluator::Values> Evaluator::rotate(llm::RotateOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  NIBBLE_TRY(Matrix angles, matrix(op.getAngles()));
  NIBBLE_CHECK(sameRows(op, x.rows, angles.rows));
  return Values{reference::rotate(x, angles, static_cast<int64_t>(op.getHeadDim()))};
}

Result<Evaluator::Values> Evaluator::attention(llm::AttentionOp op) {
  NIBBLE_TRY(Matrix q, matrix(op.getQuery()));
  NIBBLE_TRY(Matrix k, matrix(op.getKey()));
  NIBBLE_TRY(Matrix v, matrix(op.getValue()));
  NIBBLE_CHECK(sameRows(op, q.rows, k.rows));
  NIBBLE_CHECK(sameRows(op, q.rows, v.rows));
  llm::CacheType type = op.getCache().getType();
  AttentionShape shape;
  shape.heads = static_cast<int64_t>(op.getHeads());
  shape.kvHeads = type.getKvHeads();
  shape.headDim = type.getHeadDim();
  shape.scale = op.getScale().convertToDouble();
  if (op.getWindow())
    shape.window = static_cast<int64_t>(*op.getWindow());
  if (op.getSoftcap())
    shape.softcap = op.getSoftcap()->convertToDouble();
  if (op.getSinks()) {
    NIBBLE_TRY(shape.sinks, vector(op.getSinks()));
  }
  auto [cache, sequences, positions] = std::get<CacheReference>(get(op.getCache()));
  auto layer = static_cast<int64_t>(op.getLayer());
  NIBBLE_CHECK(sameRows(op, q.rows, static_cast<int64_t>(positions->size())));
  return Values{reference::attention(shape, q, k, v, *positions, *sequences, layer, *cache)};
}

Result<Evaluator::Values> Evaluator::glu(llm::GLUOp op) {
  NIBBLE_TRY(Matrix gate, matrix(op.getGate()));
  NIBBLE_TRY(Matrix up, matrix(op.getUp()));
  NIBBLE_CHECK(sameRows(op, gate.rows, up.rows));
  return Values{reference::glu(activationOf(op.getActivation()), gate, up)};
}

Result<Evaluator::Values> Evaluator::moe(llm::MoEOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  Experts experts;
  NIBBLE_TRY(experts.router, matrix(op.getRouter()));
  NIBBLE_TRY(experts.gate, matrix(op.getGate()));
  NIBBLE_TRY(experts.up, matrix(op.getUp()));
  NIBBLE_TRY(experts.down, matrix(op.getDown()));
  experts.perToken = static_cast<int64_t>(op.getExpertsPerToken());
  experts.normalize = op.getNormalize();
  return Values{mixtureOfExperts(activationOf(op.getActivation()), x, experts)};
}

Result<Evaluator::Values> Evaluator::lora(llm::LoRAOp op) {
  NIBBLE_TRY(Matrix x, matrix(op.getInput()));
  NIBBLE_TRY(Matrix base, matrix(op.getBase()));
  NIBBLE_TRY(Matrix a, matrix(op.getA()));
  NIBBLE_TRY(Matrix b, matrix(op.getB()));
  NIBBLE_CHECK(sameRows(op, x.rows, base.rows));
  return Values{reference::lora(x, base, a, b, op.getScale().convertToDouble())};
}
