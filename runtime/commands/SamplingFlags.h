//===- SamplingFlags.h - How generate and chat choose tokens ------------------------*- C++ -*-===//
//
// Options that are left out have the checkpoint's values (generation_config), or else those of the model's
// own distribution. A checkpoint that does not ask for sampling is decoded greedily until the user asks for
// it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Manifest.h"
#include "nibble/runtime/Sampler.h"
#include <CLI/CLI.hpp>
#include <optional>

namespace nibble {

struct SamplingFlags {
  std::optional<float> temperature, topP, minP, typicalP, repetitionPenalty;
  std::optional<int32_t> topK;
  std::optional<uint64_t> seed;
  float presencePenalty = 0, frequencyPenalty = 0;
  bool greedy = false;
};

void addSamplingFlags(CLI::App &verb, SamplingFlags &flags);

/// The options to sample with; without --seed a seed of the system's choice.
SamplingOptions samplingOptions(const SamplingFlags &flags, const GenerationDefaults &defaults);

} // namespace nibble
