//===- Architecture.h - What tells one model family from another --------------------*- C++ -*-===//
//
// A description that both importers and the model builder share. Adding a family of the same build (norm,
// attention, norm, gated feed-forward) is one entry in lib/Import/Architecture/Architecture.cpp; a new weight
// is one row in Weights.cpp.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/ModelConfig.h"

#include <string_view>

namespace nibble {

/// Which linears of the attention have a bias.
enum class AttentionBias : uint8_t {
  None,
  QueryKeyValue, // q, k and v always; o never
  FromConfig,    // q, k, v and o, where attention_bias says so
};

/// Which layers look back only so far.
enum class SlidingWindow : uint8_t {
  None,       // the key sliding_window is not read
  EveryLayer, // sliding_window, unless null
  ByLayer,    // use_sliding_window, max_window_layers, layer_types
};

/// Strings are null-terminated.
struct Architecture {
  std::string_view name;             // model_type in config.json, "architecture" in the manifest
  std::string_view huggingFaceClass; // architectures[0] in config.json
  std::string_view gguf;             // general.architecture; also the prefix of its keys
  AttentionBias attentionBias = AttentionBias::None;
  bool feedForwardBiasKey = false; // mlp_bias is read
  SlidingWindow slidingWindow = SlidingWindow::None;
  bool queryKeyNorm = false;
  /// GGUF files hold the rows of q and k in pairs: row 2i is row i of Hugging Face's head, row 2i + 1 its row
  /// i + head_dim / 2 (reference/FORMATS 11.5).
  bool ggufInterleavedRotary = false;

  // What transformers takes for a key that config.json lacks.
  int64_t defaultKvHeads = 0; // 0: as many as heads
  int64_t defaultHeadDim = 0; // 0: hidden / heads
  int64_t defaultContext = 0;
  int64_t defaultSlidingWindow = 4096;
  int64_t defaultMaxWindowLayers = 28;
  std::optional<int64_t> defaultBos, defaultEos;
};

/// All that are known, for messages and tests.
const std::vector<Architecture> &architectures();
/// Null where no entry has that model_type.
const Architecture *findArchitecture(std::string_view modelType);
/// Null where no entry has that class.
const Architecture *findArchitectureOfClass(std::string_view huggingFaceClass);
/// "llama, mistral, qwen2, qwen3".
std::string knownArchitectures();

/// One weight of a model: what it is called in either container, and its shape.
struct WeightSpec {
  std::string name; // Hugging Face's
  std::string gguf;
  std::vector<int64_t> shape; // [N, K] or [N]
  /// Rows that a GGUF file may hold in interleaved order: how many heads share them; 0: none.
  int64_t rotaryHeads = 0;
};

/// Every weight that `config` has, in the order of the model. A tied head has no weight of its own.
std::vector<WeightSpec> weightsOf(const ModelConfig &config);

inline constexpr const char *kEmbeddingName = "model.embed_tokens.weight";
inline constexpr const char *kHeadName = "lm_head.weight";

} // namespace nibble
