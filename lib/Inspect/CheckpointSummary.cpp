//===- CheckpointSummary.cpp - What is in a checkpoint ----------------------------------------===//
#include "lib/Inspect/Summary.h"

#include "lib/Inspect/Names.h"
#include "lib/Inspect/Table.h"
#include "lib/Inspect/Weights.h"

#include <map>

using namespace nibble;
using Json = nlohmann::ordered_json;

static Json describeRotary(const RotaryConfig &rotary) {
  Json json = {{"theta", rotary.theta}};
  switch (rotary.scaling) {
  case RotaryConfig::Scaling::None:
    json["scaling"] = "none";
    break;
  case RotaryConfig::Scaling::Linear:
    json["scaling"] = "linear";
    json["factor"] = rotary.factor;
    break;
  case RotaryConfig::Scaling::Llama3:
    json.update({{"scaling", "llama3"},
                 {"factor", rotary.factor},
                 {"original_context", rotary.originalContext},
                 {"low_frequency_factor", rotary.lowFrequencyFactor},
                 {"high_frequency_factor", rotary.highFrequencyFactor}});
    break;
  case RotaryConfig::Scaling::Yarn:
    json.update({{"scaling", "yarn"},
                 {"factor", rotary.factor},
                 {"original_context", rotary.originalContext},
                 {"beta_fast", rotary.betaFast},
                 {"beta_slow", rotary.betaSlow}});
    break;
  }
  if (!rotary.divisors.empty())
    json["divisors"] = rotary.divisors.size();
  return json;
}

static Json describeModel(const ModelConfig &config) {
  Json json = {{"architecture", config.architecture->name},
               {"name", config.name},
               {"layers", config.layers},
               {"hidden", config.hidden},
               {"intermediate", config.intermediate},
               {"heads", config.heads},
               {"kv_heads", config.kvHeads},
               {"head_dim", config.headDim},
               {"vocabulary", config.vocabulary},
               {"context", config.context},
               {"norm_epsilon", config.normEpsilon},
               {"rotary", describeRotary(config.rotary)},
               {"windows", config.windows},
               {"query_key_value_bias", config.queryKeyValueBias},
               {"output_bias", config.outputBias},
               {"feed_forward_bias", config.feedForwardBias},
               {"query_key_norm", config.queryKeyNorm},
               {"tied_head", config.tiedHead}};
  json["bos_token_id"] = config.bosToken ? Json(*config.bosToken) : Json();
  json["eos_token_ids"] = config.stopTokens;
  return json;
}

Json nibble::describe(const Checkpoint &checkpoint) {
  std::vector<WeightRow> rows;
  for (const StoredTensor &tensor : checkpoint.parameters.tensors())
    rows.push_back({tensor.name, std::vector<uint64_t>(tensor.shape.begin(), tensor.shape.end()),
                    storageName(tensor.storage), "", "", tensor.bytes.size()});
  Json templates = Json::array();
  // The importer wrote this text.
  Json parsed = checkpoint.templates.empty() ? Json() : Json::parse(checkpoint.templates, nullptr, false);
  if (parsed.is_object() && parsed.contains("templates"))
    for (const auto &[name, source] : parsed["templates"].items())
      templates.push_back(name);
  return {{"kind", "checkpoint"},
          {"file", checkpoint.path},
          {"container",
           checkpoint.gguf ? "GGUF version " + std::to_string(checkpoint.gguf->version()) : "Hugging Face"},
          {"model", describeModel(checkpoint.config)},
          {"templates", std::move(templates)},
          {"notes", checkpoint.notes},
          {"weights", describeWeights(rows)}};
}

static std::string numberText(double value) {
  std::string text = fixedText(value, 6);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with("."))
    text.pop_back();
  return text;
}

static std::string rotaryText(const Json &rotary) {
  std::string text = "theta " + numberText(rotary["theta"].get<double>());
  if (rotary["scaling"] != "none")
    text += ", " + rotary["scaling"].get<std::string>() + " scaling by " +
            numberText(rotary["factor"].get<double>());
  if (rotary.contains("original_context"))
    text += " from " + std::to_string(rotary["original_context"].get<int64_t>()) + " positions";
  if (rotary.contains("divisors"))
    text += ", with divisors in the file";
  return text;
}

/// "4096 in layers 0-15"; empty where every layer attends to all positions.
static std::string windowText(const Json &windows) {
  std::map<int64_t, std::vector<uint64_t>> layers;
  for (size_t i = 0; i < windows.size(); ++i)
    if (int64_t window = windows[i].get<int64_t>())
      layers[window].push_back(i);
  std::string text;
  for (const auto &[window, numbers] : layers)
    text += (text.empty() ? "" : "; ") + std::to_string(window) +
            (numbers.size() == windows.size() ? "" : " in layers " + rangesText(numbers));
  return text;
}

static std::string listText(const Json &list) {
  std::string text;
  for (const Json &element : list)
    text += (text.empty() ? "" : ", ") +
            (element.is_string() ? element.get<std::string>() : std::to_string(element.get<int64_t>()));
  return text.empty() ? "none" : text;
}

void nibble::printCheckpoint(llvm::raw_ostream &stream, const Json &description, bool everyLayer) {
  const Json &model = description["model"];
  std::string name = model["name"].get<std::string>();
  stream << (name.empty() ? "model" : printable(name)) << " (" << model["architecture"].get<std::string>()
         << "), " << description["container"].get<std::string>() << " checkpoint\n";
  auto number = [&](const char *key) { return std::to_string(model[key].get<int64_t>()); };
  Table table({"", ""});
  table.add({"layers", number("layers")});
  table.add({"hidden", number("hidden") + ", feed-forward " + number("intermediate")});
  table.add({"heads", number("heads") + " of " + number("head_dim") + ", " + number("kv_heads") +
                          " of keys and values"});
  table.add({"vocabulary", number("vocabulary") + (model["tied_head"].get<bool>() ? ", head tied" : "")});
  table.add({"context", number("context")});
  table.add({"rotary", rotaryText(model["rotary"])});
  if (std::string windows = windowText(model["windows"]); !windows.empty())
    table.add({"window", windows});
  std::string extras;
  for (auto [key, text] : {std::pair{"query_key_value_bias", "biases of q, k, v"},
                           {"output_bias", "bias of o"},
                           {"feed_forward_bias", "biases of the feed-forward"},
                           {"query_key_norm", "norms of q, k"}})
    if (model[key].get<bool>())
      extras += (extras.empty() ? "" : ", ") + std::string(text);
  if (!extras.empty())
    table.add({"has", extras});
  table.add({"first token", model["bos_token_id"].is_null()
                                ? "none"
                                : std::to_string(model["bos_token_id"].get<int64_t>())});
  table.add({"end tokens", listText(model["eos_token_ids"])});
  table.add({"templates", listText(description["templates"])});
  table.print(stream, 2);
  for (const Json &note : description["notes"])
    stream << "  note: " << printable(note.get<std::string>()) << "\n";
  stream << "\n";
  printWeights(stream, description["weights"], everyLayer);
}
