//===- ConfigTest.cpp - config.json as transformers 4 and 5 write it, and as nobody should ----===//
//
// Expected values are what transformers 5 makes of the same file (its configuration classes).
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Import/HuggingFace/HuggingFace.h"
#include "lib/Import/JsonObject.h"

#include <gmock/gmock.h>

using namespace nibble;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

static json base(const char *type, const char *className) {
  return {{"model_type", type},
          {"architectures", {className}},
          {"hidden_size", 64},
          {"intermediate_size", 88},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 100},
          {"max_position_embeddings", 256}};
}
static json llama() { return base("llama", "LlamaForCausalLM"); }
static json mistral() { return base("mistral", "MistralForCausalLM"); }
static json qwen2() { return base("qwen2", "Qwen2ForCausalLM"); }
static json qwen3() { return base("qwen3", "Qwen3ForCausalLM"); }

static json with(json config, const json &changes) {
  config.update(changes);
  return config;
}
static json lacking(json config, const char *key) {
  config.erase(key);
  return config;
}

static ModelConfig read(const json &config) {
  auto result = readConfig(config, "config.json");
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? *result : ModelConfig();
}
static std::string messageOf(const json &config) {
  auto result = readConfig(config, "config.json");
  return result ? "accepted" : result.error().message;
}

TEST(Config, SizesAndTheirDefaults) {
  ModelConfig config = read(llama());
  EXPECT_EQ(config.architecture->name, "llama");
  EXPECT_EQ(config.hidden, 64);
  EXPECT_EQ(config.headDim, 16);
  EXPECT_EQ(config.kvHeads, 2);
  EXPECT_EQ(config.normEpsilon, 1e-6);
  EXPECT_EQ(config.rotary.theta, 10000);
  EXPECT_FALSE(config.tiedHead);
  EXPECT_EQ(config.bosToken, 1);
  EXPECT_THAT(config.stopTokens, ElementsAre(2));
  EXPECT_THAT(config.windows, ElementsAre(0, 0, 0));

  EXPECT_EQ(read(lacking(llama(), "num_key_value_heads")).kvHeads, 4);
  EXPECT_EQ(read(with(mistral(), {{"num_attention_heads", 8}, {"num_key_value_heads", nullptr}})).kvHeads, 8);
  EXPECT_EQ(read(lacking(with(mistral(), {{"num_attention_heads", 16}}), "num_key_value_heads")).kvHeads, 8);
  EXPECT_EQ(read(with(llama(), {{"head_dim", 24}})).headDim, 24);
  EXPECT_EQ(read(with(llama(), {{"head_dim", nullptr}})).headDim, 16);
  EXPECT_EQ(read(qwen3()).headDim, 128);
  EXPECT_EQ(read(lacking(llama(), "max_position_embeddings")).context, 2048);
}

TEST(Config, StopTokensAreAUnion) {
  json generation = {{"eos_token_id", {7, 2}}, {"temperature", 0.6}, {"top_k", 20},
                     {"top_p", 0.95},          {"do_sample", true},  {"pad_token_id", 0}};
  ModelConfig config = read(with(llama(), {{"eos_token_id", {9, 2}}, {"bos_token_id", nullptr}}));
  EXPECT_EQ(config.bosToken, std::nullopt);
  EXPECT_THAT(config.stopTokens, ElementsAre(2, 9));
  ASSERT_TRUE(readGenerationConfig(generation, "generation_config.json", config));
  EXPECT_THAT(config.stopTokens, ElementsAre(2, 7, 9));
  EXPECT_EQ(config.generation.temperature, 0.6);
  EXPECT_EQ(config.generation.topK, 20);
  EXPECT_EQ(config.generation.topP, 0.95);
  EXPECT_EQ(config.generation.minP, std::nullopt);
  EXPECT_EQ(config.generation.sample, true);
  auto wrong = readGenerationConfig({{"top_k", "20"}}, "generation_config.json", config);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "generation_config.json: 'top_k' should be an integer, found \"20\"");
}

TEST(Config, BiasesFollowTheArchitecture) {
  ModelConfig plain = read(llama());
  EXPECT_FALSE(plain.queryKeyValueBias || plain.outputBias || plain.feedForwardBias || plain.queryKeyNorm);
  ModelConfig biased = read(with(llama(), {{"attention_bias", true}, {"mlp_bias", true}}));
  EXPECT_TRUE(biased.queryKeyValueBias && biased.outputBias && biased.feedForwardBias);
  ModelConfig two = read(qwen2());
  EXPECT_TRUE(two.queryKeyValueBias);
  EXPECT_FALSE(two.outputBias || two.queryKeyNorm);
  ModelConfig three = read(with(qwen3(), {{"attention_bias", true}, {"mlp_bias", true}}));
  EXPECT_TRUE(three.queryKeyValueBias && three.outputBias && three.queryKeyNorm);
  EXPECT_FALSE(three.feedForwardBias) << "transformers' Qwen3 does not read mlp_bias";
}

TEST(Config, Windows) {
  EXPECT_THAT(read(with(llama(), {{"sliding_window", 16}})).windows, ElementsAre(0, 0, 0));
  EXPECT_THAT(read(with(mistral(), {{"sliding_window", 16}})).windows, ElementsAre(16, 16, 16));
  EXPECT_THAT(read(with(mistral(), {{"sliding_window", nullptr}})).windows, ElementsAre(0, 0, 0));
  EXPECT_THAT(read(mistral()).windows, ElementsAre(4096, 4096, 4096));
  EXPECT_THAT(read(with(qwen2(), {{"sliding_window", 16}, {"max_window_layers", 1}})).windows,
              ElementsAre(0, 0, 0));
  json on = {{"sliding_window", 16}, {"max_window_layers", 1}, {"use_sliding_window", true}};
  EXPECT_THAT(read(with(qwen2(), on)).windows, ElementsAre(0, 16, 16));
  EXPECT_THAT(read(with(qwen3(), on)).windows, ElementsAre(0, 16, 16));
  on["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
  EXPECT_THAT(read(with(qwen2(), on)).windows, ElementsAre(16, 0, 16));
  on["layer_types"] = {"sliding_attention"};
  EXPECT_THAT(messageOf(with(qwen2(), on)), HasSubstr("layer_types has 1 entries"));
  on["layer_types"] = {"full_attention", "full_attention", "linear_attention"};
  EXPECT_THAT(messageOf(with(qwen2(), on)), HasSubstr("names 'linear_attention'"));
  on["layer_types"] = {"full_attention", "full_attention", "sliding_attention"};
  on["use_sliding_window"] = false;
  EXPECT_THAT(messageOf(with(qwen2(), on)), HasSubstr("but there is no window"));
  EXPECT_THAT(messageOf(with(mistral(), {{"sliding_window", 0}})), HasSubstr("null or a positive integer"));
}

TEST(Config, RotaryIsSpelledInTwoWays) {
  json four = {{"rope_theta", 5e5},
               {"rope_scaling",
                {{"rope_type", "llama3"},
                 {"factor", 8.0},
                 {"low_freq_factor", 1.0},
                 {"high_freq_factor", 4.0},
                 {"original_max_position_embeddings", 64}}}};
  json five = {{"rope_parameters", four["rope_scaling"]}};
  five["rope_parameters"]["rope_theta"] = 5e5;
  for (const json &spelling : {four, five}) {
    RotaryConfig rotary = read(with(llama(), spelling)).rotary;
    EXPECT_EQ(rotary.scaling, RotaryConfig::Scaling::Llama3);
    EXPECT_EQ(rotary.theta, 5e5);
    EXPECT_EQ(rotary.factor, 8);
    EXPECT_EQ(rotary.originalContext, 64);
  }
  json old = {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}, {"rope_theta", 20000}};
  RotaryConfig linear = read(with(llama(), old)).rotary;
  EXPECT_EQ(linear.scaling, RotaryConfig::Scaling::Linear);
  EXPECT_EQ(linear.theta, 20000);
  EXPECT_EQ(linear.factor, 2);
  // Without an original context the model's own stands in for it.
  json yarn = {{"rope_parameters", {{"rope_type", "yarn"}, {"factor", 2.0}, {"rope_theta", 1e4}}}};
  EXPECT_EQ(read(with(llama(), yarn)).rotary.originalContext, 256);
}

TEST(Config, EachRefusalNamesTheKey) {
  struct Case {
    json config;
    const char *message;
  };
  json named = {{"model_type", "gpt2"}, {"architectures", {"GPT2LMHeadModel"}}};
  const Case cases[] = {
      {json::array(), "config.json: expected an object"},
      {named, "unknown architecture 'gpt2' (model_type); known are llama, mistral, qwen2, qwen3"},
      {with(llama(), {{"architectures", {"LlamaForSequenceClassification"}}}), "expected LlamaForCausalLM"},
      {lacking(llama(), "hidden_size"), "has no 'hidden_size'"},
      {with(llama(), {{"hidden_size", "64"}}), "'hidden_size' should be an integer, found \"64\""},
      {with(llama(), {{"hidden_size", 64.5}}), "'hidden_size' should be an integer"},
      {with(llama(), {{"hidden_size", -64}}), "the hidden size is -64"},
      {with(llama(), {{"num_hidden_layers", 1000000000}}), "the number of layers is 1000000000"},
      {with(llama(), {{"num_hidden_layers", 18446744073709551615u}}), "should be an integer"},
      {with(llama(), {{"num_attention_heads", 0}}), "the number of attention heads is 0"},
      {with(llama(), {{"num_key_value_heads", 3}}), "4 attention heads cannot share 3 key-value heads"},
      {with(llama(), {{"head_dim", 15}}), "the head dimension is 15"},
      {with(llama(), {{"hidden_act", "gelu"}}), "the activation is 'gelu'"},
      {with(llama(), {{"rms_norm_eps", 0}}), "the epsilon of the RMS norms"},
      {with(llama(), {{"rope_theta", -1}}), "rope_theta"},
      {with(llama(), {{"partial_rotary_factor", 0.5}}), "partial_rotary_factor is 0.5"},
      {with(llama(), {{"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}}), "the rope_type is 'dynamic'"},
      {with(llama(), {{"rope_scaling", {{"type", "linear"}}}}), "rope_scaling has no 'factor'"},
      {with(llama(), {{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}}), "the factor is 0"},
      {with(llama(), {{"rope_scaling", "linear"}}), "rope_scaling: expected an object"},
      {with(llama(), {{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}}),
       "differs by type of layer"},
      {with(llama(), {{"quantization_config", {{"quant_method", "gptq"}}}}), "is quantized by 'gptq'"},
      {with(llama(), {{"tie_word_embeddings", 1}}), "'tie_word_embeddings' should be true or false"},
      {with(llama(), {{"eos_token_id", "</s>"}}), "'eos_token_id' should be an integer or a list"},
  };
  for (const Case &c : cases)
    EXPECT_THAT(messageOf(c.config), HasSubstr(c.message)) << c.config.dump();
}

TEST(Config, NameIsNeverAPath) {
  EXPECT_EQ(read(llama()).name, "llama");
  EXPECT_EQ(read(with(llama(), {{"_name_or_path", "meta-llama/Llama-3.2-1B"}})).name, "Llama-3.2-1B");
  EXPECT_EQ(read(with(llama(), {{"_name_or_path", "/home/me/out/"}})).name, "out");
}
