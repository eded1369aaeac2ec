//===- PackerTest.cpp - Bytes of panels, by hand and there and back ---------------------------===//
#include "nibble/Quantize/Packer.h"
#include "nibble/runtime/HalfFloat.h"

#include <gmock/gmock.h>
#include <random>

using namespace nibble;
using testing::HasSubstr;

namespace {

Format formatOf(const char *spelling) { return *parseFormat(spelling); }
const Format kInt8Minimum{Element::Int8, 32, Zero::Minimum};
const Format kInt4Channel{Element::Int4, 0, Zero::None};

RowBlock randomBlock(int64_t rows, int64_t columns, Format format, unsigned seed) {
  std::mt19937 random(seed);
  RowBlock block{format, rows, columns, {}, {}, {}, {}};
  if (format.isFloat()) {
    for (int64_t i = 0; i < rows * columns; ++i) {
      uint16_t bits = static_cast<uint16_t>(random() % 0x7c00 | (random() & 0x8000));
      block.values.push_back(format.element == Element::F16    ? halfToFloat(bits)
                             : format.element == Element::BF16 ? bfloat16ToFloat(bits)
                                                               : static_cast<float>(random()) * 1e-5f);
    }
    return block;
  }
  for (int64_t i = 0; i < rows * columns; ++i) {
    int code = static_cast<int>(random() % (1u << format.bits()));
    block.codes.push_back(
        static_cast<int8_t>(format.hasSignedCodes() ? code - (1 << (format.bits() - 1)) : code));
  }
  for (int64_t i = 0; i < rows * block.groups(); ++i) {
    block.scales.push_back(static_cast<uint16_t>(random()));
    if (format.zero == Zero::Integer)
      block.zeros.push_back(static_cast<uint16_t>(random() % (1u << format.bits())));
    if (format.zero == Zero::Minimum)
      block.zeros.push_back(static_cast<uint16_t>(random()));
  }
  return block;
}

TEST(Packer, ThereAndBack) {
  std::vector<Format> formats = {kInt8Minimum, kInt4Channel};
  for (const char *spelling : {"f32", "f16", "bf16", "int4", "int4-g64", "int4-g128", "int4-zero", "int4-min",
                               "int4-g128-min", "int8", "int8-g64", "int8-g128", "int8-channel", "int8-zero",
                               "int8-channel-zero", "nf4", "fp4-g128", "e2m1", "iq4-g64"})
    formats.push_back(formatOf(spelling));
  unsigned seed = 0;
  for (const Format &format : formats)
    for (int64_t rows : {1, 15, 16, 17, 40})
      for (int64_t columns : {1, 31, 32, 33, 64, 65, 100, 129, 320, 321}) {
        RowBlock block = randomBlock(rows, columns, format, ++seed);
        PanelLayout layout{rows, columns, format};
        auto bytes = packPanels(block, layout);
        ASSERT_TRUE(bytes) << bytes.error().message;
        ASSERT_EQ(static_cast<int64_t>(bytes->size()), layout.bytes());
        ASSERT_EQ(layout.panelBytes() % 64, 0);
        auto back = unpackPanels(*bytes, layout);
        ASSERT_TRUE(back) << back.error().message;
        ASSERT_TRUE(back->check());
        std::string what =
            formatSpelling(format) + " " + std::to_string(rows) + "x" + std::to_string(columns);
        EXPECT_EQ(back->values, block.values) << what;
        EXPECT_EQ(back->codes, block.codes) << what;
        EXPECT_EQ(back->scales, block.scales) << what;
        EXPECT_EQ(back->zeros, block.zeros) << what;
      }
}

/// Codes and scales all zero. The tests set single ones; their positions are worked out from PanelLayout.h.
RowBlock zeroBlock(int64_t rows, int64_t columns, Format format) {
  RowBlock block{format, rows, columns, {}, {}, {}, {}};
  block.codes.resize(rows * columns);
  block.scales.resize(rows * block.groups());
  if (format.zero != Zero::None)
    block.zeros.resize(rows * block.groups());
  return block;
}

TEST(Packer, PlaceOfAnInt4Code) {
  Format format = formatOf("int4-g32");
  RowBlock block = zeroBlock(32, 128, format);
  // Row 19 is row 3 of panel 1. Column 77: block 1 (columns 64..127), subgroup 0, in it column 13 = 4*3 + 1:
  // vector 3, byte 4*3 + 1, low nibble.
  block.codes[19 * 128 + 77] = -5;
  // Column 125: subgroup 1 of block 1, in it column 29 = 16 + 4*3 + 1: the same byte there, high nibble.
  block.codes[19 * 128 + 125] = 7;
  block.scales[19 * 4 + 2] = 0x1234; // columns 64..95: first half of block 1
  block.scales[19 * 4 + 3] = 0x5678; // second half
  auto bytes = *packPanels(block, {32, 128, format});
  ASSERT_EQ(bytes.size(), 2u * 2 * 576);
  size_t at = 1152 + 576; // panel 1, block 1
  std::vector<uint8_t> expected(bytes.size(), 0);
  for (size_t b = 0; b < 4; ++b)
    std::fill_n(expected.begin() + b * 576 + 64, 512, uint8_t(0x88)); // 0 is stored as 8
  expected[at + 64 + 64 * 3 + 13] = 0x83;                             // -5 + 8 = 3 below
  expected[at + 64 + 256 + 64 * 3 + 13] = 0xf8;                       // 7 + 8 = 15 above
  expected[at + 2 * 3] = 0x34;
  expected[at + 2 * 3 + 1] = 0x12;
  expected[at + 32 + 2 * 3] = 0x78;
  expected[at + 32 + 2 * 3 + 1] = 0x56;
  EXPECT_EQ(bytes, expected);
}

TEST(Packer, PlaceOfAnInt8Code) {
  Format format = formatOf("int8-g128");
  RowBlock block =
      zeroBlock(2, 130, format);   // K padded to 192: one block of 6 subgroups, the second group short
  block.codes[1 * 130 + 129] = -3; // subgroup 4, column 1 in it: vector 0, byte 4*1 + 1
  block.codes[0 * 130 + 30] = 100; // subgroup 0, column 30 = 4*7 + 2: vector 7, byte 4*0 + 2
  block.scales[1 * 2 + 1] = 0xabcd;
  auto bytes = *packPanels(block, {2, 130, format});
  std::vector<uint8_t> expected(64 + 6 * 512, 0);
  std::fill(expected.begin() + 64, expected.end(), uint8_t(0x80));
  expected[64 + 4 * 512 + 5] = 125;
  expected[64 + 64 * 7 + 2] = 228;
  expected[32 + 2] = 0xcd;
  expected[33 + 2] = 0xab;
  EXPECT_EQ(bytes, expected);
}

TEST(Packer, PlaceOfMinimaAndZeroPoints) {
  RowBlock minimum = zeroBlock(16, 64, formatOf("int4-min"));
  minimum.zeros[5 * 2 + 1] = 0x0102; // row 5, second group
  minimum.codes[5 * 64] = 15;        // not biased
  auto bytes = *packPanels(minimum, {16, 64, minimum.format});
  std::vector<uint8_t> expected(128 + 512, 0);
  expected[64 + 32 + 10] = 0x02;
  expected[64 + 32 + 11] = 0x01;
  expected[128 + 20] = 0x0f;
  EXPECT_EQ(bytes, expected);

  RowBlock zero = zeroBlock(16, 70, formatOf("int4-zero"));
  zero.zeros[5 * 3 + 2] = 9; // row 5, group 2: columns 64..69, and the padding 70..127 of the row is 9
  bytes = *packPanels(zero, {16, 70, zero.format});
  ASSERT_EQ(bytes.size(), 2u * (128 + 512));
  EXPECT_EQ(bytes[640 + 64 + 5], 9);
  EXPECT_EQ(bytes[640 + 128 + 20], 0x90);      // vector 0: columns 64 (a code, 0) and 80 (padding)
  EXPECT_EQ(bytes[640 + 128 + 64 + 20], 0x90); // vector 1: columns 68, 84
  EXPECT_EQ(bytes[640 + 128 + 64 + 22], 0x99); // columns 70, 86
  EXPECT_EQ(bytes[640 + 128 + 256 + 3 * 64 + 23], 0x99);
}

TEST(Packer, PlaceOfACodebooksCode) {
  RowBlock block = zeroBlock(2, 70, formatOf("nf4-g64"));
  std::fill(block.codes.begin(), block.codes.end(), int8_t(7)); // NF4's zero, which pads too
  block.codes[1 * 70 + 69] = 12;
  // Column 69: subgroup 2, column 5 in it: vector 1, byte 4*1 + 1, low nibble, as it is.
  auto bytes = *packPanels(block, {2, 70, block.format});
  std::vector<uint8_t> expected(64 + 4 * 256, 0);
  std::fill(expected.begin() + 64, expected.end(), uint8_t(0x77));
  expected[64 + 2 * 256 + 64 + 5] = 0x7c;
  EXPECT_EQ(bytes, expected);
}

TEST(Packer, PlaceOfAFloat) {
  RowBlock block{formatOf("f32"), 17, 3, std::vector<float>(51), {}, {}, {}};
  block.values[16 * 3 + 2] = 1.0f;
  auto bytes = *packPanels(block, {17, 3, block.format});
  ASSERT_EQ(bytes.size(), 2u * 64 * 16 * 4);
  std::vector<uint8_t> expected(bytes.size(), 0);
  expected[4096 + 2 * 64 + 2] = 0x80; // panel 1, column 2, row 0
  expected[4096 + 2 * 64 + 3] = 0x3f;
  EXPECT_EQ(bytes, expected);

  block.format = formatOf("bf16");
  bytes = *packPanels(block, {17, 3, block.format});
  expected.assign(2 * 64 * 16 * 2, 0);
  expected[2048 + 1 * 64] = 0x80; // panel 1, pair 1 of columns, row 0, the first of the two
  expected[2048 + 1 * 64 + 1] = 0x3f;
  EXPECT_EQ(bytes, expected);
  block.values.assign(51, 0);
  block.values[5 * 3 + 1] = 1.0f;
  bytes = *packPanels(block, {17, 3, block.format});
  expected.assign(2 * 64 * 16 * 2, 0);
  expected[4 * 5 + 2] = 0x80; // panel 0, pair 0, row 5, the second
  expected[4 * 5 + 3] = 0x3f;
  EXPECT_EQ(bytes, expected);
}

TEST(Packer, APanelAtATime) {
  RowBlock block = randomBlock(40, 100, formatOf("int4"), 1);
  PanelLayout layout{40, 100, block.format};
  auto whole = *packPanels(block, layout);
  std::span<const uint8_t> bytes(whole);
  size_t panel = static_cast<size_t>(layout.panelBytes());
  RowBlock last = *unpackPanels(bytes.subspan(2 * panel), layout, 2);
  EXPECT_EQ(last.rows, 8);
  EXPECT_TRUE(std::equal(last.codes.begin(), last.codes.end(), block.codes.begin() + 32 * 100));
  RowBlock middle = *unpackPanels(bytes.subspan(panel, panel), layout, 1);
  EXPECT_EQ(middle.rows, 16);
  EXPECT_TRUE(std::equal(middle.codes.begin(), middle.codes.end(), block.codes.begin() + 16 * 100));
}

TEST(Packer, RefusesWhatDoesNotFit) {
  RowBlock block = randomBlock(16, 64, formatOf("int4"), 2);
  EXPECT_FALSE(packPanels(block, {16, 64, formatOf("int8")}));
  EXPECT_FALSE(packPanels(block, {16, 65, formatOf("int4")}));
  EXPECT_FALSE(packPanels(block, {15, 64, formatOf("int4")}));
  RowBlock cut = block;
  cut.codes.pop_back();
  auto wrong = packPanels(cut, {16, 64, formatOf("int4")});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("1023 codes"));

  PanelLayout layout{16, 64, formatOf("int4")};
  auto bytes = *packPanels(block, layout);
  EXPECT_FALSE(unpackPanels(std::span(bytes).first(575), layout));
  EXPECT_FALSE(unpackPanels(bytes, layout, 1));
  EXPECT_FALSE(unpackPanels(bytes, layout, -1));
  EXPECT_EQ(unpackPanels({}, layout)->rows, 0);
  EXPECT_FALSE(unpackPanels(bytes, {16, 0, formatOf("int4")}));
}

} // namespace
