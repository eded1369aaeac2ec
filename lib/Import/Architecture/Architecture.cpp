//===- Architecture.cpp - The model families that Nibble imports ------------------------------===//
//
// Entries follow transformers' configuration classes (models/*/configuration_*.py) and llama.cpp's names of
// architectures.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/Architecture.h"

#include <algorithm>

using namespace nibble;

static std::vector<Architecture> describe() {
  Architecture llama;
  llama.name = "llama";
  llama.huggingFaceClass = "LlamaForCausalLM";
  llama.gguf = "llama";
  llama.attentionBias = AttentionBias::FromConfig;
  llama.feedForwardBiasKey = true;
  llama.ggufInterleavedRotary = true;
  llama.defaultContext = 2048;
  llama.defaultBos = 1;
  llama.defaultEos = 2;

  Architecture mistral;
  mistral.name = "mistral";
  mistral.huggingFaceClass = "MistralForCausalLM";
  mistral.gguf = "llama";
  mistral.slidingWindow = SlidingWindow::EveryLayer;
  mistral.ggufInterleavedRotary = true;
  mistral.defaultKvHeads = 8;
  mistral.defaultContext = 4096 * 32;
  mistral.defaultBos = 1;
  mistral.defaultEos = 2;

  Architecture qwen2;
  qwen2.name = "qwen2";
  qwen2.huggingFaceClass = "Qwen2ForCausalLM";
  qwen2.gguf = "qwen2";
  qwen2.attentionBias = AttentionBias::QueryKeyValue;
  qwen2.slidingWindow = SlidingWindow::ByLayer;
  qwen2.defaultKvHeads = 32;
  qwen2.defaultContext = 32768;

  Architecture qwen3;
  qwen3.name = "qwen3";
  qwen3.huggingFaceClass = "Qwen3ForCausalLM";
  qwen3.gguf = "qwen3";
  qwen3.attentionBias = AttentionBias::FromConfig;
  qwen3.slidingWindow = SlidingWindow::ByLayer;
  qwen3.queryKeyNorm = true;
  qwen3.defaultKvHeads = 32;
  qwen3.defaultHeadDim = 128;
  qwen3.defaultContext = 32768;

  return {llama, mistral, qwen2, qwen3};
}

const std::vector<Architecture> &nibble::architectures() {
  static const std::vector<Architecture> all = describe();
  return all;
}

static const Architecture *findBy(std::string_view Architecture::*key, std::string_view value) {
  auto found = std::ranges::find(architectures(), value, key);
  return found == architectures().end() ? nullptr : &*found;
}

const Architecture *nibble::findArchitecture(std::string_view modelType) {
  return findBy(&Architecture::name, modelType);
}

const Architecture *nibble::findArchitectureOfClass(std::string_view huggingFaceClass) {
  return findBy(&Architecture::huggingFaceClass, huggingFaceClass);
}

std::string nibble::knownArchitectures() {
  std::string names;
  for (const Architecture &architecture : architectures())
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  return names;
}

Result<void> nibble::validate(const ModelConfig &config, const std::string &file) {
  struct Bound {
    const char *what;
    int64_t value, largest;
  };
  // Far above any model; together they keep every product of two sizes within 64 bits.
  const Bound bounds[] = {
      {"the number of layers", config.layers, 4096},
      {"the hidden size", config.hidden, 1 << 20},
      {"the intermediate size", config.intermediate, 1 << 24},
      {"the number of attention heads", config.heads, 1 << 16},
      {"the number of key-value heads", config.kvHeads, 1 << 16},
      {"the head dimension", config.headDim, 1 << 16},
      {"the vocabulary's size", config.vocabulary, 1 << 26},
      {"the context length", config.context, int64_t(1) << 31},
  };
  for (const Bound &bound : bounds)
    if (bound.value < 1 || bound.value > bound.largest)
      return failure(file + ": " + bound.what + " is " + std::to_string(bound.value) + "; expected 1 to " +
                     std::to_string(bound.largest));
  if (config.heads % config.kvHeads != 0)
    return failure(file + ": " + std::to_string(config.heads) + " attention heads cannot share " +
                   std::to_string(config.kvHeads) + " key-value heads evenly");
  if (config.headDim % 2 != 0)
    return failure(file + ": the head dimension is " + std::to_string(config.headDim) +
                   "; rotary embedding needs an even one");
  if (!(config.normEpsilon > 0 && config.normEpsilon < 1))
    return failure(file + ": the epsilon of the RMS norms is " + std::to_string(config.normEpsilon) +
                   "; expected a number between 0 and 1");
  if (!(config.rotary.theta > 0 && config.rotary.theta < 1e30))
    return failure(file + ": the rotary base (rope_theta) is " + std::to_string(config.rotary.theta) +
                   "; expected a positive number");
  return {};
}
