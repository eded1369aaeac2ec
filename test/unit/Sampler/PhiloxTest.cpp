//===- PhiloxTest.cpp - The random numbers ----------------------------------------------------===//
//
// Known answers are those that the authors of Philox publish with their Random123 library (philox4x32, 10
// rounds).
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/sampler/Philox.h"

#include <gtest/gtest.h>

using Counter = std::array<uint32_t, 4>;

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(nibble::philox4x32({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(nibble::philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(nibble::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformUsesTheHighBits) {
  // seed 0, choice 0, token 0 is the first vector: 0x6627e8d5e169c58d / 2^64, cut to 53 bits.
  EXPECT_EQ(nibble::uniform(0, 0, 0), static_cast<double>(0x6627e8d5e169c58dULL >> 11) / 9007199254740992.0);
}

TEST(Philox, EveryPartOfTheKeyCounts) {
  double base = nibble::uniform(1, 2, 3);
  EXPECT_NE(base, nibble::uniform(2, 2, 3));
  EXPECT_NE(base, nibble::uniform(1 + (1ULL << 32), 2, 3));
  EXPECT_NE(base, nibble::uniform(1, 3, 3));
  EXPECT_NE(base, nibble::uniform(1, 2, 4));
  EXPECT_NE(base, nibble::uniform(1, 2, 3 + (1ULL << 32)));
  EXPECT_EQ(base, nibble::uniform(1, 2, 3));
}
