//===- ModelConfig.h - The hyperparameters of a model, whatever file they came from ---*- C++ -*-===//
//
// Both importers fill this struct; the model builder, the manifest and nibble-inspect read nothing else. What
// is optional in a file is settled here: every field holds the value that the model runs with.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

struct Architecture;

/// How rotary angles are made: theta and the scaling that stretches a model's context.
struct RotaryConfig {
  enum class Scaling : uint8_t { None, Linear, Llama3, Yarn };

  double theta = 10000;
  Scaling scaling = Scaling::None;
  double factor = 1;                                      // linear, llama3, yarn
  int64_t originalContext = 0;                            // llama3, yarn: positions before the stretch
  double lowFrequencyFactor = 1, highFrequencyFactor = 4; // llama3
  double betaFast = 32, betaSlow = 1;                     // yarn: rotations that bound the ramp
  std::optional<double> attentionFactor;                  // yarn: instead of the inferred one
  double mscale = 0, mscaleAllDim = 0;                    // yarn: both nonzero, or unused
  bool truncate = true;                                   // yarn: the ramp's bounds are whole dimensions
  /// What a GGUF file's rope_freqs.weight divides the inverse frequencies by; empty or [head_dim / 2].
  std::vector<float> divisors;
};

/// What llm.rope needs. Angle of dimension i at position p: f32(p * inverseFrequencies[i]); its cosine and
/// sine are multiplied by attentionFactor.
struct RotaryTable {
  std::vector<float> inverseFrequencies; // [head_dim / 2]
  double attentionFactor = 1;
};

/// Follows transformers' arithmetic in f32, operation by operation (modeling_rope_utils.py; YaRN is
/// https://arxiv.org/abs/2309.00071). Powers are correctly rounded, so an entry may differ from PyTorch's in
/// its last bit.
RotaryTable rotaryTable(const RotaryConfig &rotary, int64_t headDim);

/// What generation_config.json asks for; absent where it says nothing.
struct GenerationSettings {
  std::optional<double> temperature, topP, minP, repetitionPenalty;
  std::optional<int64_t> topK;
  std::optional<bool> sample; // do_sample
};

struct ModelConfig {
  const Architecture *architecture = nullptr;
  std::string name; // of the model, for people; never a path

  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t intermediate = 0; // of the gated feed-forward
  int64_t heads = 0;
  int64_t kvHeads = 0; // divides heads
  int64_t headDim = 0; // even; heads * headDim need not be hidden
  int64_t vocabulary = 0;
  int64_t context = 0; // positions the model was made for
  double normEpsilon = 0;
  RotaryConfig rotary;
  /// [layers]: a position attends to itself and to this many - 1 before it; 0: to all.
  std::vector<int64_t> windows;
  bool queryKeyValueBias = false;
  bool outputBias = false;      // of self_attn.o_proj
  bool feedForwardBias = false; // of gate_proj, up_proj and down_proj
  bool queryKeyNorm = false;    // RMS norm of every head of q and k, before the rotation
  bool tiedHead = false;        // logits use the embedding table

  std::optional<int64_t> bosToken;
  std::vector<int64_t> stopTokens; // every id that ends generation, ascending, without repeats
  GenerationSettings generation;

  int64_t queryRows() const { return heads * headDim; }
  int64_t keyRows() const { return kvHeads * headDim; }
};

/// Checks what both importers must: positive sizes within bounds that no product overflows, heads divisible
/// by kvHeads, an even headDim, as many windows as layers. `file` begins the message.
Result<void> validate(const ModelConfig &config, const std::string &file);

} // namespace nibble
