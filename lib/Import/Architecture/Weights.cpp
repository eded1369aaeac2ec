//===- Weights.cpp - Names and shapes of a model's weights ------------------------------------===//
//
// One table, a row a weight: its name in Hugging Face's checkpoints and in GGUF files ({} is the layer), its
// shape, and when a model has it.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/Architecture.h"

using namespace nibble;

namespace {

using Extent = int64_t (*)(const ModelConfig &);
using Condition = bool (*)(const ModelConfig &);

struct WeightRow {
  const char *name;
  const char *gguf;
  Extent rows;
  Extent columns;     // null: the weight is a vector
  Condition when;     // null: always
  Extent rotaryHeads; // null: its rows are in the same order in either container
};

} // namespace

static int64_t hidden(const ModelConfig &c) { return c.hidden; }
static int64_t intermediate(const ModelConfig &c) { return c.intermediate; }
static int64_t vocabulary(const ModelConfig &c) { return c.vocabulary; }
static int64_t queryRows(const ModelConfig &c) { return c.queryRows(); }
static int64_t keyRows(const ModelConfig &c) { return c.keyRows(); }
static int64_t headDim(const ModelConfig &c) { return c.headDim; }
static int64_t heads(const ModelConfig &c) { return c.heads; }
static int64_t kvHeads(const ModelConfig &c) { return c.kvHeads; }

static bool untiedHead(const ModelConfig &c) { return !c.tiedHead; }
static bool queryKeyValueBias(const ModelConfig &c) { return c.queryKeyValueBias; }
static bool outputBias(const ModelConfig &c) { return c.outputBias; }
static bool feedForwardBias(const ModelConfig &c) { return c.feedForwardBias; }
static bool queryKeyNorm(const ModelConfig &c) { return c.queryKeyNorm; }

// clang-format off
static constexpr WeightRow beforeLayers[] = {
    {kEmbeddingName, "token_embd.weight", vocabulary, hidden, nullptr, nullptr},
};

static constexpr WeightRow ofLayer[] = {
    {"model.layers.{}.input_layernorm.weight",          "blk.{}.attn_norm.weight",   hidden,       nullptr,      nullptr,           nullptr},
    {"model.layers.{}.self_attn.q_proj.weight",         "blk.{}.attn_q.weight",      queryRows,    hidden,       nullptr,           heads},
    {"model.layers.{}.self_attn.q_proj.bias",           "blk.{}.attn_q.bias",        queryRows,    nullptr,      queryKeyValueBias, heads},
    {"model.layers.{}.self_attn.k_proj.weight",         "blk.{}.attn_k.weight",      keyRows,      hidden,       nullptr,           kvHeads},
    {"model.layers.{}.self_attn.k_proj.bias",           "blk.{}.attn_k.bias",        keyRows,      nullptr,      queryKeyValueBias, kvHeads},
    {"model.layers.{}.self_attn.v_proj.weight",         "blk.{}.attn_v.weight",      keyRows,      hidden,       nullptr,           nullptr},
    {"model.layers.{}.self_attn.v_proj.bias",           "blk.{}.attn_v.bias",        keyRows,      nullptr,      queryKeyValueBias, nullptr},
    {"model.layers.{}.self_attn.q_norm.weight",         "blk.{}.attn_q_norm.weight", headDim,      nullptr,      queryKeyNorm,      nullptr},
    {"model.layers.{}.self_attn.k_norm.weight",         "blk.{}.attn_k_norm.weight", headDim,      nullptr,      queryKeyNorm,      nullptr},
    {"model.layers.{}.self_attn.o_proj.weight",         "blk.{}.attn_output.weight", hidden,       queryRows,    nullptr,           nullptr},
    {"model.layers.{}.self_attn.o_proj.bias",           "blk.{}.attn_output.bias",   hidden,       nullptr,      outputBias,        nullptr},
    {"model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight",    hidden,       nullptr,      nullptr,           nullptr},
    {"model.layers.{}.mlp.gate_proj.weight",            "blk.{}.ffn_gate.weight",    intermediate, hidden,       nullptr,           nullptr},
    {"model.layers.{}.mlp.gate_proj.bias",              "blk.{}.ffn_gate.bias",      intermediate, nullptr,      feedForwardBias,   nullptr},
    {"model.layers.{}.mlp.up_proj.weight",              "blk.{}.ffn_up.weight",      intermediate, hidden,       nullptr,           nullptr},
    {"model.layers.{}.mlp.up_proj.bias",                "blk.{}.ffn_up.bias",        intermediate, nullptr,      feedForwardBias,   nullptr},
    {"model.layers.{}.mlp.down_proj.weight",            "blk.{}.ffn_down.weight",    hidden,       intermediate, nullptr,           nullptr},
    {"model.layers.{}.mlp.down_proj.bias",              "blk.{}.ffn_down.bias",      hidden,       nullptr,      feedForwardBias,   nullptr},
};

static constexpr WeightRow afterLayers[] = {
    {"model.norm.weight", "output_norm.weight", hidden,     nullptr, nullptr,    nullptr},
    {kHeadName,           "output.weight",      vocabulary, hidden,  untiedHead, nullptr},
};
// clang-format on

/// `pattern` with the layer's number for its braces.
static std::string instantiate(std::string pattern, int64_t layer) {
  if (size_t place = pattern.find("{}"); place != std::string::npos)
    pattern.replace(place, 2, std::to_string(layer));
  return pattern;
}

std::vector<WeightSpec> nibble::weightsOf(const ModelConfig &config) {
  std::vector<WeightSpec> weights;
  auto add = [&](const WeightRow &row, int64_t layer) {
    if (row.when && !row.when(config))
      return;
    WeightSpec spec{instantiate(row.name, layer), instantiate(row.gguf, layer), {row.rows(config)}, 0};
    if (row.columns)
      spec.shape.push_back(row.columns(config));
    if (row.rotaryHeads)
      spec.rotaryHeads = row.rotaryHeads(config);
    weights.push_back(std::move(spec));
  };
  for (const WeightRow &row : beforeLayers)
    add(row, 0);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    for (const WeightRow &row : ofLayer)
      add(row, layer);
  for (const WeightRow &row : afterLayers)
    add(row, 0);
  return weights;
}
