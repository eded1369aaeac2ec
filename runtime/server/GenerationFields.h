//===- GenerationFields.h - What chat and completions ask for alike -----------------*- C++ -*-===//
//
// Sampling, stopping, streaming and priority of a request, checked: whoever holds GenerationFields may rely
// on every value being in its range.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Manifest.h"
#include "nibble/runtime/Sampler.h"
#include "runtime/server/Fields.h"

namespace nibble::server {

/// What requests are checked against, and what they get where they leave something out.
struct RequestRules {
  uint32_t vocabulary = 0; // number of logits
  GenerationDefaults defaults = {};
  uint32_t mostChoices = 16;  // of one prompt
  uint32_t mostPrompts = 256; // of one request
  uint32_t mostLogprobs = 20; // of each token
};

struct GenerationFields {
  std::optional<std::string> model;
  SamplingOptions sampling;                 // with a seed; topLogprobs is each route's own
  bool seeded = false;                      // the request has the seed
  std::optional<uint32_t> maxTokens;        // may be 0
  const char *maxTokensName = "max_tokens"; // as the request spells it
  uint32_t choices = 1;
  std::vector<std::string> stops;  // none is empty
  std::vector<int32_t> stopTokens; // besides the model's own
  bool ignoreEos = false, spellsSpecial = false;
  bool stream = false, usageAtEnd = false, usageAlways = false;
  int32_t priority = 0;
  std::string user;
};

/// Problems are left in `fields`.
GenerationFields parseGenerationFields(Fields &fields, const RequestRules &rules);

} // namespace nibble::server
