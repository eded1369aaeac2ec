//===- ParametersTest.cpp - Recipes -----------------------------------------------------------------===//
#include "nibble/Reference/Parameters.h"

#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::reference;

TEST(Recipe, UnpermuteUndoesTheInterleavingOfPairs) {
  // Two heads of 4 rows: stored as 0 2 1 3, that is rows 0 and 2 of a head side by side.
  RowBlock stored{{Element::Int8, 32, Zero::None}, 8, 1, {}, {0, 2, 1, 3, 10, 12, 11, 13}, {}, {}};
  for (int8_t code : stored.codes)
    stored.scales.push_back(static_cast<uint16_t>(100 + code));
  auto rows = unpermuteRows(stored, 2);
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->codes, (std::vector<int8_t>{0, 1, 2, 3, 10, 11, 12, 13}));
  EXPECT_EQ(rows->scales, (std::vector<uint16_t>{100, 101, 102, 103, 110, 111, 112, 113}));
}

TEST(Recipe, UnpermuteOfABias) {
  RowBlock stored{{}, 1, 4, {0, 2, 1, 3}, {}, {}, {}};
  auto bias = unpermuteRows(stored, 1);
  ASSERT_TRUE(bias) << bias.error().message;
  EXPECT_EQ(bias->values, (std::vector<float>{0, 1, 2, 3}));
  EXPECT_FALSE(unpermuteRows(stored, 3));
}

TEST(Recipe, StepsInOrderAndErrorsThatNameTheWeight) {
  ParameterRequest request{"w", 2, 32, {}, {{RecipeStep::Kind::UnpermuteRows, 1, {}}}};
  request.recipe.push_back({RecipeStep::Kind::Convert, 0, {Element::BF16, 0, Zero::None}});
  RowBlock block{{}, 2, 32, std::vector<float>(64, 257), {}, {}, {}};
  block.values[32] = 3;
  auto done = carryOut(request, block);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->format, request.format());
  EXPECT_EQ(done->values[0], 256); // rounded; two rows of a head stay in order
  EXPECT_EQ(done->values[32], 3);

  request.recipe = {{RecipeStep::Kind::UnpermuteRows, 7, {}}};
  auto bad = carryOut(request, block);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "weight 'w': 2 rows are no even number of rows for each of 7 heads");
}
