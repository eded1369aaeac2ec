//===- RotaryTest.cpp - Inverse frequencies against transformers' -----------------------------===//
//
// test/data/tiny/rotary.json has configurations of models in the field and what transformers makes of them
// (python/fixtures/make_tiny.py).
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Import/HuggingFace/HuggingFace.h"
#include "lib/Import/JsonObject.h"

#include <bit>
#include <gtest/gtest.h>

using namespace nibble;

/// How many floats lie between two positive ones.
static int64_t distance(float a, float b) {
  return std::abs(int64_t(std::bit_cast<int32_t>(a)) - int64_t(std::bit_cast<int32_t>(b)));
}

TEST(Rotary, EqualsTransformers) {
  auto rows = readJsonFile(NIBBLE_TEST_DATA "/tiny/rotary.json");
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_GE(rows->size(), 9u);
  for (const auto &row : *rows) {
    SCOPED_TRACE(row["name"].get<std::string>());
    const auto &config = row["config"];
    auto rotary = readRotary(config, config["max_position_embeddings"], "config.json");
    ASSERT_TRUE(rotary) << rotary.error().message;
    RotaryTable table = rotaryTable(*rotary, config["head_dim"]);
    auto expected = row["inverse_frequencies"].get<std::vector<float>>();
    ASSERT_EQ(table.inverseFrequencies.size(), expected.size());
    // PyTorch's vectorized pow is good to one unit in the last place, ours is rounded correctly; what follows
    // may carry the difference on.
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_LE(distance(table.inverseFrequencies[i], expected[i]), 2) << i;
    EXPECT_DOUBLE_EQ(table.attentionFactor, row["attention_factor"].get<double>());
  }
}

TEST(Rotary, DivisorsOfAFileDivide) {
  RotaryConfig rotary;
  rotary.divisors = {1, 2, 4, 8};
  RotaryTable table = rotaryTable(rotary, 8);
  // 10000 ^ (-2 i / 8) = 1, 1/10, 1/100, 1/1000
  EXPECT_FLOAT_EQ(table.inverseFrequencies[0], 1.0f);
  EXPECT_FLOAT_EQ(table.inverseFrequencies[1], 0.05f);
  EXPECT_FLOAT_EQ(table.inverseFrequencies[2], 0.0025f);
  EXPECT_FLOAT_EQ(table.inverseFrequencies[3], 0.000125f);
}
