//===- GGUFImportTest.cpp - GGUF files against the checkpoints that they were made of ---------===//
//
// python/fixtures/make_gguf.py converts test/data/tiny to test/data/gguf by the gguf package, so that every
// name, hyperparameter and row here was written by another program.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/Import.h"
#include "nibble/Quantize/Dequantize.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <random>
#include <unistd.h>

using namespace nibble;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

static const fs::path data = NIBBLE_TEST_DATA;

static Checkpoint open(const fs::path &path) {
  auto checkpoint = openCheckpoint(path.string());
  EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
  return checkpoint ? std::move(*checkpoint) : Checkpoint();
}

static RowBlock all(const Checkpoint &checkpoint, const std::string &name) {
  const StoredTensor *tensor = checkpoint.parameters.find(name);
  auto block = checkpoint.parameters.readRows(name, 0, tensor ? tensor->rows() : 0);
  EXPECT_TRUE(block) << (block ? "" : block.error().message);
  return block ? *block : RowBlock();
}

/// How far a value may move when it is stored so: half a step of its format.
static double tolerance(const RowBlock &stored, size_t at, double value) {
  switch (stored.format.element) {
  case Element::F32:
    return 0;
  case Element::F16:
    return std::abs(value) * 0x1p-11 + 0x1p-25;
  case Element::BF16:
    return std::abs(value) * 0x1p-8;
  case Element::Int8: // 127 steps to the largest of 32, whose scale is an f16
  case Element::Int4: {
    RowBlock one{stored.format, 1, 32, {}, std::vector<int8_t>(32, 1), {stored.scales[at / 32]}, {}};
    if (stored.format.zero == Zero::Minimum)
      one.zeros = {0};
    double scale = std::abs(dequantize(one)->values[0]);
    return stored.format.element == Element::Int8 ? scale * 0.57 + 1e-6 : scale * 1.01 + 1e-3;
  }
  case Element::IQ4: {
    // The table's widest gap is 24; where the largest element is the other end, 14 are cut from 127 to 113.
    // Code 1 is -104.
    RowBlock one{stored.format, 1, 32, {}, std::vector<int8_t>(32, 1), {stored.scales[at / 32]}, {}};
    return std::abs(dequantize(one)->values[0]) / 104 * 15 + 1e-3;
  }
  case Element::NF4:
  case Element::FP4:
  case Element::E2M1:
    ADD_FAILURE() << "GGUF has no such codebook";
  }
  return 0;
}

static void expectSameWeights(const Checkpoint &file, const Checkpoint &source) {
  ASSERT_EQ(file.parameters.tensors().size(), source.parameters.tensors().size());
  for (const StoredTensor &tensor : source.parameters.tensors()) {
    SCOPED_TRACE(tensor.name);
    const StoredTensor *stored = file.parameters.find(tensor.name);
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->shape, tensor.shape);
    RowBlock block = all(file, tensor.name);
    std::vector<float> values = dequantize(block)->values, expected = all(source, tensor.name).values;
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(values[i], expected[i], tolerance(block, i, expected[i])) << i;
  }
}

static void expectSameConfig(const ModelConfig &file, const ModelConfig &source) {
  EXPECT_EQ(file.architecture, source.architecture);
  EXPECT_EQ(file.layers, source.layers);
  EXPECT_EQ(file.hidden, source.hidden);
  EXPECT_EQ(file.intermediate, source.intermediate);
  EXPECT_EQ(file.heads, source.heads);
  EXPECT_EQ(file.kvHeads, source.kvHeads);
  EXPECT_EQ(file.headDim, source.headDim);
  EXPECT_EQ(file.vocabulary, source.vocabulary);
  EXPECT_EQ(file.context, source.context);
  EXPECT_FLOAT_EQ(float(file.normEpsilon), float(source.normEpsilon));
  EXPECT_EQ(file.windows, source.windows);
  EXPECT_EQ(file.queryKeyValueBias, source.queryKeyValueBias);
  EXPECT_EQ(file.outputBias, source.outputBias);
  EXPECT_EQ(file.feedForwardBias, source.feedForwardBias);
  EXPECT_EQ(file.queryKeyNorm, source.queryKeyNorm);
  EXPECT_EQ(file.tiedHead, source.tiedHead);
  EXPECT_EQ(file.bosToken, source.bosToken);
  EXPECT_EQ(file.stopTokens, source.stopTokens);
  RotaryConfig truncated = source.rotary;
  truncated.truncate = true; // GGUF cannot say otherwise
  RotaryTable ours = rotaryTable(file.rotary, file.headDim), theirs = rotaryTable(truncated, source.headDim);
  ASSERT_EQ(ours.inverseFrequencies.size(), theirs.inverseFrequencies.size());
  for (size_t i = 0; i < ours.inverseFrequencies.size(); ++i)
    EXPECT_NEAR(ours.inverseFrequencies[i] / theirs.inverseFrequencies[i], 1, 1e-6) << i;
  EXPECT_NEAR(ours.attentionFactor, theirs.attentionFactor, 1e-6);
}

TEST(GGUFImport, EqualsTheCheckpointItWasMadeOf) {
  unsigned read = 0;
  for (const auto &entry : fs::directory_iterator(data / "gguf")) {
    std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".gguf" || name.starts_with("split"))
      continue;
    SCOPED_TRACE(name);
    Checkpoint file = open(entry.path());
    Checkpoint source = open(data / "tiny" / name.substr(0, name.find_last_of('-')));
    ASSERT_TRUE(file.config.architecture && source.config.architecture);
    expectSameConfig(file.config, source.config);
    expectSameWeights(file, source);
    EXPECT_EQ(file.config.name, name.substr(0, name.find_last_of('-')));
    EXPECT_TRUE(file.gguf);
    ++read;
  }
  EXPECT_EQ(read, 14u);
}

TEST(GGUFImport, FormatsAreKept) {
  auto formatOfQuery = [&](const char *file) {
    return all(open(data / "gguf" / file), "model.layers.0.self_attn.q_proj.weight").format;
  };
  EXPECT_EQ(formatOfQuery("llama-F16.gguf"), (Format{Element::F16, 0, Zero::None}));
  EXPECT_EQ(formatOfQuery("llama-BF16.gguf"), (Format{Element::BF16, 0, Zero::None}));
  EXPECT_EQ(formatOfQuery("llama-Q8_0.gguf"), (Format{Element::Int8, 32, Zero::None}));
  EXPECT_EQ(formatOfQuery("llama-Q4_0.gguf"), (Format{Element::Int4, 32, Zero::None}));
  EXPECT_EQ(formatOfQuery("llama-Q4_1.gguf"), (Format{Element::Int4, 32, Zero::Minimum}));
}

TEST(GGUFImport, RotaryRowsKeepTheirCodesAndScales) {
  Checkpoint file = open(data / "gguf/llama-Q4_0.gguf");
  const GGUFTensor *raw = file.gguf->findTensor("blk.1.attn_k.weight");
  ASSERT_TRUE(raw);
  RowBlock block = all(file, "model.layers.1.self_attn.k_proj.weight");
  ASSERT_EQ(block.rows, 32); // 2 heads of 16
  const size_t rowBytes = 2 * 18;
  for (int64_t row = 0; row < block.rows; ++row) {
    int64_t head = row / 16, i = row % 16;
    int64_t stored = head * 16 + (i < 8 ? 2 * i : 2 * (i - 8) + 1); // reference/FORMATS 11.5
    for (int64_t group = 0; group < 2; ++group) {
      const auto *bytes =
          reinterpret_cast<const uint8_t *>(raw->data.data()) + stored * rowBytes + group * 18;
      EXPECT_EQ(block.scales[row * 2 + group], bytes[0] | bytes[1] << 8);
      for (int64_t k = 0; k < 16; ++k) {
        EXPECT_EQ(block.codes[row * 64 + group * 32 + k], (bytes[2 + k] & 15) - 8);
        EXPECT_EQ(block.codes[row * 64 + group * 32 + 16 + k], (bytes[2 + k] >> 4) - 8);
      }
    }
  }
}

TEST(GGUFImport, SplitModelsAreOne) {
  Checkpoint split = open(data / "gguf/split-00001-of-00002.gguf");
  expectSameWeights(split, open(data / "tiny/llama"));
  auto second = openCheckpoint((data / "gguf/split-00002-of-00002.gguf").string());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("give the first, whose name ends in -00001-of-00002.gguf"));
}

TEST(GGUFImport, SpecialTokensAndStopIds) {
  Checkpoint file = open(data / "gguf/llama-bias-tied-Q8_0.gguf");
  EXPECT_THAT(file.config.stopTokens, ElementsAre(2, 5)); // eos and eot
  EXPECT_EQ(file.config.bosToken, 1);
  EXPECT_EQ(nlohmann::json::parse(file.templates),
            nlohmann::json::parse(
                R"({"templates": {}, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})"));
}

TEST(GGUFImport, VocabularyFilesAreRefused) {
  const char *shared = std::getenv("NIBBLE_DATA");
  if (!shared)
    GTEST_SKIP() << "NIBBLE_DATA is not set";
  auto file = openCheckpoint(std::string(shared) + "/tokenizers/cases/ggml-vocab-llama-spm.gguf");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("it holds metadata only"));
}

namespace {

/// A copy of a file that a test may damage.
class GGUFCopy : public testing::Test {
protected:
  void SetUp() override {
    path = fs::path(testing::TempDir()) / ("nibble-" + std::to_string(getpid()) + ".gguf");
    take("llama-Q8_0.gguf");
  }
  void TearDown() override { fs::remove(path); }

  void take(const char *name) {
    std::ifstream file(data / "gguf" / name, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::string messageNow() {
    std::ofstream(path, std::ios::binary) << bytes;
    auto checkpoint = openCheckpoint(path.string());
    return checkpoint ? "accepted" : checkpoint.error().message;
  }
  void replace(const std::string &from, const std::string &to, bool last = false) {
    ASSERT_EQ(from.size(), to.size());
    size_t at = last ? bytes.rfind(from) : bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bytes.replace(at, from.size(), to);
  }

  /// Puts metadata keys with float values in front of the others.
  void add(std::initializer_list<std::pair<std::string, float>> keys) {
    auto number = [](auto value) { return std::string(reinterpret_cast<char *>(&value), sizeof(value)); };
    std::string added;
    for (const auto &[key, value] : keys)
      added += number(uint64_t(key.size())) + key + number(uint32_t(GGUFValueType::Float32)) + number(value);
    // A string fills up: tensors begin at multiples of 32.
    size_t filling = 31 - (added.size() + 21 - 1) % 32;
    added += number(uint64_t(1)) + "x" + number(uint32_t(GGUFValueType::String)) + number(uint64_t(filling)) +
             std::string(filling, ' ');
    uint64_t count;
    std::memcpy(&count, bytes.data() + 16, sizeof(count));
    bytes.replace(16, 8, number(count + keys.size() + 1));
    bytes.insert(24, added);
  }
  std::optional<GenerationSettings>
  generationWith(std::initializer_list<std::pair<std::string, float>> keys) {
    take("llama-Q8_0.gguf");
    add(keys);
    std::ofstream(path, std::ios::binary) << bytes;
    auto checkpoint = openCheckpoint(path.string());
    EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
    return checkpoint ? std::optional(checkpoint->config.generation) : std::nullopt;
  }

  fs::path path;
  std::string bytes;
};

using GGUFSampling = GGUFCopy;
using GGUFDamage = GGUFCopy;

} // namespace

TEST_F(GGUFSampling, KeysAreTheGenerationDefaults) {
  auto none = generationWith({});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->sample || none->temperature || none->topK || none->topP || none->minP ||
               none->repetitionPenalty);
  auto all = generationWith({{"general.sampling.temp", 0.5f},
                             {"general.sampling.top_k", 20},
                             {"general.sampling.top_p", 0.75f},
                             {"general.sampling.min_p", 0.125f},
                             {"general.sampling.penalty_repeat", 1.25f},
                             {"general.sampling.mirostat", 1}});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->temperature, 0.5);
  EXPECT_EQ(all->topK, 20);
  EXPECT_EQ(all->topP, 0.75);
  EXPECT_EQ(all->minP, 0.125);
  EXPECT_EQ(all->repetitionPenalty, 1.25);
  EXPECT_EQ(all->sample, true);
  auto cold = generationWith({{"general.sampling.temp", 0}, {"general.sampling.top_p", 0.5f}});
  ASSERT_TRUE(cold);
  EXPECT_EQ(cold->sample, false);
}

TEST_F(GGUFSampling, ValuesOutOfRangeAreRefused) {
  for (auto [key, value] : {std::pair("general.sampling.temp", -1.0f),
                            {"general.sampling.temp", NAN},
                            {"general.sampling.top_p", 1.5f},
                            {"general.sampling.top_k", 1e20f},
                            {"general.sampling.penalty_repeat", 0.0f}}) {
    take("llama-Q8_0.gguf");
    add({{key, value}});
    EXPECT_THAT(messageNow(), HasSubstr(key)) << value;
  }
}

TEST_F(GGUFDamage, EachRefusalNamesTheKeyOrTensor) {
  struct Case {
    const char *file, *from, *to, *message;
    bool last = false; // the last place where it stands
  };
  const Case cases[] = {
      {"llama-Q8_0.gguf", "general.architecture", "general.architectura",
       "has no metadata key 'general.architecture'"},
      {"qwen3-Q4_1.gguf", "qwen3", "qwen9",
       "unknown architecture 'qwen9' (general.architecture); known are llama,"},
      {"llama-Q8_0.gguf", "llama.block_count", "llama.block_coun_",
       "has no metadata key 'llama.block_count'"},
      {"llama-Q8_0.gguf", "blk.1.ffn_norm.weight", "blk.1.ffn_gain.weight",
       "has no weight 'blk.1.ffn_norm.weight' [64], which the architecture llama needs"},
      {"qwen2-tied-Q8_0.gguf", "output_norm.weight", "output_gain.weight",
       "has no weight 'output_norm.weight'"},
      {"qwen2-window-Q4_0.gguf", "blk.2.attn_v.bias", "blk.3.attn_v.bias",
       "has no weight 'blk.2.attn_v.bias' [32]"},
      {"llama-Q8_0.gguf", "output.weight", "outpux.weight",
       "has the weight 'outpux.weight', which the architecture llama does not know", true},
      {"llama-llama3-Q8_0.gguf", "rope_freqs.weight", "rope_freqz.weight",
       "has the weight 'rope_freqz.weight'"},
      {"llama-linear-F32.gguf", "linear", "lineal", "llama.rope.scaling.type is 'lineal'; known are", true},
      {"llama-Q8_0.gguf", "token_embd.weight", "token_embx.weight", "has no tensor 'token_embd.weight'"},
  };
  for (const Case &c : cases) {
    take(c.file);
    replace(c.from, c.to, c.last);
    EXPECT_THAT(messageNow(), HasSubstr(c.message)) << c.from;
  }
}

TEST_F(GGUFDamage, IsRefusedOrRead) {
  const std::string whole = bytes;
  std::mt19937_64 random(17);
  unsigned refused = 0;
  for (int i = 0; i < 400; ++i) {
    bytes = whole;
    size_t reach = i % 4 == 0 ? 6000 : whole.size();
    if (i % 2)
      bytes.resize(random() % whole.size());
    else
      bytes[random() % reach] ^= char(1 + random() % 255);
    std::ofstream(path, std::ios::binary) << bytes;
    auto checkpoint = openCheckpoint(path.string());
    if (!checkpoint) {
      EXPECT_FALSE(checkpoint.error().message.empty());
      ++refused;
      continue;
    }
    for (const StoredTensor &tensor : checkpoint->parameters.tensors())
      EXPECT_TRUE(checkpoint->parameters.readRows(tensor, 0, tensor.rows()));
  }
  EXPECT_GT(refused, 200u);
  EXPECT_LT(refused, 400u);
}
