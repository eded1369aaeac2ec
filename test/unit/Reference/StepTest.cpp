//===- StepTest.cpp - Steps on ragged batches -------------------------------------------------===//
#include "ModuleText.h"
#include "Pattern.h"
#include "nibble/Reference/Kernels.h"

using namespace nibble;
using namespace nibble::reference;

/// One layer of attention between an embedding and a head; the residual is an add on tensors.
static const char *const model = R"(
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 1, kv_heads = 1, head_dim = 4>) -> tensor<?x6xf32> {
  %table = llm.param @table source(<f32>) : tensor<6x8xf32>
  %key = llm.param @key source(<f32>) : tensor<4x8xf32>
  %h = llm.embed %ids, %table : tensor<?xi32>, tensor<6x8xf32> -> tensor<?x8xf32>
  %k = llm.linear %h, %key : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<?x4xf32>
  %r = llm.rope %k, %positions {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.5>}
    : tensor<?x4xf32>, tensor<?xi32>
  %o = llm.attention %h, %r, %k, %cache {layer = 0 : i64, heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x8xf32>, tensor<?x4xf32>, !llm.cache<layers = 1, kv_heads = 1, head_dim = 4>
  %s = arith.addf %h, %o : tensor<?x8xf32>
  %l = llm.logits %s, %rows, %table : tensor<?x8xf32>, tensor<?xi32>, tensor<6x8xf32> -> tensor<?x6xf32>
  return %l : tensor<?x6xf32>
})";

static Result<RowBlock> weights(const ParameterRequest &request) {
  std::vector<double> values = pattern(request.rows * request.columns, request.name == "key" ? 29 : 37, 11);
  return RowBlock{Format{}, request.rows, request.columns, {values.begin(), values.end()}, {}, {}, {}};
}

/// A step of rows [begin, end) of each sequence, all with logits.
static Batch batchOf(const std::vector<Indices> &sequences, const std::vector<std::pair<int, int>> &ranges) {
  Batch batch;
  batch.sequences.start.push_back(0);
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int p = ranges[s].first; p < ranges[s].second; ++p) {
      batch.logitsRows.push_back(static_cast<int32_t>(batch.tokenIds.size()));
      batch.tokenIds.push_back(sequences[s][p]);
      batch.positions.push_back(p);
    }
    batch.sequences.start.push_back(static_cast<int64_t>(batch.tokenIds.size()));
    batch.sequences.sequence.push_back(s);
  }
  return batch;
}

namespace {

struct StepTest : testing::Test {
  ModuleText module{model};
  std::vector<Indices> sequences = {{1, 5, 0, 3}, {2, 2}};

  Interpreter interpreter(InterpreterOptions options = {}) {
    auto created = Interpreter::create(*module.module, weights, std::move(options));
    EXPECT_TRUE(created) << created.error().message;
    return std::move(*created);
  }
  KeyValueCache cache() {
    KeyValueCache cache(1, 1, 4);
    cache.addSequence();
    cache.addSequence();
    return cache;
  }
};

} // namespace

TEST_F(StepTest, ShapeComesFromTheSignature) {
  ModelShape shape = interpreter().shape();
  EXPECT_EQ(shape.vocabulary, 6);
  EXPECT_EQ(shape.layers, 1);
  EXPECT_EQ(shape.kvHeads, 1);
  EXPECT_EQ(shape.headDim, 4);
}

TEST_F(StepTest, ChunksAndBatchesChangeNothing) {
  Interpreter steps = interpreter();
  KeyValueCache whole = cache(), cut = cache();
  auto all = steps.step(batchOf(sequences, {{0, 4}, {0, 2}}), whole);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->rows, 6);
  // Rows of the pieces, and where they stand in the whole.
  std::vector<std::pair<std::vector<std::pair<int, int>>, std::vector<int>>> pieces = {
      {{{0, 3}, {0, 0}}, {0, 1, 2}}, {{{3, 4}, {0, 1}}, {3, 4}}, {{{4, 4}, {1, 2}}, {5}}};
  for (auto &[ranges, rowsOfWhole] : pieces) {
    auto part = steps.step(batchOf(sequences, ranges), cut);
    ASSERT_TRUE(part) << part.error().message;
    ASSERT_EQ(part->rows, static_cast<int64_t>(rowsOfWhole.size()));
    for (size_t i = 0; i < rowsOfWhole.size(); ++i)
      for (int n = 0; n < 6; ++n)
        EXPECT_EQ(part->row(i)[n], all->row(rowsOfWhole[i])[n]);
  }
}

TEST_F(StepTest, AFirstTokenAttendsToItselfOnly) {
  KeyValueCache one = cache();
  auto logits = interpreter().step(batchOf(sequences, {{0, 1}, {0, 0}}), one);
  ASSERT_TRUE(logits) << logits.error().message;
  // o = v of both heads, v = key h; h = table[1].
  Matrix table = rows(6, 8, 37, 11), key = rows(4, 8, 29, 11);
  std::vector<double> stream;
  for (int i = 0; i < 8; ++i) {
    double v = 0;
    for (int k = 0; k < 8; ++k)
      v += key.row(i % 4)[k] * table.row(1)[k];
    stream.push_back(table.row(1)[i] + v);
  }
  for (int n = 0; n < 6; ++n) {
    double expected = 0;
    for (int i = 0; i < 8; ++i)
      expected += stream[i] * table.row(n)[i];
    EXPECT_NEAR(logits->row(0)[n], expected, 1e-12);
  }
}

TEST_F(StepTest, ProgressAddsUpToTheEstimate) {
  double heard = 0;
  InterpreterOptions options;
  options.progress = [&](double work) {
    heard += work;
    return true;
  };
  options.weightCacheBytes = 0; // weights are read again
  Interpreter steps = interpreter(options);
  Batch batch = batchOf(sequences, {{0, 4}, {0, 2}});
  KeyValueCache one = cache();
  ASSERT_TRUE(steps.step(batch, one));
  // 6 tokens by 4 x 8, 6 rows of logits by 6 x 8, 1 + 2 + 3 + 4 + 1 + 2 positions by 2 x 8.
  EXPECT_EQ(heard, 6 * 32 + 6 * 48 + 13 * 16);
  EXPECT_EQ(steps.multiplications(batch), heard);
}

TEST_F(StepTest, ProgressMayEndTheStep) {
  InterpreterOptions options;
  options.progress = [](double) { return false; };
  KeyValueCache one = cache();
  auto logits = interpreter(options).step(batchOf(sequences, {{0, 4}, {0, 2}}), one);
  ASSERT_FALSE(logits);
  EXPECT_EQ(logits.error().message, "interrupted");
}

TEST_F(StepTest, RefusesWhatDoesNotFit) {
  Interpreter steps = interpreter();
  auto message = [&](const Batch &batch, KeyValueCache cache) {
    auto logits = steps.step(batch, cache);
    EXPECT_FALSE(logits);
    return logits ? "" : logits.error().message;
  };
  Batch good = batchOf(sequences, {{0, 4}, {0, 2}});
  EXPECT_EQ(message(good, KeyValueCache(2, 1, 4)),
            "the cache has 2 layers of 4 elements a position; the model has 1 of 4");
  EXPECT_EQ(message(good, KeyValueCache(1, 1, 4)), "the batch names sequence 0 of a cache of 0");
  EXPECT_EQ(message(batchOf(sequences, {{0, 4}, {1, 2}}), cache()),
            "row 4 of the batch is at position 1; its sequence goes on at 0");
  Batch rows = good;
  rows.logitsRows.push_back(6);
  EXPECT_EQ(message(rows, cache()), "logits are asked for row 6 of a batch of 6 tokens");
  Batch ids = good;
  ids.tokenIds[2] = 6;
  EXPECT_EQ(message(ids, cache()), "token id 6 (number 2) is outside 0 .. 5");
}

TEST(Interpreter, NeedsAStepOfTheRightSignature) {
  ModuleText none("func.func @other() { return }");
  auto missing = Interpreter::create(*none.module, {});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("no function @step"), std::string::npos);
  ModuleText other("func.func @step(%a: tensor<?xi32>) -> tensor<?xi32> { return %a : tensor<?xi32> }");
  auto wrong = Interpreter::create(*other.module, {});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("unexpected signature"), std::string::npos);
}
