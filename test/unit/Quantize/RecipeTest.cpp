//===- RecipeTest.cpp - Streaming a weight, with any number of threads ------------------------===//
#include "nibble/Quantize/Recipe.h"
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/Packer.h"
#include "nibble/Quantize/Quantizer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <limits>
#include <random>
#include <thread>

using namespace nibble;
using testing::HasSubstr;

namespace {

RowBlock randomValues(int64_t rows, int64_t columns) {
  std::mt19937 random(42);
  std::normal_distribution<float> normal(0, 0.05f);
  RowBlock block{Format{}, rows, columns, std::vector<float>(rows * columns), {}, {}, {}};
  for (float &v : block.values)
    v = normal(random);
  return block;
}

/// Rows begin..end of a block in memory.
RowBlock slice(const RowBlock &all, int64_t begin, int64_t end) {
  auto part = [&](const auto &from) {
    int64_t perRow = static_cast<int64_t>(from.size()) / all.rows;
    return std::decay_t<decltype(from)>(from.begin() + begin * perRow, from.begin() + end * perRow);
  };
  return {all.format,      end - begin,      all.columns,    part(all.values),
          part(all.codes), part(all.scales), part(all.zeros)};
}

struct Streamed {
  Result<void> result;
  std::vector<uint8_t> bytes;
  std::vector<int64_t> progress;
};

Streamed stream(const RowBlock &all, const Format &target, unsigned threads, int64_t blockBytes) {
  Streamed out;
  RowSource source = [&](int64_t begin, int64_t end) -> Result<RowBlock> { return slice(all, begin, end); };
  ByteSink sink = [&](std::span<const uint8_t> bytes) -> Result<void> {
    out.bytes.insert(out.bytes.end(), bytes.begin(), bytes.end());
    return {};
  };
  out.result = packWeight(source, {all.rows, all.columns, target}, sink, {threads, blockBytes},
                          [&](int64_t rows) { out.progress.push_back(rows); });
  return out;
}

TEST(Recipe, SameBytesForAnyThreadsAndBlocks) {
  RowBlock values = randomValues(333, 70);
  for (const char *spelling :
       {"int4-g32", "int8-channel", "int4-g64-min", "int4-zero", "nf4", "f16", "f32"}) {
    Format format = *parseFormat(spelling);
    PanelLayout layout{333, 70, format};
    std::vector<uint8_t> whole = *packPanels(*convertRows(values, format), layout);
    for (unsigned threads : {0u, 1u, 2u, 5u})
      for (int64_t blockBytes : {1, 16 * 70 * 4, 50 * 70 * 4, 1 << 30}) {
        Streamed streamed = stream(values, format, threads, blockBytes);
        ASSERT_TRUE(streamed.result) << streamed.result.error().message;
        EXPECT_EQ(streamed.bytes, whole) << spelling << " threads " << threads << " block " << blockBytes;
        EXPECT_EQ(streamed.progress.back(), 333);
        EXPECT_TRUE(std::is_sorted(streamed.progress.begin(), streamed.progress.end()));
      }
  }
}

TEST(Recipe, KeepsCodesOfTheSameFormat) {
  RowBlock codes = *quantize(randomValues(50, 100), *parseFormat("int4"));
  for (uint16_t &scale : codes.scales)
    scale ^= 3; // not what the quantizer would choose
  Streamed kept = stream(codes, codes.format, 2, 1);
  ASSERT_TRUE(kept.result);
  RowBlock back = *unpackPanels(kept.bytes, {50, 100, codes.format});
  EXPECT_EQ(back.codes, codes.codes);
  EXPECT_EQ(back.scales, codes.scales);

  Streamed other = stream(codes, *parseFormat("int8"), 2, 1);
  RowBlock expected = *quantize(*dequantize(codes), *parseFormat("int8"));
  back = *unpackPanels(other.bytes, {50, 100, expected.format});
  EXPECT_EQ(back.codes, expected.codes);
  EXPECT_EQ(back.scales, expected.scales);
}

TEST(Recipe, ReportsTheFirstBadRow) {
  RowBlock values = randomValues(400, 33);
  values.values[300 * 33] = std::numeric_limits<float>::infinity();
  values.values[77 * 33 + 5] = std::numeric_limits<float>::quiet_NaN();
  for (unsigned threads : {1u, 2u, 5u}) {
    Streamed failed = stream(values, *parseFormat("int4"), threads, 1);
    ASSERT_FALSE(failed.result);
    EXPECT_THAT(failed.result.error().message, HasSubstr("row 77, column 5 is NaN"));
    EXPECT_EQ(failed.progress.back(), 64);
  }
}

TEST(Recipe, PassesErrorsOfSourceAndSinkOn) {
  RowBlock values = randomValues(64, 32);
  PanelLayout layout{64, 32, *parseFormat("int4")};
  ByteSink sink = [](std::span<const uint8_t>) -> Result<void> { return {}; };
  RowSource good = [&](int64_t begin, int64_t end) -> Result<RowBlock> { return slice(values, begin, end); };
  RowSource broken = [](int64_t, int64_t) -> Result<RowBlock> { return failure("disk on fire"); };
  RowSource shorter = [&](int64_t begin, int64_t) -> Result<RowBlock> {
    return slice(values, begin, begin + 1);
  };
  RowSource greedy = [](int64_t, int64_t) -> Result<RowBlock> { throw std::bad_alloc(); };
  ByteSink full = [](std::span<const uint8_t>) -> Result<void> { return failure("disk full"); };
  for (unsigned threads : {1u, 3u}) {
    RecipeOptions options{threads, 1};
    EXPECT_EQ(packWeight(broken, layout, sink, options).error().message, "disk on fire");
    EXPECT_EQ(packWeight(good, layout, full, options).error().message, "disk full");
    EXPECT_THAT(packWeight(shorter, layout, sink, options).error().message, HasSubstr("expected 16 x 32"));
    EXPECT_THAT(packWeight(greedy, layout, sink, options).error().message, HasSubstr("out of memory"));
  }
  EXPECT_FALSE(packWeight(good, {0, 32, *parseFormat("int4")}, sink));
}

// A slow sink: readers wait, so that no more than a few blocks are in memory.
TEST(Recipe, MemoryIsBounded) {
  RowBlock values = randomValues(16 * 200, 32);
  std::atomic<int64_t> made = 0;
  int64_t written = 0, most = 0;
  RowSource source = [&](int64_t begin, int64_t end) -> Result<RowBlock> {
    ++made;
    return slice(values, begin, end);
  };
  ByteSink sink = [&](std::span<const uint8_t>) -> Result<void> {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    most = std::max(most, made.load() - written);
    ++written;
    return {};
  };
  ASSERT_TRUE(packWeight(source, {values.rows, 32, *parseFormat("int4")}, sink, {3, 1}));
  EXPECT_EQ(written, 200);
  EXPECT_LE(most, 2 * 3 + 1);
}

} // namespace
