//===- GenerationConfigFuzz.cpp - generation_config.json --------------------------------------===//

#include "Fuzz.h"
#include "lib/Import/HuggingFace/HuggingFace.h"
#include "lib/Import/JsonObject.h"

#include <algorithm>

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto document = parseJson(fuzz::text(data, size), "generation_config.json", kConfigLimits);
  ModelConfig config;
  config.vocabulary = 1000;
  if (!document || !readGenerationConfig(*document, "generation_config.json", config))
    return 0;
  auto unique = config.stopTokens;
  std::ranges::sort(unique);
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  fuzz::require(unique == config.stopTokens, "stop ids ascend without repeats");
  return 0;
}
