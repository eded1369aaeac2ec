//===- ConfigFuzz.cpp - config.json -----------------------------------------------------------===//

#include "Fuzz.h"
#include "lib/Import/HuggingFace/HuggingFace.h"
#include "lib/Import/JsonObject.h"

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto document = parseJson(fuzz::text(data, size), "config.json", kConfigLimits);
  if (!document)
    return 0;
  auto config = readConfig(*document, "config.json");
  if (!config)
    return 0;
  fuzz::require(validate(*config, "config.json").has_value(), "a config that was read is valid");
  RotaryTable table = rotaryTable(config->rotary, config->headDim);
  fuzz::require(table.inverseFrequencies.size() == static_cast<size_t>(config->headDim / 2),
                "a rotary table has head_dim / 2 frequencies");
  return 0;
}
