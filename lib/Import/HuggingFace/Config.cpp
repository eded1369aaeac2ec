//===- Config.cpp - config.json to ModelConfig ------------------------------------------------===//
//
// What is read, and what a missing key means, is the architecture's description and transformers'
// configuration classes. A value that the compiled model could not honour is an error, never ignored.
//
//===------------------------------------------------------------------------------------------===//

#include "HuggingFace.h"

#include "../JsonObject.h"

#include <algorithm>

using namespace nibble;
using nlohmann::json;

static Result<const Architecture *> readArchitecture(const JsonObject &object) {
  NIBBLE_TRY(auto type, object.string("model_type"));
  NIBBLE_TRY(auto classes, object.strings("architectures"));
  const Architecture *found = nullptr;
  if (type)
    found = findArchitecture(*type);
  else if (!classes.empty())
    found = findArchitectureOfClass(classes[0]);
  if (!found)
    return failure(object.what() + ": unknown architecture " +
                   quotedName(type              ? *type
                              : classes.empty() ? std::string()
                                                : classes[0]) +
                   " (model_type); known are " + knownArchitectures());
  if (!classes.empty() && classes[0] != found->huggingFaceClass)
    return failure(object.what() + ": the model is a " + quotedName(classes[0]) +
                   " (architectures); expected " + std::string(found->huggingFaceClass) + " for model_type " +
                   std::string(found->name));
  return found;
}

/// Keys whose values would change the model in a way that is not built.
static Result<void> refuseUnknownFeatures(const JsonObject &object) {
  if (const json *quantization = object.find("quantization_config")) {
    NIBBLE_TRY(auto config, JsonObject::of(*quantization, object.what() + ": quantization_config"));
    NIBBLE_TRY(auto method, config.string("quant_method"));
    return failure(
        object.what() + ": the checkpoint is quantized by " + quotedName(method.value_or("")) +
        " (quantization_config); expected float weights, or a GGUF file in Q8_0, Q4_0, Q4_1 or IQ4_NL");
  }
  NIBBLE_TRY(auto activation, object.string("hidden_act"));
  if (activation && *activation != "silu" && *activation != "swish")
    return failure(object.what() + ": the activation is " + quotedName(*activation) +
                   " (hidden_act); expected 'silu'");
  return {};
}

/// [layers]: how far each looks back.
static Result<std::vector<int64_t>> readWindows(const JsonObject &object, const Architecture &architecture,
                                                int64_t layers) {
  std::vector<int64_t> windows(std::clamp<int64_t>(layers, 0, 1 << 16), 0);
  if (architecture.slidingWindow == SlidingWindow::None)
    return windows;
  NIBBLE_TRY(auto stored, object.integer("sliding_window"));
  int64_t window = object.isNull("sliding_window") ? 0 : stored.value_or(architecture.defaultSlidingWindow);
  if (window < 0 || (stored && window == 0))
    return object.wrongKind("sliding_window", "null or a positive integer");
  if (architecture.slidingWindow == SlidingWindow::EveryLayer) {
    std::ranges::fill(windows, window);
    return windows;
  }
  NIBBLE_TRY(auto use, object.boolean("use_sliding_window"));
  NIBBLE_TRY(auto firstWindowed, object.integer("max_window_layers"));
  NIBBLE_TRY(auto types, object.strings("layer_types"));
  if (!use.value_or(false))
    window = 0;
  if (!object.find("layer_types")) {
    for (size_t i = 0; i < windows.size(); ++i)
      if (int64_t(i) >= firstWindowed.value_or(architecture.defaultMaxWindowLayers))
        windows[i] = window;
    return windows;
  }
  if (types.size() != windows.size())
    return failure(object.what() + ": layer_types has " + std::to_string(types.size()) +
                   " entries; expected one for each of " + std::to_string(layers) + " layers");
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] != "full_attention" && types[i] != "sliding_attention")
      return failure(object.what() + ": layer_types names " + quotedName(types[i]) +
                     "; expected 'full_attention' or 'sliding_attention'");
    if (types[i] == "sliding_attention" && window == 0)
      return failure(object.what() +
                     ": layer_types names 'sliding_attention', but there is no window; expected " +
                     "use_sliding_window true and a sliding_window");
    windows[i] = types[i] == "sliding_attention" ? window : 0;
  }
  return windows;
}

/// The last part of the name under which the model was trained or published: never a path, so that compiling
/// from two folders gives the same artifact.
static Result<std::string> readName(const JsonObject &object, const Architecture &architecture) {
  NIBBLE_TRY(auto path, object.string("_name_or_path"));
  std::string name = path.value_or("");
  while (name.ends_with('/'))
    name.pop_back();
  name = name.substr(name.find_last_of('/') + 1);
  return name.empty() ? std::string(architecture.name) : name;
}

/// Adds ids to the stop ids; those outside of the vocabulary can never be drawn.
static void addStopTokens(ModelConfig &config, const std::vector<int64_t> &ids) {
  for (int64_t id : ids)
    if (id >= 0 && id < config.vocabulary)
      config.stopTokens.push_back(id);
  std::ranges::sort(config.stopTokens);
  auto repeats = std::ranges::unique(config.stopTokens);
  config.stopTokens.erase(repeats.begin(), repeats.end());
}

Result<ModelConfig> nibble::readConfig(const json &document, const std::string &file) {
  NIBBLE_TRY(auto object, JsonObject::of(document, file));
  ModelConfig config;
  NIBBLE_TRY(config.architecture, readArchitecture(object));
  const Architecture &architecture = *config.architecture;
  NIBBLE_CHECK(refuseUnknownFeatures(object));
  NIBBLE_TRY(config.name, readName(object, architecture));

  NIBBLE_TRY(config.layers, object.require("num_hidden_layers"));
  NIBBLE_TRY(config.hidden, object.require("hidden_size"));
  NIBBLE_TRY(config.intermediate, object.require("intermediate_size"));
  NIBBLE_TRY(config.heads, object.require("num_attention_heads"));
  NIBBLE_TRY(config.vocabulary, object.require("vocab_size"));
  NIBBLE_TRY(auto context, object.integer("max_position_embeddings"));
  config.context = context.value_or(architecture.defaultContext);

  NIBBLE_TRY(auto kvHeads, object.integer("num_key_value_heads"));
  bool likeHeads = object.isNull("num_key_value_heads") || architecture.defaultKvHeads == 0;
  config.kvHeads = kvHeads.value_or(likeHeads ? config.heads : architecture.defaultKvHeads);
  NIBBLE_TRY(auto headDim, object.integer("head_dim"));
  if (headDim)
    config.headDim = *headDim;
  else if (architecture.defaultHeadDim != 0)
    config.headDim = architecture.defaultHeadDim;
  else if (config.heads > 0)
    config.headDim = config.hidden / config.heads;

  NIBBLE_TRY(auto epsilon, object.real("rms_norm_eps"));
  config.normEpsilon = epsilon.value_or(1e-6);
  NIBBLE_TRY(config.rotary, readRotary(document, config.context, file));
  NIBBLE_CHECK(validate(config, file));
  NIBBLE_TRY(config.windows, readWindows(object, architecture, config.layers));

  NIBBLE_TRY(auto attentionBias, object.boolean("attention_bias"));
  NIBBLE_TRY(auto feedForwardBias, object.boolean("mlp_bias"));
  config.outputBias =
      architecture.attentionBias == AttentionBias::FromConfig && attentionBias.value_or(false);
  config.queryKeyValueBias = architecture.attentionBias == AttentionBias::QueryKeyValue || config.outputBias;
  config.feedForwardBias = architecture.feedForwardBiasKey && feedForwardBias.value_or(false);
  config.queryKeyNorm = architecture.queryKeyNorm;
  NIBBLE_TRY(auto tied, object.boolean("tie_word_embeddings"));
  config.tiedHead = tied.value_or(false);

  NIBBLE_TRY(auto bos, object.integers("bos_token_id"));
  if (!bos.empty())
    config.bosToken = bos[0];
  else if (!object.has("bos_token_id"))
    config.bosToken = architecture.defaultBos;
  NIBBLE_TRY(auto eos, object.integers("eos_token_id"));
  if (!object.has("eos_token_id") && architecture.defaultEos)
    eos.push_back(*architecture.defaultEos);
  addStopTokens(config, eos);
  return config;
}

Result<void> nibble::readGenerationConfig(const json &document, const std::string &file,
                                          ModelConfig &config) {
  NIBBLE_TRY(auto object, JsonObject::of(document, file));
  GenerationSettings &generation = config.generation;
  NIBBLE_TRY(generation.temperature, object.real("temperature"));
  NIBBLE_TRY(generation.topK, object.integer("top_k"));
  NIBBLE_TRY(generation.topP, object.real("top_p"));
  NIBBLE_TRY(generation.minP, object.real("min_p"));
  NIBBLE_TRY(generation.repetitionPenalty, object.real("repetition_penalty"));
  NIBBLE_TRY(generation.sample, object.boolean("do_sample"));
  NIBBLE_TRY(auto eos, object.integers("eos_token_id"));
  addStopTokens(config, eos);
  return {};
}
