//===- GGUFConfig.cpp - GGUF metadata to ModelConfig ------------------------------------------===//
//
// Keys are prefixed with the architecture (reference/FORMATS 11.4). GGUF does not say which optional weights
// a model has: its tensors do.
//
//===------------------------------------------------------------------------------------------===//

#include "GGUFModel.h"

#include "../JsonObject.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace nibble;
using Scaling = RotaryConfig::Scaling;

namespace {

/// Look-ups of one architecture's keys.
struct Keys {
  const GGUFFile &file;
  std::string prefix; // "llama."

  std::string key(const char *name) const { return prefix + name; }
  bool has(const char *name) const { return file.has(key(name)); }
  Result<int64_t> integer(const char *name) const { return file.integer(key(name)); }
  Result<int64_t> integerOr(const char *name, int64_t absent) const {
    return file.integerOr(key(name), absent);
  }
  Result<double> realOr(const char *name, double absent) const { return file.realOr(key(name), absent); }
};

} // namespace

/// A value that may stand for every layer or be listed for each: one value, or an error.
static Result<int64_t> sameInEveryLayer(const Keys &keys, const char *name) {
  NIBBLE_TRY(auto values, keys.file.integers(keys.key(name)));
  if (values.empty() || !std::ranges::all_of(values, [&](int64_t value) { return value == values[0]; }))
    return failure(keys.file.path() + ": " + keys.key(name) +
                   " differs from layer to layer; expected the same in all");
  return values[0];
}

static Result<void> readYarn(const Keys &keys, RotaryConfig &rotary) {
  rotary.scaling = Scaling::Yarn;
  NIBBLE_TRY(rotary.betaFast, keys.realOr("rope.scaling.yarn_beta_fast", 32));
  NIBBLE_TRY(rotary.betaSlow, keys.realOr("rope.scaling.yarn_beta_slow", 1));
  NIBBLE_TRY(auto extrapolation, keys.realOr("rope.scaling.yarn_ext_factor", 1));
  NIBBLE_TRY(auto logMultiplier, keys.realOr("rope.scaling.yarn_log_multiplier", 0));
  if (extrapolation != 1 || logMultiplier != 0)
    return failure(
        keys.file.path() + ": " + keys.prefix +
        "rope.scaling has a yarn_ext_factor other than 1 or a yarn_log_multiplier, which are not known");
  if (!(rotary.betaSlow > 0 && rotary.betaFast >= rotary.betaSlow && rotary.theta != 1))
    return failure(keys.file.path() + ": the yarn betas of " + keys.prefix +
                   "rope.scaling must be positive, the fast one not the smaller");
  // yarn_attn_factor is what a Hugging Face configuration calls attention_factor; attn_factor multiplies.
  NIBBLE_TRY(auto multiplier, keys.realOr("rope.scaling.attn_factor", 1));
  double inferred = rotary.factor <= 1 ? 1.0 : 0.1 * std::log(rotary.factor) + 1.0;
  NIBBLE_TRY(auto stated, keys.realOr("rope.scaling.yarn_attn_factor", inferred));
  rotary.attentionFactor = stated * multiplier;
  return {};
}

/// What Llama 3's scaling divides each inverse frequency by: [head_dim / 2] f32.
static Result<std::vector<float>> readDivisors(const GGUFFile &file, const GGUFTensorLookup &find,
                                               int64_t headDim) {
  const GGUFTensor *tensor = find("rope_freqs.weight");
  if (!tensor)
    return std::vector<float>();
  if (tensor->type != GGUFTensorType::F32 || tensor->shape.size() != 1 ||
      tensor->shape[0] != uint64_t(headDim / 2))
    return failure(file.path() + ": tensor 'rope_freqs.weight' should be F32 with " +
                   std::to_string(headDim / 2) + " elements, half a head");
  std::vector<float> divisors(tensor->shape[0]);
  std::memcpy(divisors.data(), tensor->data.data(), tensor->data.size());
  for (float divisor : divisors)
    if (!(divisor > 0 && std::isfinite(divisor)))
      return failure(file.path() +
                     ": tensor 'rope_freqs.weight' has an element that is not a positive number");
  return divisors;
}

static Result<RotaryConfig> readRotary(const Keys &keys, const GGUFTensorLookup &find,
                                       const ModelConfig &config) {
  RotaryConfig rotary;
  NIBBLE_TRY(rotary.theta, keys.realOr("rope.freq_base", 10000));
  NIBBLE_TRY(auto dimensions, keys.integerOr("rope.dimension_count", config.headDim));
  if (dimensions != config.headDim)
    return failure(keys.file.path() + ": " + keys.key("rope.dimension_count") + " is " +
                   std::to_string(dimensions) + "; expected the head dimension, " +
                   std::to_string(config.headDim));
  NIBBLE_TRY(auto type, keys.file.stringOr(keys.key("rope.scaling.type"),
                                           keys.has("rope.scale_linear") ? "linear" : "none"));
  NIBBLE_TRY(auto oldFactor, keys.realOr("rope.scale_linear", 1));
  NIBBLE_TRY(rotary.factor, keys.realOr("rope.scaling.factor", oldFactor));
  NIBBLE_TRY(rotary.originalContext, keys.integerOr("rope.scaling.original_context_length", config.context));
  if (!(rotary.factor > 0 && rotary.factor < 1e9) || rotary.originalContext <= 0)
    return failure(keys.file.path() + ": " + keys.prefix +
                   "rope.scaling has a factor or original_context_length that is not positive");
  if (type == "linear") {
    rotary.scaling = Scaling::Linear;
  } else if (type == "yarn") {
    NIBBLE_CHECK(readYarn(keys, rotary));
  } else if (type != "none") {
    return failure(keys.file.path() + ": " + keys.key("rope.scaling.type") + " is " + quotedName(type) +
                   "; known are 'none', 'linear' and 'yarn'");
  }
  NIBBLE_TRY(rotary.divisors, readDivisors(keys.file, find, config.headDim));
  return rotary;
}

/// attention.sliding_window holds for every layer, unless a pattern says for which.
static Result<std::vector<int64_t>> readWindows(const Keys &keys, int64_t layers) {
  NIBBLE_TRY(auto window, keys.integerOr("attention.sliding_window", 0));
  if (window < 0)
    return failure(keys.file.path() + ": " + keys.key("attention.sliding_window") + " is negative");
  std::vector<int64_t> windows(layers, window);
  const char *pattern = "attention.sliding_window_pattern";
  if (window == 0 || !keys.has(pattern))
    return windows;
  auto windowed = keys.file.booleans(keys.key(pattern));
  if (!windowed || windowed->size() != windows.size())
    return failure(keys.file.path() + ": " + keys.key(pattern) +
                   " should be a list of a bool for each layer");
  for (size_t i = 0; i < windows.size(); ++i)
    windows[i] = (*windowed)[i] ? window : 0;
  return windows;
}

/// GGUF calls Mistral "llama" as well; a window tells them apart.
static Result<const Architecture *> readArchitecture(const GGUFFile &file) {
  NIBBLE_TRY(auto name, file.string("general.architecture"));
  for (const Architecture &architecture : architectures()) {
    bool windowed = file.has(std::string(name) + ".attention.sliding_window");
    if (architecture.gguf == name && (!windowed || architecture.slidingWindow != SlidingWindow::None))
      return &architecture;
  }
  return failure(file.path() + ": unknown architecture " + quotedName(name) +
                 " (general.architecture); known are " + knownArchitectures());
}

/// general.name, without a path and shortened to a line.
static Result<std::string> readName(const GGUFFile &file, const Architecture &architecture) {
  NIBBLE_TRY(auto text, file.stringOr("general.name", ""));
  std::string name(text.substr(0, 200));
  name = name.substr(name.find_last_of("/\\") + 1);
  bool isPlain = !name.empty() && std::ranges::all_of(name, [](char c) { return c >= 0x20 && c < 0x7f; });
  return isPlain ? name : std::string(architecture.name);
}

/// general.sampling: what the model's makers would sample with. There is no key for "do sample": who names a
/// way of sampling means it, and a temperature of 0 means greedy. What the runtime has no counterpart of (the
/// order of samplers, mirostat, XTC, the reach of the penalty) is left out.
static Result<GenerationSettings> readSampling(const GGUFFile &file) {
  GenerationSettings generation;
  auto read = [&](const char *name, double most, std::optional<double> &value) -> Result<void> {
    std::string key = std::string("general.sampling.") + name;
    if (!file.has(key))
      return {};
    NIBBLE_TRY(double number, file.real(key));
    if (!(number >= 0 && number <= most)) // nor NaN
      return failure(file.path() + ": " + key + " is " + std::to_string(number) + "; expected 0 to " +
                     std::to_string(most));
    value = number;
    generation.sample = true;
    return {};
  };
  std::optional<double> topK;
  NIBBLE_CHECK(read("temp", 1e6, generation.temperature));
  NIBBLE_CHECK(read("top_k", INT32_MAX, topK));
  NIBBLE_CHECK(read("top_p", 1, generation.topP));
  NIBBLE_CHECK(read("min_p", 1, generation.minP));
  NIBBLE_CHECK(read("penalty_repeat", 1e6, generation.repetitionPenalty));
  if (topK)
    generation.topK = static_cast<int64_t>(*topK);
  if (generation.repetitionPenalty == 0)
    return failure(file.path() + ": general.sampling.penalty_repeat is 0; 1 is no penalty");
  if (generation.temperature == 0)
    generation.sample = false;
  return generation;
}

Result<ModelConfig> nibble::readGGUFConfig(const GGUFFile &file, const GGUFTensorLookup &find) {
  ModelConfig config;
  NIBBLE_TRY(config.architecture, readArchitecture(file));
  const Architecture &architecture = *config.architecture;
  NIBBLE_TRY(config.name, readName(file, architecture));
  Keys keys{file, std::string(architecture.gguf) + "."};
  NIBBLE_TRY(config.layers, keys.integer("block_count"));
  NIBBLE_TRY(config.hidden, keys.integer("embedding_length"));
  NIBBLE_TRY(config.intermediate, sameInEveryLayer(keys, "feed_forward_length"));
  NIBBLE_TRY(config.context, keys.integer("context_length"));
  NIBBLE_TRY(config.heads, sameInEveryLayer(keys, "attention.head_count"));
  config.kvHeads = config.heads;
  if (keys.has("attention.head_count_kv")) {
    NIBBLE_TRY(config.kvHeads, sameInEveryLayer(keys, "attention.head_count_kv"));
  }
  int64_t usual = config.heads > 0 ? config.hidden / config.heads : 0;
  NIBBLE_TRY(config.headDim, keys.integerOr("attention.key_length", usual));
  NIBBLE_TRY(auto valueLength, keys.integerOr("attention.value_length", config.headDim));
  if (valueLength != config.headDim)
    return failure(file.path() + ": keys have " + std::to_string(config.headDim) + " dimensions and values " +
                   std::to_string(valueLength) + "; expected the same");
  NIBBLE_TRY(config.normEpsilon, file.real(keys.key("attention.layer_norm_rms_epsilon")));

  // The vocabulary is the table's: files with and without the key vocab_size are in use.
  const GGUFTensor *table = find("token_embd.weight");
  if (!table || table->shape.size() != 2)
    return failure(file.path() + ": has no tensor 'token_embd.weight' of two dimensions" +
                   (file.tensors().empty() ? "; it holds metadata only" : ""));
  config.vocabulary = int64_t(std::min<uint64_t>(table->shape[1], INT64_MAX));
  NIBBLE_TRY(auto stated, keys.integerOr("vocab_size", config.vocabulary));
  if (stated != config.vocabulary)
    return failure(file.path() + ": " + keys.key("vocab_size") + " is " + std::to_string(stated) +
                   "; 'token_embd.weight' has " + std::to_string(config.vocabulary) + " rows");
  NIBBLE_CHECK(validate(config, file.path()));
  NIBBLE_TRY(config.rotary, readRotary(keys, find, config));
  NIBBLE_CHECK(validate(config, file.path()));
  NIBBLE_TRY(config.windows, readWindows(keys, config.layers));
  NIBBLE_TRY(config.generation, readSampling(file));

  config.tiedHead = !find("output.weight");
  config.queryKeyValueBias = find("blk.0.attn_q.bias");
  config.outputBias = find("blk.0.attn_output.bias");
  config.feedForwardBias = find("blk.0.ffn_gate.bias");
  config.queryKeyNorm = architecture.queryKeyNorm;
  if (architecture.attentionBias == AttentionBias::QueryKeyValue)
    config.queryKeyValueBias = true;
  return config;
}
