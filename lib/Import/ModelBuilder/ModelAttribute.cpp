//===- ModelAttribute.cpp - What the manifest says about the model ----------------------------===//

#include "nibble/Import/ModelBuilder.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace nibble;

static DictionaryAttr generationAttribute(Builder &builder, const GenerationSettings &generation) {
  NamedAttrList entries;
  auto add = [&](StringRef key, const auto &value, auto &&convert) {
    if (value)
      entries.append(key, convert(*value));
  };
  auto real = [&](double value) { return builder.getF64FloatAttr(value); };
  auto integer = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
  auto truth = [&](bool value) { return builder.getBoolAttr(value); };
  add("temperature", generation.temperature, real);
  add("top_k", generation.topK, integer);
  add("top_p", generation.topP, real);
  add("min_p", generation.minP, real);
  add("repetition_penalty", generation.repetitionPenalty, real);
  add("do_sample", generation.sample, truth);
  return entries.getDictionary(builder.getContext());
}

DictionaryAttr nibble::modelAttribute(MLIRContext &context, const Checkpoint &checkpoint) {
  Builder builder(&context);
  const ModelConfig &config = checkpoint.config;
  int64_t count = 0;
  for (const StoredTensor &tensor : checkpoint.parameters.tensors())
    count += tensor.rows() * tensor.columns();
  NamedAttrList entries;
  auto integer = [&](StringRef key, int64_t value) { entries.append(key, builder.getI64IntegerAttr(value)); };
  entries.append("architecture", builder.getStringAttr(config.architecture->name));
  entries.append("name", builder.getStringAttr(config.name));
  integer("layers", config.layers);
  integer("hidden", config.hidden);
  integer("intermediate", config.intermediate);
  integer("heads", config.heads);
  integer("kv_heads", config.kvHeads);
  integer("head_dim", config.headDim);
  integer("vocabulary", config.vocabulary);
  integer("context", config.context);
  integer("parameters", count);
  if (config.bosToken)
    integer("bos_token_id", *config.bosToken);
  entries.append("eos_token_ids", builder.getI64ArrayAttr(config.stopTokens));
  entries.append("generation", generationAttribute(builder, config.generation));
  return entries.getDictionary(&context);
}
