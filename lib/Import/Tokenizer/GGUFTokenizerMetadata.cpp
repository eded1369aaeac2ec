//===- GGUFTokenizerMetadata.cpp - The tokenizer.ggml.* keys ----------------------------------===//

#include "nibble/Import/Tokenizer.h"
#include <limits>

using namespace nibble;

static Result<std::vector<std::string>> stringsIfAny(const GGUFFile &file, std::string_view key) {
  if (!file.has(key))
    return std::vector<std::string>();
  NIBBLE_TRY(auto views, file.strings(key));
  return std::vector<std::string>(views.begin(), views.end());
}

static Result<std::optional<int32_t>> idIfAny(const GGUFFile &file, const std::string &key) {
  if (!file.has(key))
    return std::nullopt;
  NIBBLE_TRY(int64_t id, file.integer(key));
  // Files without such a token may say so with the largest number of 32 bits.
  if (id == -1 || id == std::numeric_limits<uint32_t>::max())
    return std::nullopt;
  if (id < 0 || id >= tokenizer::largestVocabulary)
    return failure(file.path() + ": " + key + " is " + std::to_string(id) + ", which is no token");
  return static_cast<int32_t>(id);
}

static Result<std::optional<bool>> flagIfAny(const GGUFFile &file, std::string_view key) {
  if (!file.has(key))
    return std::nullopt;
  NIBBLE_TRY(bool flag, file.boolean(key));
  return flag;
}

Result<GGUFTokenizerMetadata> nibble::readGGUFTokenizerMetadata(const GGUFFile &file) {
  GGUFTokenizerMetadata metadata;
  metadata.source = file.path();
  NIBBLE_TRY(metadata.modelName, file.stringOr("general.name", ""));
  NIBBLE_TRY(metadata.model, file.string("tokenizer.ggml.model"));
  NIBBLE_TRY(metadata.preTokenizer, file.stringOr("tokenizer.ggml.pre", ""));
  NIBBLE_TRY(auto tokens, file.strings("tokenizer.ggml.tokens"));
  metadata.tokens.assign(tokens.begin(), tokens.end());
  NIBBLE_TRY(metadata.merges, stringsIfAny(file, "tokenizer.ggml.merges"));
  if (file.has("tokenizer.ggml.scores")) {
    NIBBLE_TRY(auto scores, file.reals("tokenizer.ggml.scores"));
    metadata.scores.assign(scores.begin(), scores.end());
  }
  if (file.has("tokenizer.ggml.token_type")) {
    NIBBLE_TRY(auto types, file.integers("tokenizer.ggml.token_type"));
    metadata.types.assign(types.begin(), types.end());
  }
  NIBBLE_TRY(metadata.bos, idIfAny(file, "tokenizer.ggml.bos_token_id"));
  NIBBLE_TRY(metadata.eos, idIfAny(file, "tokenizer.ggml.eos_token_id"));
  NIBBLE_TRY(metadata.unk, idIfAny(file, "tokenizer.ggml.unknown_token_id"));
  NIBBLE_TRY(metadata.pad, idIfAny(file, "tokenizer.ggml.padding_token_id"));
  NIBBLE_TRY(metadata.addBos, flagIfAny(file, "tokenizer.ggml.add_bos_token"));
  NIBBLE_TRY(metadata.addEos, flagIfAny(file, "tokenizer.ggml.add_eos_token"));
  NIBBLE_TRY(metadata.addSpacePrefix, flagIfAny(file, "tokenizer.ggml.add_space_prefix"));
  return metadata;
}
