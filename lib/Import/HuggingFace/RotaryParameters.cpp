//===- RotaryParameters.cpp - rope_theta, rope_scaling and rope_parameters --------------------===//
//
// transformers 4 writes the base and the scaling at the top of config.json, 5 puts both into rope_parameters.
// Which one wins, and what a missing key means, follows modeling_rope_utils.py.
//
//===------------------------------------------------------------------------------------------===//

#include "HuggingFace.h"

#include "../JsonObject.h"

using namespace nibble;
using nlohmann::json;
using Scaling = RotaryConfig::Scaling;

static Result<double> requireReal(const JsonObject &object, const char *key) {
  NIBBLE_TRY(auto value, object.real(key));
  if (!value)
    return failure(object.what() + " has no '" + key + "'; expected a number");
  return *value;
}

static Result<double> realOr(const JsonObject &object, const char *key, double absent) {
  NIBBLE_TRY(auto value, object.real(key));
  return value.value_or(absent);
}

static Result<void> readLlama3(const JsonObject &parameters, RotaryConfig &rotary) {
  rotary.scaling = Scaling::Llama3;
  NIBBLE_TRY(rotary.factor, requireReal(parameters, "factor"));
  NIBBLE_TRY(rotary.lowFrequencyFactor, requireReal(parameters, "low_freq_factor"));
  NIBBLE_TRY(rotary.highFrequencyFactor, requireReal(parameters, "high_freq_factor"));
  if (!(rotary.lowFrequencyFactor > 0 && rotary.highFrequencyFactor > rotary.lowFrequencyFactor))
    return failure(parameters.what() +
                   ": low_freq_factor and high_freq_factor must be positive and ascending");
  return {};
}

static Result<void> readYarn(const JsonObject &parameters, int64_t context, RotaryConfig &rotary) {
  rotary.scaling = Scaling::Yarn;
  if (parameters.isNull("factor")) {
    rotary.factor = double(context) / double(rotary.originalContext);
  } else {
    NIBBLE_TRY(rotary.factor, requireReal(parameters, "factor"));
  }
  NIBBLE_TRY(rotary.attentionFactor, parameters.real("attention_factor"));
  NIBBLE_TRY(rotary.mscale, realOr(parameters, "mscale", 0));
  NIBBLE_TRY(rotary.mscaleAllDim, realOr(parameters, "mscale_all_dim", 0));
  // As in Python's `x or default`: zero is as good as absent.
  NIBBLE_TRY(auto fast, realOr(parameters, "beta_fast", 0));
  NIBBLE_TRY(auto slow, realOr(parameters, "beta_slow", 0));
  rotary.betaFast = fast != 0 ? fast : 32;
  rotary.betaSlow = slow != 0 ? slow : 1;
  NIBBLE_TRY(auto truncate, parameters.boolean("truncate"));
  rotary.truncate = truncate.value_or(!parameters.isNull("truncate"));
  if (!(rotary.betaSlow > 0 && rotary.betaFast >= rotary.betaSlow))
    return failure(parameters.what() +
                   ": beta_fast and beta_slow must be positive, the fast one not the smaller");
  if (rotary.theta == 1)
    return failure(parameters.what() + ": yarn needs a rope_theta other than 1");
  return {};
}

Result<RotaryConfig> nibble::readRotary(const json &config, int64_t context, const std::string &file) {
  NIBBLE_TRY(auto top, JsonObject::of(config, file));
  RotaryConfig rotary;
  NIBBLE_TRY(rotary.theta, realOr(top, "rope_theta", rotary.theta));
  NIBBLE_TRY(auto topPartial, realOr(top, "partial_rotary_factor", 1));
  const char *key = "rope_scaling";
  const json *found = top.find(key);
  if (!found || found->empty()) {
    key = "rope_parameters";
    found = top.find(key);
  }
  const json none = json::object();
  NIBBLE_TRY(auto parameters, JsonObject::of(found ? *found : none, file + ": " + key));
  if (parameters.find("full_attention") || parameters.find("sliding_attention"))
    return failure(parameters.what() + " differs by type of layer; expected one set for all layers");

  NIBBLE_TRY(rotary.theta, realOr(parameters, "rope_theta", rotary.theta));
  NIBBLE_TRY(auto partial, realOr(parameters, "partial_rotary_factor", topPartial));
  if (partial != 1)
    return failure(file + ": partial_rotary_factor is " + std::to_string(partial) +
                   "; expected 1 (every dimension of a head is rotated)");
  NIBBLE_TRY(auto type, parameters.string("rope_type"));
  if (!type) {
    NIBBLE_TRY(type, parameters.string("type"));
  }
  NIBBLE_TRY(auto original, top.integer("original_max_position_embeddings"));
  if (!original) {
    NIBBLE_TRY(original, parameters.integer("original_max_position_embeddings"));
  }

  std::string kind = type.value_or("default");
  if (kind == "default")
    return rotary;
  if (kind == "linear") {
    rotary.scaling = Scaling::Linear;
    NIBBLE_TRY(rotary.factor, requireReal(parameters, "factor"));
  } else if (kind == "llama3" || kind == "yarn") {
    rotary.originalContext = original.value_or(context);
    if (rotary.originalContext <= 0)
      return failure(parameters.what() + ": original_max_position_embeddings is " +
                     std::to_string(rotary.originalContext) + "; expected a positive number");
    NIBBLE_CHECK(kind == "yarn" ? readYarn(parameters, context, rotary) : readLlama3(parameters, rotary));
  } else {
    return failure(parameters.what() + ": the rope_type is " + quotedName(kind) +
                   "; known are 'default', 'linear', 'llama3' and 'yarn'");
  }
  if (!(rotary.factor > 0 && rotary.factor < 1e9))
    return failure(parameters.what() + ": the factor is " + std::to_string(rotary.factor) +
                   "; expected a positive number");
  return rotary;
}
