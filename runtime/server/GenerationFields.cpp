//===- GenerationFields.cpp - What chat and completions ask for alike -------------------------===//

#include "runtime/server/GenerationFields.h"
#include <charconv>
#include <random>

using namespace nibble;
using namespace nibble::server;

static constexpr size_t kMostStops = 16, kMostStopBytes = 1024, kMostBiases = 4096;

/// A value of a field, or the default.
static float real(Fields &fields, const char *name, double least, double most, float otherwise) {
  auto value = fields.real(name, least, most);
  return value ? static_cast<float>(*value) : otherwise;
}

static std::vector<std::pair<int32_t, float>> parseLogitBias(Fields &fields, const RequestRules &rules) {
  std::vector<std::pair<int32_t, float>> biases;
  const Json *object = fields.inner("logit_bias");
  if (!object)
    return biases;
  if (object->size() > kMostBiases)
    fields.fail("logit_bias", "has " + std::to_string(object->size()) + " tokens; at most " +
                                  std::to_string(kMostBiases) + " are taken");
  for (const auto &[key, value] : object->items()) {
    uint32_t token = 0;
    auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token >= rules.vocabulary) {
      fields.fail("logit_bias", "expected ids of tokens below " + std::to_string(rules.vocabulary) +
                                    " as keys, found " + excerpt(key));
      break;
    }
    double bias = value.is_number() ? value.get<double>() : 1000;
    if (!(bias >= -100 && bias <= 100)) {
      fields.fail("logit_bias", "expected numbers from -100 to 100 as values, token " + key + " has another");
      break;
    }
    biases.emplace_back(static_cast<int32_t>(token), static_cast<float>(bias));
  }
  return biases;
}

static uint64_t randomSeed() {
  thread_local std::random_device entropy;
  return static_cast<uint64_t>(entropy()) << 32 | entropy();
}

static SamplingOptions parseSampling(Fields &fields, const RequestRules &rules) {
  SamplingOptions options;
  const GenerationDefaults &defaults = rules.defaults;
  options.temperature = real(fields, "temperature", 0, 100, defaults.temperature);
  options.topP = real(fields, "top_p", 0, 1, defaults.topP);
  if (options.topP <= 0)
    options.topP = 1e-9f; // the most probable token alone, as OpenAI's 0 means
  auto topK = fields.integer("top_k", -1, INT32_MAX);
  options.topK = static_cast<int32_t>(topK.value_or(std::min<uint32_t>(defaults.topK, INT32_MAX)));
  options.minP = real(fields, "min_p", 0, 1, defaults.minP);
  options.typicalP = real(fields, "typical_p", 0, 1, 1);
  if (options.typicalP <= 0)
    fields.fail("typical_p", "expected a number above 0");
  options.repetitionPenalty = real(fields, "repetition_penalty", 0.01, 100, defaults.repetitionPenalty);
  options.presencePenalty = real(fields, "presence_penalty", -2, 2, 0);
  options.frequencyPenalty = real(fields, "frequency_penalty", -2, 2, 0);
  options.logitBias = parseLogitBias(fields, rules);
  return options;
}

static std::vector<std::string> parseStops(Fields &fields) {
  std::vector<std::string> stops;
  const Json *stop = fields.find("stop");
  if (!stop)
    return stops;
  auto add = [&](const Json &text) {
    if (!text.is_string())
      fields.fail("stop", "expected a string or a list of strings");
    else if (size_t size = text.get_ref<const std::string &>().size(); size == 0 || size > kMostStopBytes)
      fields.fail("stop", "a stop string has 1 to " + std::to_string(kMostStopBytes) + " bytes, not " +
                              std::to_string(size));
    else
      stops.push_back(text.get<std::string>());
  };
  if (!stop->is_array())
    add(*stop);
  else if (stop->size() > kMostStops)
    fields.fail("stop", "has " + std::to_string(stop->size()) + " strings; at most " +
                            std::to_string(kMostStops) + " are taken");
  else
    for (const Json &text : *stop)
      add(text);
  return stops;
}

static std::vector<int32_t> parseStopTokens(Fields &fields, const RequestRules &rules) {
  std::vector<int32_t> tokens;
  const Json *list = fields.list("stop_token_ids");
  if (!list)
    return tokens;
  for (const Json &token : *list) {
    if (!token.is_number_unsigned() || token.get<uint64_t>() >= rules.vocabulary ||
        tokens.size() > kMostBiases) {
      fields.fail("stop_token_ids", "expected ids of tokens below " + std::to_string(rules.vocabulary));
      break;
    }
    tokens.push_back(token.get<int32_t>());
  }
  return tokens;
}

static void parseStreaming(Fields &fields, GenerationFields &result) {
  result.stream = fields.flag("stream").value_or(false);
  const Json *options = fields.inner("stream_options");
  if (!options)
    return;
  if (!result.stream)
    fields.fail("stream_options", "is for requests with \"stream\": true");
  Fields inner(*options, "stream_options.");
  result.usageAlways = inner.flag("continuous_usage_stats").value_or(false);
  result.usageAtEnd = inner.flag("include_usage").value_or(result.usageAlways);
  if (inner.problem())
    fields.fail(*inner.problem());
}

GenerationFields server::parseGenerationFields(Fields &fields, const RequestRules &rules) {
  GenerationFields result;
  result.model = fields.text("model");
  result.sampling = parseSampling(fields, rules);
  auto seed = fields.integer("seed", INT64_MIN, INT64_MAX);
  result.seeded = seed.has_value();
  result.sampling.seed = seed ? static_cast<uint64_t>(*seed) : randomSeed();
  auto maxTokens = fields.integer("max_tokens", 0, UINT32_MAX);
  if (auto newer = fields.integer("max_completion_tokens", 0, UINT32_MAX)) {
    maxTokens = newer;
    result.maxTokensName = "max_completion_tokens";
  }
  if (maxTokens)
    result.maxTokens = static_cast<uint32_t>(*maxTokens);
  result.choices = static_cast<uint32_t>(fields.integer("n", 1, rules.mostChoices).value_or(1));
  result.stops = parseStops(fields);
  result.stopTokens = parseStopTokens(fields, rules);
  result.ignoreEos = fields.flag("ignore_eos").value_or(false);
  result.spellsSpecial = !fields.flag("skip_special_tokens").value_or(true);
  parseStreaming(fields, result);
  result.priority = static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX).value_or(0));
  result.user = fields.text("user").value_or("");
  return result;
}
