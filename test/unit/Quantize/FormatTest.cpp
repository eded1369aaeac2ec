//===- FormatTest.cpp - Spellings, and sizes of packed weights --------------------------------===//
#include "nibble/Quantize/PanelLayout.h"

#include <gmock/gmock.h>

using namespace nibble;
using testing::HasSubstr;

namespace {

TEST(Format, ReadsEverySpelling) {
  struct Case {
    const char *spelling;
    Format format;
    const char *canonical;
  };
  const Case cases[] = {
      {"f32", {Element::F32, 0, Zero::None}, "f32"},
      {"f16", {Element::F16, 0, Zero::None}, "f16"},
      {"bf16", {Element::BF16, 0, Zero::None}, "bf16"},
      {"int8", {Element::Int8, 32, Zero::None}, "int8-g32"},
      {"int8-g32", {Element::Int8, 32, Zero::None}, "int8-g32"},
      {"int8-g64", {Element::Int8, 64, Zero::None}, "int8-g64"},
      {"int8-g128", {Element::Int8, 128, Zero::None}, "int8-g128"},
      {"int8-channel", {Element::Int8, 0, Zero::None}, "int8-channel"},
      {"int8-zero", {Element::Int8, 32, Zero::Integer}, "int8-g32-zero"},
      {"int8-channel-zero", {Element::Int8, 0, Zero::Integer}, "int8-channel-zero"},
      {"int4", {Element::Int4, 32, Zero::None}, "int4-g32"},
      {"int4-g64", {Element::Int4, 64, Zero::None}, "int4-g64"},
      {"int4-g128", {Element::Int4, 128, Zero::None}, "int4-g128"},
      {"int4-zero", {Element::Int4, 32, Zero::Integer}, "int4-g32-zero"},
      {"int4-min", {Element::Int4, 32, Zero::Minimum}, "int4-g32-min"},
      {"int4-g128-min", {Element::Int4, 128, Zero::Minimum}, "int4-g128-min"},
      {"nf4", {Element::NF4, 64, Zero::None}, "nf4-g64"},
      {"nf4-g32", {Element::NF4, 32, Zero::None}, "nf4-g32"},
      {"fp4", {Element::FP4, 64, Zero::None}, "fp4-g64"},
      {"e2m1", {Element::E2M1, 32, Zero::None}, "e2m1-g32"},
      {"e2m1-g128", {Element::E2M1, 128, Zero::None}, "e2m1-g128"},
      {"iq4", {Element::IQ4, 32, Zero::None}, "iq4-g32"},
  };
  for (const Case &c : cases) {
    Result<Format> format = parseFormat(c.spelling);
    ASSERT_TRUE(format) << c.spelling << ": " << format.error().message;
    EXPECT_EQ(*format, c.format) << c.spelling;
    EXPECT_EQ(formatSpelling(*format), c.canonical);
    EXPECT_EQ(*parseFormat(c.canonical), c.format) << c.canonical;
  }
}

TEST(Format, RefusesOtherSpellings) {
  for (const char *spelling : {"",
                               "-",
                               "int",
                               "int3",
                               "int4-",
                               "int4--g32",
                               "int4-g",
                               "int4-g16",
                               "int4-g32-g64",
                               "int4-zero-g32",
                               "int4-zero-min",
                               "int4-min-min",
                               "int4-channel",
                               "int8-min",
                               "int8-channel-min",
                               "f32-g32",
                               "f64",
                               "INT4",
                               " int4",
                               "int4 ",
                               "int8-g0",
                               "bf16-",
                               "int4-g32-",
                               "nf4-zero",
                               "nf4-min",
                               "fp4-channel",
                               "iq4-g16",
                               "mxfp4"}) {
    Result<Format> format = parseFormat(spelling);
    ASSERT_FALSE(format) << spelling;
    EXPECT_THAT(format.error().message, HasSubstr('"' + std::string(spelling) + '"'));
    EXPECT_THAT(format.error().message, HasSubstr("int4[-g32|-g64|-g128][-zero|-min]"));
  }
}

TEST(Format, Bits) {
  EXPECT_EQ(parseFormat("f32")->bits(), 32u);
  EXPECT_EQ(parseFormat("f16")->bits(), 16u);
  EXPECT_EQ(parseFormat("bf16")->bits(), 16u);
  EXPECT_EQ(parseFormat("int8")->bits(), 8u);
  EXPECT_EQ(parseFormat("int4")->bits(), 4u);
  for (const char *codebook : {"nf4", "fp4", "e2m1", "iq4"})
    EXPECT_EQ(parseFormat(codebook)->bits(), 4u);
}

PanelLayout layout(int64_t rows, int64_t columns, const char *format) {
  return {rows, columns, *parseFormat(format)};
}

// Sizes counted by hand from the description in PanelLayout.h.
TEST(PanelLayout, Sizes) {
  PanelLayout g32 = layout(33, 128, "int4-g32"); // 4.5 bits a weight: 2 blocks of 64 + 2 * 256 bytes
  EXPECT_TRUE(g32.check());
  EXPECT_EQ(g32.panels(), 3);
  EXPECT_EQ(g32.subgroupsPerBlock(), 2);
  EXPECT_EQ(g32.blocks(), 2);
  EXPECT_EQ(g32.blockHeaderBytes(), 64);
  EXPECT_EQ(g32.subgroupBytes(), 256);
  EXPECT_EQ(g32.panelBytes(), 2 * 576);
  EXPECT_EQ(g32.bytes(), 3 * 2 * 576);

  PanelLayout g128 = layout(16, 65, "int4-g128"); // K padded to 128: one block, one group
  EXPECT_EQ(g128.paddedColumns(), 128);
  EXPECT_EQ(g128.blocks(), 1);
  EXPECT_EQ(g128.panelBytes(), 64 + 4 * 256);

  PanelLayout shortBlock = layout(1, 320, "int8-g128"); // 256 columns, then 64
  EXPECT_EQ(shortBlock.subgroupsPerBlock(), 8);
  EXPECT_EQ(shortBlock.blocks(), 2);
  EXPECT_EQ(shortBlock.panelBytes(), 2 * 64 + 10 * 512);

  PanelLayout channel = layout(16, 4096, "int8-channel");
  EXPECT_EQ(channel.blocks(), 1);
  EXPECT_EQ(channel.panelBytes(), 64 + 16 * 4096);

  PanelLayout minimum = layout(16, 64, "int4-min");
  EXPECT_EQ(minimum.panelBytes(), 128 + 2 * 256);

  EXPECT_EQ(layout(16, 128, "nf4-g64").panelBytes(), 64 + 4 * 256); // 4.25 bits a weight

  EXPECT_EQ(layout(17, 3, "f32").bytes(), 2 * 64 * 16 * 4);
  EXPECT_EQ(layout(16, 65, "bf16").bytes(), 128 * 16 * 2);
}

TEST(PanelLayout, RefusesWhatItCannotHold) {
  EXPECT_FALSE(layout(0, 32, "int4").check());
  EXPECT_FALSE(layout(16, 0, "f32").check());
  EXPECT_FALSE(layout(-1, 32, "f32").check());
  EXPECT_FALSE(layout(int64_t(1) << 62, 32, "f32").check());
  EXPECT_FALSE(layout(16, int64_t(1) << 62, "int4").check());
  PanelLayout odd{16, 64, {Element::Int4, 48, Zero::None}};
  ASSERT_FALSE(odd.check());
  EXPECT_THAT(odd.check().error().message, HasSubstr("multiple of 32"));
  PanelLayout largest{int64_t(1) << 31, int64_t(1) << 27, {}};
  EXPECT_TRUE(largest.check());
  EXPECT_EQ(largest.bytes(), int64_t(1) << 60);
}

} // namespace
