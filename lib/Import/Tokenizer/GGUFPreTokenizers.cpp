//===- GGUFPreTokenizers.cpp - What tokenizer.ggml.pre means
//----------------------------------------------===//
//
// Names as llama.cpp's converter writes them; patterns as in the models' own tokenizer.json files.
//
//===------------------------------------------------------------------------------------------------------===//

#include "GGUFPreTokenizers.h"
#include "HuggingFaceComponents.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::tokenizer;

// The descendants of GPT-4's pattern differ in how many digits go together and in what makes a word.
static constexpr const char *llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *qwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *gpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *deepseekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
static constexpr const char *asianLetters = "[一-龥ࠀ-一가-퟿]+";

namespace {

struct Entry {
  std::vector<std::string_view> names;
  GGUFPreTokenizer preTokenizer;
};

} // namespace

static const std::vector<Entry> &entries() {
  static const std::vector<Entry> table = {
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {{llama3}, /*ignoreMerges=*/true, /*addsBos=*/true}},
      {{"smaug-bpe"}, {{llama3}, /*ignoreMerges=*/true}},
      {{"dbrx", "chatglm-bpe", "glm4"}, {{llama3}}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan"}, {{qwen2}}},
      {{"qwen35"}, {{qwen35}}},
      {{"gpt-4o", "llama4"}, {{gpt4o}}},
      {{"tekken"}, {{tekken}, /*ignoreMerges=*/true, /*addsBos=*/true}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "mellum", "gigachat"},
       {{gpt2Pattern}}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
       {{R"(\p{N})", gpt2Pattern}}},
      {{"deepseek-v3"}, {{R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", deepseekV3}}},
      {{"deepseek-coder"}, {{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", asianLetters, R"(\p{N})"}}},
      {{"falcon"}, {{R"([\p{P}\$\+<=>\^~\|`]+)", gpt2Pattern, "[0-9][0-9][0-9]"}}},
      {{"default", ""}, {{R"([\p{P}\$\+<=>\^~\|]+)", gpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}}},
  };
  return table;
}

Result<GGUFPreTokenizer> tokenizer::findGGUFPreTokenizer(std::string_view name) {
  std::string known;
  for (const Entry &entry : entries()) {
    if (std::ranges::find(entry.names, name) != entry.names.end())
      return entry.preTokenizer;
    for (std::string_view other : entry.names)
      if (!other.empty())
        (known += known.empty() ? "" : ", ") += other;
  }
  return failure("tokenizer.ggml.pre is \"" + std::string(name) + "\", which is not known; known are " +
                 known +
                 ". The model's Hugging Face folder has its tokenizer.json, which needs no such name");
}
