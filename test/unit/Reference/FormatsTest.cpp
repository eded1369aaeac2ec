//===- FormatsTest.cpp - Ops of lowbit against numpy and by hand ------------------------------===//
//
// The expected values are written by python/fixtures/reference_ops.py and reference_formats.py.
//
//===------------------------------------------------------------------------------------------===//
#include "Expected/Formats.h"
#include "Expected/Int8Rows.h"
#include "Pattern.h"
#include "nibble/Reference/Kernels.h"
#include "nibble/Reference/Numbers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

using namespace nibble;
using namespace nibble::reference;

TEST(Numbers, HalfEqualsTheCompilersForAllPatterns) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    double expected = std::bit_cast<_Float16>(static_cast<uint16_t>(bits));
    double found = halfValue(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(found)) << bits;
      continue;
    }
    ASSERT_EQ(found, expected) << bits;
    ASSERT_EQ(halfBits(found), bits);
    // Between this pattern and the next: the tie goes to the even one, its neighbours to the nearer.
    if ((bits & 0x7fff) >= 0x7bff)
      continue;
    double tie = (found + halfValue(static_cast<uint16_t>(bits + 1))) / 2;
    for (double value : {tie, std::nextafter(tie, 0.0), std::nextafter(tie, 1e9 * (bits & 0x8000 ? -1 : 1))})
      ASSERT_EQ(halfBits(value), std::bit_cast<uint16_t>(static_cast<_Float16>(value))) << bits;
  }
  EXPECT_EQ(halfBits(65519.99), 0x7bff);
  EXPECT_EQ(halfBits(65520), 0x7c00);
  EXPECT_TRUE(std::isinf(roundToHalf(-1e6)));
}

TEST(Numbers, BFloat16RoundsToEightBits) {
  EXPECT_EQ(roundToBFloat16(257), 256);
  EXPECT_EQ(roundToBFloat16(259), 260);
  EXPECT_EQ(roundToBFloat16(257.0001), 258);
  EXPECT_EQ(roundToBFloat16(-0x1.fep-127), -0x1p-126);
  EXPECT_EQ(roundToBFloat16(0x1p-134), 0);
  EXPECT_EQ(roundToBFloat16(0x1.8p-133), 0x1p-132);
  EXPECT_TRUE(std::isinf(roundToBFloat16(0x1.ffp127)));
}

/// 2 x 3 with a group of 2 (so that the last group is short): values by hand.
static RowBlock codes(Element element, Zero zero) {
  RowBlock block{{element, 2, zero}, 2, 3, {}, {1, -2, 3, -128, 127, 0}, {}, {}};
  block.scales = {0x3c00, 0xc000, 0x3800, 0x3400}; // 1, -2, 0.5, 0.25
  if (zero == Zero::Integer)
    block.zeros = {8, 1, 128, 255};
  if (zero == Zero::Minimum)
    block.zeros = {0xbc00, 0x4000, 0x0001, 0x0000}; // -1, 2, 2^-24, 0
  return block;
}

TEST(Formats, Symmetric) {
  EXPECT_EQ(dequantize(codes(Element::Int8, Zero::None)).data,
            (std::vector<double>{1, -2, -6, -64, 63.5, 0}));
}

TEST(Formats, IntegerZeroPointsAndUnsignedCodes) {
  // -2 and -128 are the bytes 254 and 128.
  EXPECT_EQ(dequantize(codes(Element::Int8, Zero::Integer)).data,
            (std::vector<double>{-7, 246, -4, 0, -0.5, -63.75}));
}

TEST(Formats, Codebooks) {
  // Codes 0, 7, 8, 15 of each table, as published; scales 2 and -0.5.
  auto values = [](Element element) {
    return dequantize(
               RowBlock{
                   {element, 32, Zero::None}, 2, 4, {}, {0, 7, 8, 15, 0, 7, 8, 15}, {0x4000, 0xb800}, {}})
        .data;
  };
  EXPECT_EQ(values(Element::NF4), (std::vector<double>{-254, 0, 20, 254, 63.5, 0, -5, -63.5}));
  EXPECT_EQ(values(Element::FP4), (std::vector<double>{0, 60, 0, -60, 0, -15, 0, 15}));
  EXPECT_EQ(values(Element::E2M1), (std::vector<double>{0, 24, 0, -24, 0, -6, 0, 6}));
  EXPECT_EQ(values(Element::IQ4), (std::vector<double>{-254, -20, 2, 226, 63.5, 5, -0.5, -56.5}));
}

TEST(Formats, FloatMinima) {
  EXPECT_EQ(dequantize(codes(Element::Int8, Zero::Minimum)).data,
            (std::vector<double>{0, 253, -4, 64 + 0x1p-24, 63.5 + 0x1p-24, 0}));
}

TEST(Formats, AScaleForTheWholeRow) {
  RowBlock block{{Element::Int4, 0, Zero::None}, 2, 2, {}, {-8, 7, 1, 2}, {0x3c00, 0x3800}, {}};
  EXPECT_EQ(dequantize(block).data, (std::vector<double>{-8, 7, 0.5, 1}));
}

class FormatTest : public testing::TestWithParam<expected::FormatCase> {};

static std::vector<double> halves(const std::vector<uint16_t> &bits) {
  std::vector<double> values;
  for (uint16_t b : bits)
    values.push_back(halfValue(b));
  return values;
}

/// Codes as numbers: unsigned ones of eight bits are stored as bit patterns.
static std::vector<int> codesOf(const RowBlock &block) {
  std::vector<int> codes;
  for (int8_t code : block.codes)
    codes.push_back(block.format.hasSignedCodes() ? code : static_cast<uint8_t>(code));
  return codes;
}

TEST_P(FormatTest, QuantizedAsNumpyDoes) {
  Format format = *parseFormat(GetParam().spelling);
  RowBlock block = quantize(skewed(), format);
  ASSERT_TRUE(block.check());
  EXPECT_EQ(codesOf(block), GetParam().codes);
  EXPECT_EQ(halves(block.scales), GetParam().scales);
  EXPECT_EQ(format.zero == Zero::Integer ? std::vector<double>(block.zeros.begin(), block.zeros.end())
                                         : halves(block.zeros),
            GetParam().zeros);
}

/// numpy's codes, scales and zero points, whatever the quantizer finds.
static RowBlock blockOf(const expected::FormatCase &c) {
  RowBlock block{*parseFormat(c.spelling), 2, 140, {}, {}, {}, {}};
  block.codes.assign(c.codes.begin(), c.codes.end());
  for (double scale : c.scales)
    block.scales.push_back(halfBits(scale));
  for (double zero : c.zeros)
    block.zeros.push_back(block.format.zero == Zero::Integer ? static_cast<uint16_t>(zero) : halfBits(zero));
  return block;
}

TEST_P(FormatTest, DequantizedAsNumpyDoes) {
  EXPECT_EQ(dequantize(blockOf(GetParam())).data, GetParam().values);
}

static void expectNear(const Matrix &found, const std::vector<double> &expected) {
  ASSERT_EQ(found.data.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found.data[i], expected[i], 1e-12 * (1 + std::abs(expected[i])));
}

TEST_P(FormatTest, MultipliedAsNumpyDoes) {
  Matrix x = rows(3, 140, 29, 5);
  expectNear(linear(x, blockOf(GetParam())), GetParam().product);
  expectNear(linear(quantizeRows(x), blockOf(GetParam())), GetParam().int8Product);
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatTest, testing::ValuesIn(expected::formats), [](const auto &info) {
  std::string name = info.param.spelling;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Quantize, ValuesOnTheGridComeBackExactly) {
  // 16 codes with a minimum: m = -3, s = 0.5.
  Matrix w(1, 32);
  for (int64_t k = 0; k < 32; ++k)
    w.data[k] = 0.5 * static_cast<double>(k % 16) - 3;
  RowBlock block = quantize(w, {Element::Int4, 32, Zero::Minimum});
  EXPECT_EQ(dequantize(block).data, w.data);
  EXPECT_EQ(halfValue(block.scales[0]), 0.5);
  EXPECT_EQ(halfValue(block.zeros[0]), -3);
  // Full range: -8 is a code, +8 is not, so the scale is negative.
  for (int64_t k = 0; k < 32; ++k)
    w.data[k] = 0.25 * static_cast<double>(8 - k % 16);
  block = quantize(w, {Element::Int4, 32, Zero::None});
  EXPECT_EQ(dequantize(block).data, w.data);
  EXPECT_EQ(halfValue(block.scales[0]), -0.25);
}

TEST(Quantize, ZerosAndConstants) {
  EXPECT_EQ(dequantize(quantize(Matrix(1, 40), {Element::Int4, 32, Zero::None})).data,
            std::vector<double>(40, 0));
  Matrix constant(1, 32, std::vector<double>(32, 1.5));
  EXPECT_EQ(dequantize(quantize(constant, {Element::Int4, 32, Zero::Minimum})).data, constant.data);
  // Elsewhere only the scale's rounding to f16 is lost.
  for (const char *spelling : {"int4-zero", "int8-zero", "nf4", "fp4", "e2m1", "iq4"}) {
    EXPECT_EQ(dequantize(quantize(Matrix(1, 40), *parseFormat(spelling))).data, std::vector<double>(40, 0))
        << spelling;
    for (double value : dequantize(quantize(constant, *parseFormat(spelling))).data)
      EXPECT_NEAR(value, 1.5, 1.5 * 0x1p-11) << spelling;
  }
}

static Matrix activations() {
  Matrix x = rows(2, 70, 37, 11);
  for (double &value : x.data)
    value = static_cast<float>(value) * 0.37f;
  std::fill(x.row(1).begin() + 32, x.row(1).begin() + 64, 0.0);
  return x;
}

TEST(QuantizedRows, AsNumpyQuantizesThem) {
  QuantizedRows rows = quantizeRows(activations());
  EXPECT_EQ(std::vector<int>(rows.codes.begin(), rows.codes.end()), expected::rowCodes);
  EXPECT_EQ(std::vector<double>(rows.scales.begin(), rows.scales.end()), expected::rowScales);
  for (int64_t i = 0; i < 140; ++i)
    EXPECT_EQ(dequantize(rows).data[i],
              expected::rowCodes[i] * expected::rowScales[i / 70 * 3 + i % 70 / 32]);
}

/// By hand: the largest magnitude 16319.5 = 32639 / 2, so d = 1/2; -100.25 / d = -200.5 ties to -200.
TEST(QuantizedRows, SixteenBitsInTwoPlanes) {
  QuantizedRows rows = quantizeRows(Matrix(1, 3, {16319.5, -100.25, 64}), 2);
  EXPECT_EQ(rows.scales, std::vector<float>{0.5f});
  EXPECT_EQ(rows.codes, (std::vector<int16_t>{32639, -200, 128}));
  RecordLayout layout{{8}, true, 2};
  std::vector<uint8_t> bytes = packRecords(rows, layout);
  ASSERT_EQ(bytes.size(), 2u * (64 + 4 + 4 + 4));
  // 32639 = 127 * 256 + 127, -200 = -256 + 56, 128 = 256 - 128.
  EXPECT_EQ((std::vector<uint8_t>(bytes.begin(), bytes.begin() + 4)), (std::vector<uint8_t>{127, 255, 1, 0}));
  EXPECT_EQ((std::vector<uint8_t>(bytes.begin() + 32, bytes.begin() + 36)),
            (std::vector<uint8_t>{127, 56, 128, 0}));
  EXPECT_EQ(unpackRecords(bytes, 1, 3, layout).codes, rows.codes);
  EXPECT_EQ(dequantize(rows).data, (std::vector<double>{16319.5, -100, 64}));
}

TEST(QuantizedRows, TinyGroupsKeepCodesInRange) {
  // 127 over 190 subnormal units is infinite in f32: the group is worth nothing. Over 1e-36 it is not.
  QuantizedRows rows = quantizeRows(Matrix(2, 1, {190 * 0x1p-149, 1e-36}));
  EXPECT_EQ(rows.codes, (std::vector<int16_t>{0, 127}));
  EXPECT_EQ(rows.scales[1], 1e-36f / 127);
}

TEST(QuantizedRows, LinearMultipliesWhatTheCodesMean) {
  QuantizedRows rows{1, 2, {3, -2}, {0.5f}, 1};
  RowBlock weight{
      {Element::Int8, 0, Zero::Minimum}, 1, 2, {}, {4, 10}, {0x3800}, {0x3c00}}; // 0.5 c + 1: 3, 6
  EXPECT_EQ(linear(rows, weight).data, std::vector<double>{1.5 * 3 - 6});
  EXPECT_EQ(linearMagnitude(rows, weight).data, std::vector<double>{1.5 * 3 + 6});
}

template <typename T> static T at(const std::vector<uint8_t> &bytes, size_t offset) {
  T value;
  std::memcpy(&value, &bytes[offset], sizeof value);
  return value;
}

TEST(Records, TilesOfEightThenTheRest) {
  // 10 rows of 33 columns: groups 0 and 1, the second padded; tiles of 8 and 2 rows.
  QuantizedRows rows{10, 33, {}, {}, 1};
  for (int row = 0; row < 10; ++row) {
    for (int k = 0; k < 33; ++k)
      rows.codes.push_back(static_cast<int16_t>(row * 12 - k));
    rows.scales.insert(rows.scales.end(), {row + 0.5f, row + 0.25f});
  }
  RecordLayout layout{{0, 8}, true};
  std::vector<uint8_t> bytes = packRecords(rows, layout);
  const size_t record = 32 + 2 * 4 + 4 + 4;
  ASSERT_EQ(bytes.size(), 10 * 2 * record);

  // Row 3, group 0: in the first record, of 8 rows.
  int sum = 32 * 36 - 31 * 16;
  EXPECT_EQ(at<int8_t>(bytes, 3 * 32 + 5), 36 - 5);
  EXPECT_EQ(at<float>(bytes, 8 * 32 + 3 * 4), 12582912.0f);
  EXPECT_EQ(at<float>(bytes, 8 * 36 + 3 * 4), 12582912.0f - 8.0f * static_cast<float>(sum));
  EXPECT_EQ(at<float>(bytes, 8 * 40 + 3 * 4), 3.5f);
  EXPECT_EQ(at<float>(bytes, 8 * 44 + 3 * 4), 3.5f * static_cast<float>(sum));
  // Row 9, group 1: the second record of the second tile, of 2 rows; one column is real.
  size_t begin = 8 * 2 * record + 2 * record;
  EXPECT_EQ(at<int8_t>(bytes, begin + 32), 108 - 32);
  EXPECT_EQ(at<int8_t>(bytes, begin + 33), 0);
  EXPECT_EQ(at<float>(bytes, begin + 2 * 36 + 4), 12582912.0f - 8 * 76);
  EXPECT_EQ(at<float>(bytes, begin + 2 * 40 + 4), 9.25f);

  QuantizedRows back = unpackRecords(bytes, 10, 33, layout);
  EXPECT_EQ(back.codes, rows.codes);
  EXPECT_EQ(back.scales, rows.scales);
}
