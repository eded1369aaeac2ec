//===- HalfFloatTest.cpp - Every float16, and every boundary between two of them --------------===//
#include "nibble/runtime/HalfFloat.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace nibble;

namespace {

/// IEEE 754: five bits of exponent with bias 15, ten of fraction.
double halfByDefinition(uint16_t half) {
  int exponent = half >> 10 & 31, fraction = half & 1023;
  double sign = half & 0x8000 ? -1.0 : 1.0;
  if (exponent == 31)
    return fraction ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0)
    return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(HalfFloat, EveryHalf) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    uint16_t half = static_cast<uint16_t>(bits);
    float value = halfToFloat(half);
    double expected = halfByDefinition(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << std::hex << bits;
      EXPECT_EQ(floatToHalf(value), half | 0x200) << std::hex << bits; // quiet, same payload
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), expected) << std::hex << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << std::hex << bits;
    ASSERT_EQ(floatToHalf(value), half) << std::hex << bits;
  }
}

// Between each two neighbours: the middle goes to the even one, what lies beside it to the nearer one.
TEST(HalfFloat, RoundsToNearestEven) {
  float infinity = std::numeric_limits<float>::infinity();
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    uint16_t below = static_cast<uint16_t>(bits), above = static_cast<uint16_t>(bits + 1);
    double next = above == 0x7c00 ? 65536.0 : halfByDefinition(above); // infinity stands where 2^16 would
    float middle = static_cast<float>((halfByDefinition(below) + next) / 2);
    ASSERT_EQ(floatToHalf(middle), bits % 2 ? above : below) << std::hex << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 0.0f)), below) << std::hex << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, infinity)), above) << std::hex << bits;
    ASSERT_EQ(floatToHalf(-middle), (bits % 2 ? above : below) | 0x8000) << std::hex << bits;
  }
}

TEST(HalfFloat, Extremes) {
  EXPECT_EQ(floatToHalf(65519.996f), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(floatToHalf(3.4e38f), 0x7c00);
  EXPECT_EQ(floatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(floatToHalf(-0.0f), 0x8000);
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(floatToHalf(0x1p-25f), 0);        // half of the least subnormal: to even
  EXPECT_EQ(floatToHalf(0x1.000002p-25f), 1); // and just above it
}

TEST(BFloat16, EveryValueAndTheMiddles) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    uint16_t value = static_cast<uint16_t>(bits);
    float wide = bfloat16ToFloat(value);
    ASSERT_EQ(std::bit_cast<uint32_t>(wide), bits << 16);
    if (std::isnan(wide)) {
      EXPECT_EQ(floatToBFloat16(wide), value | 0x40) << std::hex << bits;
      continue;
    }
    ASSERT_EQ(floatToBFloat16(wide), value) << std::hex << bits;
    if (std::isinf(wide))
      continue;
    // By the bit patterns: 0x8000 below is the middle to the next value away from zero.
    uint16_t next = static_cast<uint16_t>(bits + 1);
    float middle = std::bit_cast<float>(bits << 16 | 0x8000);
    ASSERT_EQ(floatToBFloat16(middle), bits % 2 ? next : value) << std::hex << bits;
    ASSERT_EQ(floatToBFloat16(std::bit_cast<float>(bits << 16 | 0x7fff)), value) << std::hex << bits;
    ASSERT_EQ(floatToBFloat16(std::bit_cast<float>(bits << 16 | 0x8001)), next) << std::hex << bits;
  }
}

TEST(BFloat16, NaNWithALowPayloadStaysNaN) {
  EXPECT_EQ(floatToBFloat16(std::bit_cast<float>(0x7f800001u)), 0x7fc0);
  EXPECT_EQ(floatToBFloat16(std::bit_cast<float>(0xffffffffu)), 0xffff);
  EXPECT_EQ(floatToHalf(std::bit_cast<float>(0x7f800001u)), 0x7e00);
}

} // namespace
