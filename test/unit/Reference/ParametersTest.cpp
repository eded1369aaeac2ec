//===- ParametersTest.cpp - Weights from a checkpoint -----------------------------------------===//
//
// Weights from an artifact are tested where artifacts are made (test/Integration).
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Reference/Parameters.h"
#include "nibble/Import/ParameterStore.h"
#include "nibble/Reference/Kernels.h"

#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::reference;

namespace {

struct CheckpointTest : testing::Test {
  std::vector<float> plain = std::vector<float>(2 * 32, 257);
  std::vector<float> paired = {0, 2, 1, 3, 10, 12, 11, 13}; // two heads of 4 rows
  ParameterStore store;

  void SetUp() override {
    plain[32] = 3;
    plain[33] = -257 * 8;
    add("plain", {2, 32}, plain, 0);
    add("paired", {8, 1}, paired, 2);
  }
  void add(const char *name, std::vector<int64_t> shape, const std::vector<float> &values, int64_t heads) {
    StoredTensor tensor;
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.bytes = std::as_bytes(std::span(values));
    tensor.interleavedHeads = heads;
    auto added = store.add(tensor);
    ASSERT_TRUE(added) << added.error().message;
  }
  std::string message(const ParameterRequest &request) {
    auto block = checkpointParameters(store)(request);
    EXPECT_FALSE(block);
    return block ? "" : block.error().message;
  }
};

const Format bf16{Element::BF16, 0, Zero::None}, int8{Element::Int8, 32, Zero::None};

} // namespace

TEST_F(CheckpointTest, ConversionsAreCarriedOutInOrder) {
  auto block = checkpointParameters(store)({"plain", 2, 32, {}, 0, {bf16, int8}});
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_EQ(block->format, int8);
  // bf16 makes 256 of 257, which int8 then keeps: -2048 is -128 steps of 16.
  Matrix values = dequantize(*block);
  EXPECT_EQ(values.row(1)[0], 0); // 3 is nearer to 0 than to 16
  EXPECT_EQ(values.row(1)[1], -2048);
  EXPECT_EQ(values.row(1)[2], 256);
}

TEST_F(CheckpointTest, RowsOfRotaryPairsComeInOrder) {
  auto block = checkpointParameters(store)({"paired", 8, 1, {}, 2, {}});
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_EQ(block->values, (std::vector<float>{0, 1, 2, 3, 10, 11, 12, 13}));
}

TEST_F(CheckpointTest, ErrorsNameTheWeight) {
  EXPECT_EQ(message({"other", 2, 32, {}, 0, {}}),
            "the module has the weight 'other', the checkpoint does not");
  EXPECT_EQ(
      message({"plain", 2, 32, bf16, 0, {}}),
      "weight 'plain': the checkpoint has it in f32, the module expects bf16; was the module imported from "
      "another checkpoint?");
  EXPECT_EQ(message({"plain", 2, 32, {}, 2, {}}), "weight 'plain': the checkpoint has 0 heads of it in "
                                                  "rotary pairs, the module expects 2; was the module "
                                                  "imported from another checkpoint?");
}
