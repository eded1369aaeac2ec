//===- ParameterStoreTest.cpp - Rows as they are stored, in Hugging Face's order --------------===//

#include "nibble/Import/ParameterStore.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>

using namespace nibble;
using testing::ElementsAre;
using testing::HasSubstr;

static std::span<const std::byte> bytesOf(const auto &values) { return std::as_bytes(std::span(values)); }

/// A store with the one tensor "w".
static ParameterStore storeOf(StoredTensor tensor) {
  ParameterStore store;
  auto added = store.add(std::move(tensor));
  EXPECT_TRUE(added) << (added ? "" : added.error().message);
  return store;
}

static RowBlock rows(const ParameterStore &store, int64_t begin, int64_t end) {
  auto block = store.readRows("w", begin, end);
  EXPECT_TRUE(block) << (block ? "" : block.error().message);
  return block ? *block : RowBlock();
}

TEST(ParameterStore, WidensFloats) {
  std::vector<float> wide = {1, -2, 3.5f, 4};
  ParameterStore f32 = storeOf({"w", {2, 2}, StorageType::F32, bytesOf(wide)});
  EXPECT_THAT(rows(f32, 0, 2).values, ElementsAre(1, -2, 3.5f, 4));
  EXPECT_THAT(rows(f32, 1, 2).values, ElementsAre(3.5f, 4));
  EXPECT_EQ(rows(f32, 1, 1).rows, 0);

  std::vector<uint16_t> half = {0x3c00, 0xc000, 0x0001, 0x7bff}; // 1, -2, 2^-24, 65504
  RowBlock block = rows(storeOf({"w", {1, 4}, StorageType::F16, bytesOf(half)}), 0, 1);
  EXPECT_EQ(block.format, (Format{Element::F16, 0, Zero::None}));
  EXPECT_THAT(block.values, ElementsAre(1, -2, std::ldexp(1.0f, -24), 65504));

  std::vector<uint16_t> brain = {0x3f80, 0xc000, 0x4049};
  EXPECT_THAT(rows(storeOf({"w", {3}, StorageType::BF16, bytesOf(brain)}), 0, 1).values,
              ElementsAre(1, -2, 3.140625f));
}

/// A block of 32: a scale of 1 (f16), maybe a minimum of -2, then bytes that count up.
static std::vector<uint8_t> quantizedBlock(bool minimum, size_t codes) {
  std::vector<uint8_t> block = {0x00, 0x3c};
  if (minimum)
    block.insert(block.end(), {0x00, 0xc0});
  for (size_t i = 0; i < codes; ++i)
    block.push_back(uint8_t(i * 17)); // nibbles i, i
  return block;
}

TEST(ParameterStore, KeepsCodesAndScales) {
  auto four = quantizedBlock(false, 16);
  RowBlock block = rows(storeOf({"w", {1, 32}, StorageType::Q4_0, bytesOf(four)}), 0, 1);
  EXPECT_EQ(block.format, (Format{Element::Int4, 32, Zero::None}));
  ASSERT_EQ(block.codes.size(), 32u);
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(block.codes[i], i % 16 - 8) << i;
  EXPECT_THAT(block.scales, ElementsAre(0x3c00));
  EXPECT_TRUE(block.zeros.empty());

  block = rows(storeOf({"w", {1, 32}, StorageType::IQ4_NL, bytesOf(four)}), 0, 1);
  EXPECT_EQ(block.format, (Format{Element::IQ4, 32, Zero::None}));
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(block.codes[i], i % 16) << i;
  EXPECT_THAT(block.scales, ElementsAre(0x3c00));

  auto minimum = quantizedBlock(true, 16);
  block = rows(storeOf({"w", {1, 32}, StorageType::Q4_1, bytesOf(minimum)}), 0, 1);
  EXPECT_EQ(block.format, (Format{Element::Int4, 32, Zero::Minimum}));
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(block.codes[i], i % 16) << i;
  EXPECT_THAT(block.scales, ElementsAre(0x3c00));
  EXPECT_THAT(block.zeros, ElementsAre(0xc000));

  std::vector<uint8_t> eight = {0x00, 0x34};
  for (int i = 0; i < 32; ++i)
    eight.push_back(uint8_t(int8_t(i - 16)));
  eight.insert(eight.end(), eight.begin(), eight.end()); // a second row
  block = rows(storeOf({"w", {2, 32}, StorageType::Q8_0, bytesOf(eight)}), 0, 2);
  EXPECT_EQ(block.format, (Format{Element::Int8, 32, Zero::None}));
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(block.codes[i], i % 32 - 16) << i;
  EXPECT_THAT(block.scales, ElementsAre(0x3400, 0x3400));
}

TEST(ParameterStore, UndoesTheOrderOfRotaryPairs) {
  // Two heads of 6 rows. By reference/FORMATS 11.5 stored row 2i is row i, 2i + 1 row i + 3: a file made from
  // rows 0 .. 11 holds these, one element a row.
  std::vector<float> stored = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
  ParameterStore matrix = storeOf({"w", {12, 1}, StorageType::F32, bytesOf(stored), 2});
  EXPECT_THAT(rows(matrix, 0, 12).values, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(rows(matrix, 4, 8).values, ElementsAre(4, 5, 6, 7));
  ParameterStore bias = storeOf({"w", {12}, StorageType::F32, bytesOf(stored), 2});
  EXPECT_THAT(rows(bias, 0, 1).values, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST(ParameterStore, RefusesWhatDoesNotFit) {
  std::vector<float> values(12);
  auto messageOf = [&](StoredTensor tensor) {
    ParameterStore store;
    auto added = store.add(std::move(tensor));
    return added ? std::string("accepted") : added.error().message;
  };
  EXPECT_EQ(messageOf({"w", {3, 4}, StorageType::F32, bytesOf(values)}), "accepted");
  EXPECT_THAT(messageOf({"w", {3, 5}, StorageType::F32, bytesOf(values)}),
              HasSubstr("has 48 bytes; expected 60"));
  EXPECT_THAT(messageOf({"w", {3, 4, 1}, StorageType::F32, bytesOf(values)}), HasSubstr("3 dimensions"));
  EXPECT_THAT(messageOf({"w", {-3, -4}, StorageType::F32, bytesOf(values)}), HasSubstr("impossible shape"));
  EXPECT_THAT(messageOf({"w", {int64_t(1) << 40, int64_t(1) << 40}, StorageType::F32, bytesOf(values)}),
              HasSubstr("impossible shape"));
  EXPECT_THAT(messageOf({"w", {3, 4}, StorageType::Q8_0, bytesOf(values)}), HasSubstr("multiple of 32"));
  EXPECT_THAT(messageOf({"w", {3, 4}, StorageType::F32, bytesOf(values), 1}), HasSubstr("an even number"));

  ParameterStore store = storeOf({"w", {3, 4}, StorageType::F32, bytesOf(values)});
  EXPECT_FALSE(store.add({"w", {3, 4}, StorageType::F32, bytesOf(values)}));
  EXPECT_FALSE(store.readRows("w", -1, 1));
  EXPECT_FALSE(store.readRows("w", 2, 1));
  EXPECT_FALSE(store.readRows("w", 0, 4));
  EXPECT_FALSE(store.readRows("v", 0, 1));
  EXPECT_FALSE(store.addAlias("v", "u"));
  ASSERT_TRUE(store.addAlias("v", "w"));
  EXPECT_EQ(store.find("v"), store.find("w"));
  EXPECT_EQ(store.tensors().size(), 1u);
}
