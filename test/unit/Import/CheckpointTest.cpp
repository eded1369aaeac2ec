//===- CheckpointTest.cpp - Whole Hugging Face checkpoints: read, changed, damaged ------------===//

#include "nibble/Import/Import.h"

#include "lib/Import/HuggingFace/Safetensors.h"
#include "lib/Import/JsonObject.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <random>
#include <unistd.h>

using namespace nibble;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

static const fs::path tiny = fs::path(NIBBLE_TEST_DATA) / "tiny";

static Checkpoint openTiny(const char *name) {
  auto checkpoint = openCheckpoint((tiny / name).string());
  EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
  return checkpoint ? std::move(*checkpoint) : Checkpoint();
}

namespace {

/// A copy of a checkpoint that a test may change.
class Copy : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) / ("nibble-checkpoint-" + std::to_string(getpid()));
    take("llama");
  }
  void TearDown() override { fs::remove_all(folder); }

  void take(const char *name) {
    fs::remove_all(folder);
    fs::create_directories(folder.parent_path());
    fs::copy(tiny / name, folder);
  }
  std::string messageNow() {
    auto checkpoint = openCheckpoint(folder.string());
    return checkpoint ? "accepted" : checkpoint.error().message;
  }
  void write(const char *name, const std::string &text) {
    std::ofstream(folder / name, std::ios::binary) << text;
  }
  std::string slurp(const char *name) {
    std::ifstream file(folder / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void changeConfig(const nlohmann::json &changes) {
    auto config = nlohmann::json::parse(slurp("config.json"));
    config.update(changes);
    write("config.json", config.dump());
  }
  /// Replaces `from` by `to`, of equal length, in the header of model.safetensors.
  void changeHeader(const std::string &from, const std::string &to) {
    std::string bytes = slurp("model.safetensors");
    size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos);
    ASSERT_EQ(from.size(), to.size());
    bytes.replace(at, from.size(), to);
    write("model.safetensors", bytes);
  }

  fs::path folder;
};

using CheckpointFiles = Copy;

} // namespace

TEST(Checkpoint, ReadsEveryTinyModel) {
  unsigned read = 0;
  for (const auto &entry : fs::directory_iterator(tiny)) {
    if (!entry.is_directory())
      continue;
    SCOPED_TRACE(entry.path().filename().string());
    Checkpoint checkpoint = openTiny(entry.path().filename().c_str());
    ASSERT_TRUE(checkpoint.config.architecture);
    for (const WeightSpec &spec : weightsOf(checkpoint.config)) {
      const StoredTensor *tensor = checkpoint.parameters.find(spec.name);
      ASSERT_TRUE(tensor) << spec.name;
      EXPECT_EQ(tensor->shape, spec.shape) << spec.name;
      auto block = checkpoint.parameters.readRows(*tensor, 0, tensor->rows());
      ASSERT_TRUE(block) << block.error().message;
      double squares = 0;
      for (float value : block->values) {
        ASSERT_TRUE(std::isfinite(value)) << spec.name;
        squares += double(value) * value;
      }
      // make_tiny.py draws every weight from a normal distribution of about this size.
      EXPECT_GT(std::sqrt(squares / double(block->values.size())), 0.01) << spec.name;
    }
    EXPECT_TRUE(checkpoint.notes.empty());
    ++read;
  }
  EXPECT_EQ(read, 10u);
}

TEST(Checkpoint, FeaturesOfTheTinyModels) {
  Checkpoint mistral = openTiny("mistral-window");
  EXPECT_THAT(mistral.config.windows, ElementsAre(16, 16));
  EXPECT_EQ(mistral.config.headDim, 16);
  EXPECT_EQ(mistral.parameters.tensors().front().storage, StorageType::BF16);

  Checkpoint tied = openTiny("qwen2-tied");
  EXPECT_TRUE(tied.config.tiedHead);
  EXPECT_EQ(tied.parameters.find(kHeadName), tied.parameters.find(kEmbeddingName));
  EXPECT_THAT(tied.config.windows, ElementsAre(0, 0));
  EXPECT_THAT(openTiny("qwen2-window").config.windows, ElementsAre(0, 16, 16));

  Checkpoint llama = openTiny("llama");
  EXPECT_FALSE(llama.config.tiedHead);
  EXPECT_EQ(llama.parameters.tensors().size(), 3u + 2 * 9); // table, norm, head; nine weights a layer
  EXPECT_THAT(openTiny("llama-bias-tied").config.stopTokens, ElementsAre(2, 5));
}

TEST(Checkpoint, ReadsAliasOfTinyStories) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is not set";
  auto checkpoint = openCheckpoint(std::string(data) + "/models/TinyStories-656K");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint->config.tiedHead);
  const StoredTensor *table = checkpoint->parameters.find(kEmbeddingName);
  ASSERT_TRUE(table);
  EXPECT_EQ(table, checkpoint->parameters.find(kHeadName));
  EXPECT_EQ(table->shape, (std::vector<int64_t>{2048, 128}));
  auto segment = nlohmann::json::parse(checkpoint->templates);
  EXPECT_EQ(segment["bos_token"], "<|start_story|>");
  EXPECT_EQ(segment["unk_token"], "<unk>");
  EXPECT_TRUE(segment["templates"].empty());
}

TEST_F(CheckpointFiles, MissingExtraAndMisshapenWeightsAreNamed) {
  EXPECT_EQ(messageNow(), "accepted");
  changeHeader("model.norm.weight", "model.gain.weight");
  EXPECT_THAT(messageNow(),
              HasSubstr("has no weight 'model.norm.weight' [64], which the architecture llama needs"));
  take("llama");
  changeConfig({{"num_hidden_layers", 1}});
  EXPECT_THAT(messageNow(),
              HasSubstr("has the weight 'model.layers.1.input_layernorm.weight' (and 8 more), which "
                        "the architecture llama does not know"));
  take("llama");
  changeConfig({{"intermediate_size", 80}});
  EXPECT_THAT(messageNow(),
              HasSubstr("weight 'model.layers.0.mlp.gate_proj.weight' has the shape [88, 64]; the "
                        "configuration asks for [80, 64]"));
  take("llama");
  changeConfig({{"attention_bias", true}});
  EXPECT_THAT(messageNow(), HasSubstr("has no weight 'model.layers.0.self_attn.q_proj.bias' [64]"));
  take("llama");
  changeHeader(R"(weight":{"dtype":"F32")", R"(weight":{"dtype":"I32")");
  EXPECT_THAT(messageNow(), HasSubstr("is stored as I32; expected F32, F16, BF16"));
  take("llama-bias-tied");
  changeConfig({{"model_type", "mistral"}, {"architectures", {"MistralForCausalLM"}}});
  EXPECT_THAT(messageNow(), HasSubstr("mlp.down_proj.bias' (and 13 more), which the architecture mistral"));
}

TEST_F(CheckpointFiles, MissingFilesAreNamed) {
  fs::remove(folder / "model.safetensors");
  EXPECT_THAT(messageNow(), HasSubstr("has neither model.safetensors nor model.safetensors.index.json"));
  write("pytorch_model.bin", "x");
  EXPECT_THAT(messageNow(), HasSubstr("is a pickle, which is not read"));
  fs::remove(folder / "config.json");
  EXPECT_THAT(messageNow(), HasSubstr("has no config.json"));
  EXPECT_THAT(openCheckpoint("/nowhere/at/all").error().message,
              HasSubstr("there is no such file or folder"));
  EXPECT_THAT(openCheckpoint((tiny / "llama/model.safetensors").string()).error().message,
              HasSubstr("give its folder"));
}

TEST_F(CheckpointFiles, TieIsSettledByTheWeights) {
  // Not tied, by the configuration, but both stored.
  changeConfig({{"tie_word_embeddings", true}});
  auto differing = openCheckpoint(folder.string());
  ASSERT_TRUE(differing);
  EXPECT_FALSE(differing->config.tiedHead);
  ASSERT_EQ(differing->notes.size(), 1u);
  EXPECT_THAT(differing->notes[0], HasSubstr("both are stored and differ"));

  // Tied by the configuration, only the head stored: what safetensors keeps is a matter of chance.
  take("qwen2-tied");
  std::string bytes = slurp("model.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::string header = bytes.substr(8, length), data = bytes.substr(8 + length);
  header.replace(header.find("model.embed_tokens.weight"), 25, "lm_head.weight");
  length = header.size();
  write("model.safetensors", std::string(reinterpret_cast<char *>(&length), 8) + header + data);
  auto headOnly = openCheckpoint(folder.string());
  ASSERT_TRUE(headOnly) << headOnly.error().message;
  EXPECT_TRUE(headOnly->config.tiedHead);
  EXPECT_EQ(headOnly->parameters.find(kEmbeddingName)->name, kEmbeddingName);
  // The same without the configuration's word: the embedding is missing.
  changeConfig({{"tie_word_embeddings", false}});
  EXPECT_THAT(messageNow(), HasSubstr("has no weight 'model.embed_tokens.weight'"));
}

TEST_F(CheckpointFiles, ShardNamesStayInTheFolder) {
  take("qwen3");
  EXPECT_EQ(messageNow(), "accepted");
  auto index = nlohmann::json::parse(slurp("model.safetensors.index.json"));
  for (const char *name :
       {"../model-00001-of-00009.safetensors", "/etc/passwd", "..", "", "a/b.safetensors"}) {
    auto changed = index;
    changed["weight_map"]["model.norm.weight"] = name;
    write("model.safetensors.index.json", changed.dump());
    EXPECT_THAT(messageNow(), HasSubstr("is no plain name")) << name;
  }
  auto changed = index;
  changed["weight_map"]["model.norm.weight"] = 7;
  write("model.safetensors.index.json", changed.dump());
  EXPECT_THAT(messageNow(), HasSubstr("weight_map has no file name for 'model.norm.weight'"));
  changed = index;
  changed["weight_map"]["model.gone.weight"] = index["weight_map"]["model.norm.weight"];
  write("model.safetensors.index.json", changed.dump());
  EXPECT_THAT(messageNow(), HasSubstr("has no tensor 'model.gone.weight', which"));
  write("model.safetensors.index.json", "{}");
  EXPECT_THAT(messageNow(), HasSubstr("has no 'weight_map'"));
  write("model.safetensors.index.json", index.dump());
  std::string shard = index["weight_map"]["model.norm.weight"];
  fs::remove(folder / shard);
  EXPECT_THAT(messageNow(), HasSubstr(shard + ": cannot open it"));
}

TEST_F(CheckpointFiles, LinksStayInTheFolderOrTheCache) {
  fs::path outside = folder.string() + "-outside";
  fs::create_directories(outside);
  fs::rename(folder / "model.safetensors", outside / "model.safetensors");
  fs::create_symlink(outside / "model.safetensors", folder / "model.safetensors");
  EXPECT_THAT(messageNow(), HasSubstr("model.safetensors: is a link that leaves the checkpoint's folder"));
  fs::remove(folder / "model.safetensors");
  fs::rename(outside / "model.safetensors", folder / "weights");
  fs::create_symlink("weights", folder / "model.safetensors");
  EXPECT_EQ(messageNow(), "accepted");

  // As huggingface_hub keeps what it downloads: snapshots/REVISION/NAME is a link to ../../blobs/HASH.
  fs::path snapshot = outside / "models--me--tiny/snapshots/0123", blobs = outside / "models--me--tiny/blobs";
  fs::create_directories(snapshot);
  fs::create_directories(blobs);
  for (const char *name : {"config.json", "model.safetensors"}) {
    fs::copy_file(tiny / "llama" / name, blobs / (std::string("hash-") + name));
    fs::create_symlink(std::string("../../blobs/hash-") + name, snapshot / name);
  }
  auto cached = openCheckpoint(snapshot.string());
  EXPECT_TRUE(cached) << cached.error().message;
  fs::remove_all(outside);
}

TEST_F(CheckpointFiles, TemplatesComeFromEveryPlace) {
  write("tokenizer_config.json", R"({"chat_template": "A", "bos_token": "<s>",
         "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  write("special_tokens_map.json", R"({"bos_token": "other", "pad_token": "<pad>"})");
  auto segment = [&] { return nlohmann::json::parse(openCheckpoint(folder.string())->templates); };
  EXPECT_EQ(segment(), nlohmann::json::parse(R"({"templates": {"default": "A"}, "bos_token": "<s>",
         "eos_token": "</s>", "pad_token": "<pad>"})"));
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "B"},
         {"name": "tool_use", "template": "C"}]})");
  EXPECT_EQ(segment()["templates"], nlohmann::json::parse(R"({"default": "B", "tool_use": "C"})"));
  write("chat_template.jinja", "D é");
  fs::create_directories(folder / "additional_chat_templates");
  write("additional_chat_templates/rag.jinja", "E");
  write("additional_chat_templates/notes.txt", "F");
  EXPECT_EQ(segment()["templates"],
            nlohmann::json::parse(R"({"default": "D é", "tool_use": "C", "rag": "E"})"));
  write("chat_template.jinja", "\xff");
  EXPECT_THAT(messageNow(), HasSubstr("is not valid UTF-8"));
  write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_THAT(messageNow(),
              HasSubstr("'chat_template' should be a string or a list of named templates, found 7"));
}

TEST_F(CheckpointFiles, DamagedWeightsAreRefusedOrRead) {
  std::string whole = slurp("model.safetensors");
  std::mt19937_64 random(11);
  unsigned refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bytes = whole;
    // Flips are aimed at the header, where they do harm, in half of the cases.
    size_t reach = i % 4 == 0 ? 2500 : whole.size();
    if (i % 2)
      bytes.resize(random() % whole.size());
    else
      bytes[random() % reach] ^= char(1 + random() % 255);
    write("model.safetensors", bytes);
    auto checkpoint = openCheckpoint(folder.string());
    if (!checkpoint) {
      EXPECT_FALSE(checkpoint.error().message.empty());
      ++refused;
      continue;
    }
    EXPECT_EQ(i % 2, 0) << "a truncated file was accepted";
    for (const StoredTensor &tensor : checkpoint->parameters.tensors())
      EXPECT_TRUE(checkpoint->parameters.readRows(tensor, 0, tensor.rows()));
  }
  EXPECT_GT(refused, 250u);
  EXPECT_LT(refused, 400u);
}

TEST_F(CheckpointFiles, DamagedConfigurationsAreRefusedOrRead) {
  std::string whole = slurp("config.json");
  std::mt19937_64 random(13);
  for (int i = 0; i < 400; ++i) {
    std::string text = whole;
    if (i % 2)
      text.resize(1 + random() % (whole.size() - 1));
    else
      text[random() % whole.size()] ^= char(1 + random() % 255);
    write("config.json", text);
    auto checkpoint = openCheckpoint(folder.string());
    if (!checkpoint) {
      EXPECT_FALSE(checkpoint.error().message.empty());
    }
  }
}
