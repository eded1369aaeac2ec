//===- GGUFTemplates.cpp - Templates, special tokens and stop ids of a GGUF file --------------===//

#include "GGUFModel.h"

#include "../JsonObject.h"

#include <algorithm>

using namespace nibble;
using nlohmann::json;

static constexpr size_t largestTemplate = 1u << 20; // bytes

/// tokenizer.chat_template, and tokenizer.chat_template.NAME of models that have several.
static Result<json> readTemplates(const GGUFFile &file) {
  json templates = json::object();
  const std::string_view key = "tokenizer.chat_template";
  for (std::string_view name : file.keys()) {
    if (!name.starts_with(key) || (name.size() > key.size() && name[key.size()] != '.'))
      continue;
    NIBBLE_TRY(auto source, file.string(name));
    if (source.size() > largestTemplate)
      return failure(file.path() + ": " + quotedName(name) + " has " + std::to_string(source.size()) +
                     " bytes; expected at most " + std::to_string(largestTemplate));
    templates[name.size() > key.size() ? std::string(name.substr(key.size() + 1)) : "default"] = source;
  }
  return templates;
}

Result<std::string> nibble::readGGUFTokenizerKeys(const GGUFFile &file, ModelConfig &config) {
  json segment;
  NIBBLE_TRY(segment["templates"], readTemplates(file));
  std::vector<std::string_view> tokens;
  if (file.has("tokenizer.ggml.tokens")) {
    NIBBLE_TRY(tokens, file.strings("tokenizer.ggml.tokens"));
  }
  struct SpecialToken {
    const char *key;       // of the file
    std::string_view name; // in templates; empty: they do not read it
    bool stops;            // generation ends there
  };
  static constexpr SpecialToken special[] = {
      {"tokenizer.ggml.bos_token_id", "bos_token", false},
      {"tokenizer.ggml.eos_token_id", "eos_token", true},
      {"tokenizer.ggml.eot_token_id", "", true},
      {"tokenizer.ggml.eom_token_id", "", true},
      {"tokenizer.ggml.unknown_token_id", "unk_token", false},
      {"tokenizer.ggml.padding_token_id", "pad_token", false},
  };
  for (const SpecialToken &token : special) {
    if (!file.has(token.key))
      continue;
    NIBBLE_TRY(auto id, file.integer(token.key));
    if (id < 0 || id >= config.vocabulary)
      continue; // writers put -1 or 2^32 - 1 for none
    if (token.stops)
      config.stopTokens.push_back(id);
    if (!token.name.empty() && uint64_t(id) < tokens.size())
      segment[std::string(token.name)] = tokens[id];
    if (token.name == "bos_token")
      config.bosToken = id;
  }
  std::ranges::sort(config.stopTokens);
  auto repeats = std::ranges::unique(config.stopTokens);
  config.stopTokens.erase(repeats.begin(), repeats.end());
  try {
    return segment.dump();
  } catch (const json::exception &) {
    return failure(file.path() + ": a chat template or special token is not valid UTF-8");
  }
}
