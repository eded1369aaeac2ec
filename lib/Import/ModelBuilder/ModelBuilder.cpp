//===- ModelBuilder.cpp - From a checkpoint to the IR of the import phase ---------------------===//
//
// A decoder, top to bottom: embedding; for each layer norm, attention, residual, norm, gated feed-forward,
// residual; norm and head. Families differ in what ModelConfig switches on, not in their build.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/ModelBuilder.h"

#include "dialects/LLM/LLM.h"
#include "nibble/Quantize/FormatAttribute.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace nibble;

namespace {

class ModelBuilder {
public:
  ModelBuilder(MLIRContext &context, const Checkpoint &checkpoint)
      : builder(&context), config(checkpoint.config), parameters(checkpoint.parameters),
        rotary(rotaryTable(config.rotary, config.headDim)), location(builder.getUnknownLoc()) {}

  void build(ModuleOp module) {
    func::FuncOp step = declareStep(module);
    Value table = parameter(kEmbeddingName);
    at("embedding");
    Value hidden = llm::EmbedOp::create(builder, location, rowsOf(config.hidden), ids, table,
                                        builder.getF32FloatAttr(1.0f));
    for (layer = 0; layer < config.layers; ++layer) {
      prefix = "model.layers." + std::to_string(layer) + ".";
      Value attended = attention(norm(hidden, "input_layernorm"));
      hidden = residual(hidden, attended);
      Value fed = feedForward(norm(hidden, "post_attention_layernorm"));
      hidden = residual(hidden, fed);
    }
    prefix = "model.";
    hidden = norm(hidden, "norm");
    Value head = config.tiedHead ? table : parameter(kHeadName);
    at("lm_head");
    Value logits = llm::LogitsOp::create(builder, location, rowsOf(config.vocabulary), hidden, rows, head,
                                         lowbit::ActivationKindAttr());
    func::ReturnOp::create(builder, step.getLoc(), logits);
  }

private:
  func::FuncOp declareStep(ModuleOp module) {
    MLIRContext *context = builder.getContext();
    Type indices = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
    Type cacheType = llm::CacheType::get(context, config.layers, config.kvHeads, config.headDim);
    auto type = builder.getFunctionType({indices, indices, indices, cacheType}, rowsOf(config.vocabulary));
    builder.setInsertionPointToEnd(module.getBody());
    auto step = func::FuncOp::create(builder, location, "step", type);
    Block *body = step.addEntryBlock();
    ids = body->getArgument(0);
    positions = body->getArgument(1);
    rows = body->getArgument(2);
    cache = body->getArgument(3);
    builder.setInsertionPointToStart(body);
    return step;
  }

  /// Names the location of what is built next, for diagnostics.
  void at(StringRef place) { location = NameLoc::get(builder.getStringAttr(place)); }

  /// [T or R, columns] f32.
  RankedTensorType rowsOf(int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
  }

  /// The weight of that name; what happens to it before its first use stands in its recipe.
  Value parameter(const std::string &name) {
    const StoredTensor &tensor = *parameters.find(name); // openCheckpoint has checked that it is there
    SmallVector<Attribute> recipe;
    if (tensor.interleavedHeads != 0)
      recipe.push_back(lowbit::UnpermuteRowsAttr::get(builder.getContext(), tensor.interleavedHeads));
    at(name);
    return llm::ParamOp::create(builder, location, RankedTensorType::get(tensor.shape, builder.getF32Type()),
                                FlatSymbolRefAttr::get(builder.getContext(), name),
                                formatAttribute(builder.getContext(), tensor.format()),
                                builder.getArrayAttr(recipe));
  }

  /// The linear of that name below the current prefix.
  Value linear(Value input, const std::string &name, bool hasBias) {
    Value weight = parameter(prefix + name + ".weight");
    Value bias = hasBias ? parameter(prefix + name + ".bias") : Value();
    at(prefix + name);
    int64_t channels = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    return llm::LinearOp::create(builder, location, rowsOf(channels), input, weight, bias,
                                 lowbit::ActivationKindAttr());
  }

  /// Over the row, or over each head where the gain is as long as a head.
  Value norm(Value input, const std::string &name) {
    Value gain = parameter(prefix + name + ".weight");
    at(prefix + name);
    return llm::RMSNormOp::create(builder, location, input.getType(), input, gain,
                                  builder.getF32FloatAttr(float(config.normEpsilon)));
  }

  Value rope(Value input) {
    return llm::RopeOp::create(builder, location, input.getType(), input, positions,
                               builder.getI64IntegerAttr(config.headDim),
                               builder.getDenseF32ArrayAttr(rotary.inverseFrequencies),
                               builder.getF32FloatAttr(float(rotary.attentionFactor)));
  }

  Value attention(Value input) {
    Value query = linear(input, "self_attn.q_proj", config.queryKeyValueBias);
    Value key = linear(input, "self_attn.k_proj", config.queryKeyValueBias);
    Value value = linear(input, "self_attn.v_proj", config.queryKeyValueBias);
    if (config.queryKeyNorm) {
      query = norm(query, "self_attn.q_norm");
      key = norm(key, "self_attn.k_norm");
    }
    at(prefix + "self_attn");
    query = rope(query);
    key = rope(key);
    int64_t window = config.windows[layer];
    Value attended = llm::AttentionOp::create(
        builder, location, query.getType(), query, key, value, cache, /*sinks=*/Value(),
        builder.getI64IntegerAttr(layer), builder.getI64IntegerAttr(config.heads),
        builder.getF32FloatAttr(float(1 / std::sqrt(double(config.headDim)))),
        window != 0 ? builder.getI64IntegerAttr(window) : IntegerAttr(), /*softcap=*/FloatAttr());
    return linear(attended, "self_attn.o_proj", config.outputBias);
  }

  Value feedForward(Value input) {
    Value gate = linear(input, "mlp.gate_proj", config.feedForwardBias);
    Value up = linear(input, "mlp.up_proj", config.feedForwardBias);
    at(prefix + "mlp");
    Value gated = llm::GLUOp::create(builder, location, gate.getType(), llm::Activation::Silu, gate, up);
    return linear(gated, "mlp.down_proj", config.feedForwardBias);
  }

  Value residual(Value stream, Value added) {
    return arith::AddFOp::create(builder, location, stream, added);
  }

  OpBuilder builder;
  const ModelConfig &config;
  const ParameterStore &parameters;
  const RotaryTable rotary;
  Location location;
  Value ids, positions, rows, cache;
  int64_t layer = 0;
  std::string prefix; // of the current layer's weights
};

} // namespace

OwningOpRef<ModuleOp> nibble::buildModel(MLIRContext &context, const Checkpoint &checkpoint) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, llm::LLMDialect, lowbit::LowbitDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  (*module)->setAttr(kModelAttribute, modelAttribute(context, checkpoint));
  ModelBuilder(context, checkpoint).build(*module);
  return module;
}
