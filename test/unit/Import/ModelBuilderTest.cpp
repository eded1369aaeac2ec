//===- ModelBuilderTest.cpp - The import phase of whole checkpoints ---------------------------===//

#include "nibble/Import/ModelBuilder.h"

#include "dialects/LLM/LLM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <set>

using namespace nibble;
namespace fs = std::filesystem;

namespace {

class ModelBuilderTest : public testing::Test {
protected:
  mlir::OwningOpRef<mlir::ModuleOp> build(const std::string &path) {
    auto opened = openCheckpoint(std::string(NIBBLE_TEST_DATA) + "/" + path);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    if (!opened)
      return nullptr;
    checkpoint = std::move(*opened);
    return buildModel(context, checkpoint);
  }
  template <typename Op> std::vector<Op> all(mlir::ModuleOp module) {
    std::vector<Op> ops;
    module.walk([&](Op op) { ops.push_back(op); });
    return ops;
  }

  mlir::MLIRContext context;
  Checkpoint checkpoint;
};

std::string printed(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  return text;
}

} // namespace

TEST_F(ModelBuilderTest, EveryTinyModelVerifiesAndRoundTrips) {
  unsigned built = 0;
  for (const char *folder : {"tiny", "gguf"})
    for (const auto &entry : fs::directory_iterator(fs::path(NIBBLE_TEST_DATA) / folder)) {
      bool isCheckpoint = entry.is_directory() || entry.path().extension() == ".gguf";
      if (!isCheckpoint || entry.path().stem() == "split-00002-of-00002")
        continue;
      SCOPED_TRACE(entry.path().string());
      auto module = build(folder + ("/" + entry.path().filename().string()));
      ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
      std::string text = printed(*module);
      EXPECT_EQ(printed(*mlir::parseSourceString<mlir::ModuleOp>(text, &context)), text);

      // Every weight is used once, a tied table twice; nothing but llm, arith and func.
      std::set<std::string> names;
      for (llm::ParamOp op : all<llm::ParamOp>(*module)) {
        EXPECT_TRUE(names.insert(op.getName().str()).second) << op.getName().str();
        bool isTied = op.getName() == kEmbeddingName && checkpoint.config.tiedHead;
        EXPECT_EQ(std::distance(op->use_begin(), op->use_end()), isTied ? 2 : 1);
      }
      EXPECT_EQ(names.size(), checkpoint.parameters.tensors().size());
      module->walk([&](mlir::Operation *op) {
        auto dialect = op->getDialect()->getNamespace();
        EXPECT_TRUE(dialect == "llm" || dialect == "arith" || dialect == "func" || dialect == "builtin");
      });
      EXPECT_LT(text.size(), 100u << 10) << "weights are never in the IR";
      ++built;
    }
  EXPECT_GE(built, 15u);
}

TEST_F(ModelBuilderTest, FeaturesAreThere) {
  auto mistral = build("tiny/mistral-window");
  for (llm::AttentionOp op : all<llm::AttentionOp>(*mistral)) {
    EXPECT_EQ(op.getWindow(), 16u);
    EXPECT_FLOAT_EQ(op.getScale().convertToFloat(), 0.25f); // 1 / sqrt(16)
  }
  auto qwen2 = build("tiny/qwen2-window");
  auto attentions = all<llm::AttentionOp>(*qwen2);
  ASSERT_EQ(attentions.size(), 3u);
  EXPECT_EQ(attentions[0].getWindow(), std::nullopt);
  EXPECT_EQ(attentions[2].getWindow(), 16u);
  EXPECT_EQ(attentions[2].getLayer(), 2u);
  unsigned biased = 0;
  for (llm::LinearOp op : all<llm::LinearOp>(*qwen2))
    biased += bool(op.getBias());
  EXPECT_EQ(biased, 9u); // q, k and v of three layers
  // A norm of q and k in each of two layers, besides the two of the layer; and the last.
  EXPECT_EQ(all<llm::RMSNormOp>(*build("tiny/qwen3")).size(), 2u * 4 + 1);
  for (llm::RopeOp op : all<llm::RopeOp>(*build("tiny/qwen3-yarn-bias"))) {
    EXPECT_FLOAT_EQ(op.getAttentionFactor().convertToFloat(), 1.25f);
    EXPECT_EQ(op.getInverseFrequencies().size(), 12u);
  }
}

TEST_F(ModelBuilderTest, FormatsAndRecipesOfGGUF) {
  auto module = build("gguf/llama-Q4_0.gguf");
  unsigned permuted = 0;
  for (llm::ParamOp op : all<llm::ParamOp>(*module)) {
    bool isRotary = op.getName().contains("q_proj") || op.getName().contains("k_proj");
    EXPECT_EQ(op.getRecipe().size(), isRotary ? 1u : 0u) << op.getName().str();
    permuted += isRotary;
    if (op.getName().contains("q_proj"))
      EXPECT_EQ(mlir::cast<lowbit::UnpermuteRowsAttr>(op.getRecipe()[0]).getHeads(), checkpoint.config.heads);
    // The rows of down_proj are no multiple of 32 elements and stay f16.
    if (op.getName().contains("_proj"))
      EXPECT_EQ(op.getSource().getSpelling(), op.getName().contains("down") ? "f16" : "int4-g32");
  }
  EXPECT_EQ(permuted, 4u);
}

TEST_F(ModelBuilderTest, ModelAttributeHoldsWhatTheManifestNeeds) {
  auto module = build("tiny/llama-bias-tied");
  auto model = (*module)->getAttrOfType<mlir::DictionaryAttr>(kModelAttribute);
  ASSERT_TRUE(model);
  EXPECT_EQ(model.getAs<mlir::StringAttr>("architecture"), "llama");
  EXPECT_EQ(model.getAs<mlir::IntegerAttr>("vocabulary").getInt(), 96);
  EXPECT_EQ(model.getAs<mlir::ArrayAttr>("eos_token_ids").size(), 2u);
  // From the sizes that make_tiny.py states: a table of 96 x 64 and a last norm; for each of 2 layers two
  // norms, q, k, v of 4 heads of 24 rows, o, the feed-forward of 100, and a bias of each linear.
  int64_t layer = 2 * 64 + 3 * (96 * 64 + 96) + 64 * 96 + 64 + 2 * (100 * 64 + 100) + 64 * 100 + 64;
  EXPECT_EQ(model.getAs<mlir::IntegerAttr>("parameters").getInt(), 96 * 64 + 64 + 2 * layer);
}
