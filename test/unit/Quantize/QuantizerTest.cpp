//===- QuantizerTest.cpp - The quantizer against its definition -------------------------------===//
//
// The model below follows the written definition word by word, one group at a time, in double precision where
// the definition takes sums, and knows nothing of lanes.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Quantizer.h"
#include "nibble/Quantize/Codebook.h"
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Reference/Kernels.h"
#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

using namespace nibble;
using testing::HasSubstr;

namespace {

struct ModelGroup {
  std::vector<int> codes;
  double scale = 0;
  double error = 0; // sum((w - s q)^2) of the winner
};

/// The nearest f16 of a double that is not past f16: a multiple of 2^-24, or of 2^-10 of its own power of
/// two.
double roundToHalf(double value) {
  int exponent = 0;
  std::frexp(value, &exponent); // |value| in [2^(exponent - 1), 2^exponent)
  int step = std::max(exponent - 11, -24);
  return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
}

ModelGroup modelSymmetric(const std::vector<float> &w, int bits) {
  ModelGroup best;
  best.codes.assign(w.size(), 0);
  float e = 0;
  for (float v : w)
    if (std::fabs(v) > std::fabs(e))
      e = v;
  if (e == 0)
    return best;
  int least = -(1 << (bits - 1)), most = (1 << (bits - 1)) - 1;
  for (int hundredths = 70; hundredths <= 115; ++hundredths) {
    float step = static_cast<float>(hundredths / 100.0) * e / static_cast<float>(least);
    std::vector<int> q;
    double wq = 0, qq = 0;
    for (float v : w) {
      double code = std::nearbyint(v / step); // half to even; one division in float
      q.push_back(static_cast<int>(std::min<double>(std::max<double>(code, least), most)));
      wq += static_cast<double>(v) * q.back();
      qq += static_cast<double>(q.back()) * q.back();
    }
    double s = roundToHalf(wq / qq);
    double error = 0;
    for (size_t k = 0; k < w.size(); ++k)
      error += (w[k] - s * q[k]) * (w[k] - s * q[k]);
    if (hundredths == 70 || error < best.error) {
      best.codes = q;
      best.scale = s;
      best.error = error;
    }
  }
  return best;
}

RowBlock block(int64_t rows, int64_t columns, std::vector<float> values) {
  return {Format{}, rows, columns, std::move(values), {}, {}, {}};
}

std::vector<float> groupOf(const RowBlock &values, int64_t row, int64_t group, int64_t length) {
  int64_t begin = group * length, end = std::min(values.columns, begin + length);
  auto at = values.values.begin() + row * values.columns;
  return {at + begin, at + end};
}

/// Compares each group with the model. Where the errors of two candidates agree to the last bits, either may
/// win.
void expectModel(const RowBlock &values, const char *spelling) {
  Format format = *parseFormat(spelling);
  Result<RowBlock> result = quantize(values, format);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_TRUE(result->check());
  EXPECT_EQ(result->format, format);
  int64_t length = format.group ? format.group : values.columns, groups = result->groups(), near = 0;
  for (int64_t row = 0; row < values.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      std::vector<float> w = groupOf(values, row, group, length);
      ModelGroup model = modelSymmetric(w, static_cast<int>(format.bits()));
      double scale = halfToFloat(result->scales[row * groups + group]), error = 0, energy = 0;
      const int8_t *codes = result->codes.data() + row * values.columns + group * length;
      bool same = scale == model.scale;
      for (size_t k = 0; k < w.size(); ++k) {
        error += (w[k] - scale * codes[k]) * (w[k] - scale * codes[k]);
        energy += static_cast<double>(w[k]) * w[k];
        same &= codes[k] == model.codes[k];
      }
      if (same)
        continue;
      ++near;
      ASSERT_NEAR(error, model.error, 1e-12 * energy) << spelling << " row " << row << " group " << group;
    }
  EXPECT_LE(near, 1 + values.rows * groups / 1000) << spelling;
}

std::vector<float> gaussian(int64_t count, unsigned seed, float sigma = 0.05f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> out(count);
  for (float &v : out)
    v = normal(random);
  return out;
}

constexpr const char *kSymmetric[] = {"int4-g32", "int4-g64",  "int4-g128",   "int8-g32",
                                      "int8-g64", "int8-g128", "int8-channel"};

TEST(Quantizer, RandomGroups) {
  for (const char *format : kSymmetric)
    expectModel(block(40, 256, gaussian(40 * 256, 1)), format);
}

TEST(Quantizer, ShortLastGroup) {
  for (const char *format : kSymmetric)
    for (int64_t columns : {1, 5, 31, 33, 64, 65, 127, 129, 200, 1500})
      expectModel(block(7, columns, gaussian(7 * columns, static_cast<unsigned>(columns))), format);
}

TEST(Quantizer, Outliers) {
  std::vector<float> values = gaussian(16 * 512, 3);
  std::mt19937 random(4);
  for (int i = 0; i < 60; ++i) {
    float &v = values[random() % values.size()];
    v = (random() % 2 ? 1.0f : -1.0f) * static_cast<float>(1 + random() % 100);
  }
  for (const char *format : kSymmetric)
    expectModel(block(16, 512, values), format);
}

TEST(Quantizer, CoarseValuesWithManyTies) {
  std::vector<float> values(16 * 128);
  std::mt19937 random(5);
  for (float &v : values)
    v = static_cast<float>(static_cast<int>(random() % 9) - 4) * 0.25f;
  for (const char *format : kSymmetric)
    expectModel(block(16, 128, values), format);
}

TEST(Quantizer, TinyAndHugeValues) {
  for (float sigma : {1e-7f, 1e-5f, 1e-3f, 100.0f, 10000.0f})
    for (const char *format : {"int4-g32", "int8-g32"})
      expectModel(block(8, 96, gaussian(8 * 96, 6, sigma)), format);
}

TEST(Quantizer, GroupsOfZeros) {
  std::vector<float> values = gaussian(3 * 128, 7);
  std::fill(values.begin() + 32, values.begin() + 64, 0.0f);
  std::fill(values.begin() + 128, values.begin() + 256, -0.0f);
  for (const char *format : kSymmetric)
    expectModel(block(3, 128, values), format);
  RowBlock q = *quantize(block(3, 128, values), *parseFormat("int4-g32"));
  for (int group : {1, 4, 5, 6, 7}) {
    EXPECT_EQ(q.scales[group], 0);
    for (int k = 32 * group; k < 32 * group + 32; ++k)
      EXPECT_EQ(q.codes[k], 0);
  }
}

// lib/Reference searches group by group and takes each error as a sum of squares.
TEST(Quantizer, AgreesWithTheReference) {
  std::mt19937 random(15);
  for (float middle : {0.0f, 0.03f, 5.0f})
    for (const char *spelling :
         {"int4-g32", "int8-g32", "int8-channel", "int4-min", "int4-g64-min", "int4-g128-min", "int4-zero",
          "int4-g128-zero", "int8-zero", "int8-channel-zero", "nf4", "nf4-g32", "fp4", "fp4-g128", "e2m1",
          "iq4", "iq4-g64"}) {
      Format format = *parseFormat(spelling);
      std::normal_distribution<float> normal(middle, 0.05f);
      RowBlock values = block(64, 200, std::vector<float>(64 * 200));
      for (float &v : values.values)
        v = normal(random);
      RowBlock ours = *quantize(values, format);
      RowBlock theirs = reference::quantize(reference::Matrix::fromFloats(64, 200, values.values), format);
      EXPECT_EQ(ours.codes, theirs.codes) << spelling << " " << middle;
      EXPECT_EQ(ours.scales, theirs.scales) << spelling << " " << middle;
      EXPECT_EQ(ours.zeros, theirs.zeros) << spelling << " " << middle;
      reference::Matrix values64 = reference::dequantize(ours);
      RowBlock values32 = *dequantize(ours);
      for (size_t i = 0; i < values32.values.size(); ++i)
        ASSERT_EQ(values32.values[i], static_cast<float>(values64.data[i]));
    }
}

// Weights of a trained model: its groups have outliers and shapes that a random generator does not give.
TEST(Quantizer, TrainedWeights) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is not set; it names the folder of third-party data";
  std::ifstream file(std::string(data) + "/models/TinyStories-656K/model.safetensors", std::ios::binary);
  ASSERT_TRUE(file);
  uint64_t headerBytes = 0;
  file.read(reinterpret_cast<char *>(&headerBytes), 8);
  std::string header(headerBytes, ' ');
  file.read(header.data(), static_cast<std::streamsize>(headerBytes));
  auto tensors = nlohmann::json::parse(header);
  for (const char *name : {"model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"}) {
    auto tensor = tensors.at(name);
    ASSERT_EQ(tensor.at("dtype"), "F32");
    int64_t rows = tensor.at("shape")[0], columns = tensor.at("shape")[1];
    std::vector<float> values(rows * columns);
    file.seekg(static_cast<std::streamoff>(8 + headerBytes + tensor.at("data_offsets")[0].get<uint64_t>()));
    file.read(reinterpret_cast<char *>(values.data()), rows * columns * 4);
    ASSERT_TRUE(file);
    for (const char *format : kSymmetric)
      expectModel(block(rows, columns, values), format);
  }
}

TEST(Quantizer, NegativeExtremeTakesTheLowestCode) {
  // -8 .. 7 times a power of two, and its mirror image: both are exact with a scale of either sign.
  std::vector<float> values;
  for (float sign : {1.0f, -1.0f})
    for (int k = 0; k < 32; ++k)
      values.push_back(sign * 0.125f * static_cast<float>(k % 16 - 8));
  RowBlock q = *quantize(block(2, 32, values), *parseFormat("int4-g32"));
  EXPECT_EQ(halfToFloat(q.scales[0]), 0.125f);
  EXPECT_EQ(halfToFloat(q.scales[1]), -0.125f);
  for (int k = 0; k < 64; ++k)
    EXPECT_EQ(q.codes[k], k % 16 - 8);
  EXPECT_EQ(dequantize(q)->values, values);
}

TEST(Quantizer, EveryPathGivesTheSameBits) {
  std::vector<float> values = gaussian(33 * 333, 8);
  for (const char *format : {"int4-g32", "int4-g128", "int8-g32", "int8-channel", "int4-min", "int4-g64-min",
                             "int4-zero", "int8-channel-zero", "nf4", "fp4-g32", "e2m1", "iq4-g128"}) {
    RowBlock base = *quantize(block(33, 333, values), *parseFormat(format), 0, QuantizerPath::Baseline);
    for (QuantizerPath path : {QuantizerPath::Fastest, QuantizerPath::AVX2, QuantizerPath::AVX512}) {
      if (!isPathSupported(path))
        continue;
      RowBlock other = *quantize(block(33, 333, values), *parseFormat(format), 0, path);
      EXPECT_EQ(other.codes, base.codes) << format;
      EXPECT_EQ(other.scales, base.scales) << format;
      EXPECT_EQ(other.zeros, base.zeros) << format;
    }
  }
}

TEST(Quantizer, RowsDoNotDependOnTheBlock) {
  std::vector<float> values = gaussian(20 * 160, 9);
  RowBlock whole = *quantize(block(20, 160, values), *parseFormat("int4-g64"));
  for (int64_t row = 0; row < 20; ++row) {
    std::vector<float> one(values.begin() + row * 160, values.begin() + (row + 1) * 160);
    RowBlock q = *quantize(block(1, 160, one), *parseFormat("int4-g64"));
    EXPECT_TRUE(std::equal(q.codes.begin(), q.codes.end(), whole.codes.begin() + row * 160));
    EXPECT_TRUE(std::equal(q.scales.begin(), q.scales.end(), whole.scales.begin() + row * 3));
  }
}

double squaredError(const RowBlock &values, const RowBlock &q) {
  RowBlock back = *dequantize(q);
  double error = 0;
  for (size_t i = 0; i < back.values.size(); ++i)
    error += std::pow(static_cast<double>(values.values[i]) - back.values[i], 2);
  return error;
}

// The search for a minimum is our own; its bound is the plain rule: lowest value, range / 15, no search.
TEST(Quantizer, MinimumBeatsPlainRounding) {
  std::mt19937 random(10);
  std::normal_distribution<float> normal(0.03f, 0.05f);
  RowBlock values = block(32, 104, std::vector<float>(32 * 104));
  for (float &v : values.values)
    v = normal(random);
  for (const char *spelling : {"int4-min", "int4-g64-min", "int4-g128-min"}) {
    Format format = *parseFormat(spelling);
    RowBlock q = *quantize(values, format), plain = q;
    int64_t groups = q.groups(), length = format.group;
    for (int64_t row = 0; row < values.rows; ++row)
      for (int64_t group = 0; group < groups; ++group) {
        std::vector<float> w = groupOf(values, row, group, length);
        float low = *std::min_element(w.begin(), w.end()), high = *std::max_element(w.begin(), w.end());
        uint16_t scale = floatToHalf((high - low) / 15), minimum = floatToHalf(low);
        plain.scales[row * groups + group] = scale;
        plain.zeros[row * groups + group] = minimum;
        for (size_t k = 0; k < w.size(); ++k) {
          float code = std::nearbyint((w[k] - halfToFloat(minimum)) / halfToFloat(scale));
          plain.codes[row * values.columns + group * length + static_cast<int64_t>(k)] =
              static_cast<int8_t>(std::min(std::max(code, 0.0f), 15.0f));
        }
      }
    EXPECT_LT(squaredError(values, q), 0.92 * squaredError(values, plain)) << spelling;
    for (int8_t code : q.codes)
      ASSERT_TRUE(code >= 0 && code <= 15);
  }
}

TEST(Quantizer, MinimumIsExactWhereTheGridFits) {
  std::vector<float> values;
  for (int k = 0; k < 32; ++k)
    values.push_back(0.5f + 0.0625f * static_cast<float>(k % 16));
  values.resize(64, -3.0f); // constant: scale 0, minimum the value
  values.resize(70, 0.0f);
  RowBlock q = *quantize(block(1, 70, values), *parseFormat("int4-min"));
  EXPECT_EQ(dequantize(q)->values, values);
  EXPECT_EQ(q.scales[1], 0);
  EXPECT_EQ(halfToFloat(q.zeros[1]), -3.0f);
}

TEST(Quantizer, ZeroPointsAndCodebooksBeatSymmetricCodes) {
  RowBlock normal = block(64, 256, gaussian(64 * 256, 16)), shifted = normal;
  for (float &v : shifted.values)
    v += 0.04f;
  auto error = [](const RowBlock &values, const char *spelling) {
    return squaredError(values, *quantize(values, *parseFormat(spelling)));
  };
  EXPECT_LT(error(normal, "int4-zero"), 0.95 * error(normal, "int4"));
  EXPECT_LT(error(shifted, "int4-zero"), 0.7 * error(shifted, "int4"));
  EXPECT_LT(error(shifted, "int8-zero"), 0.7 * error(shifted, "int8"));
  for (const char *spelling : {"nf4-g32", "iq4-g32"}) // made for normally distributed weights
    EXPECT_LT(error(normal, spelling), 0.95 * error(normal, "int4")) << spelling;
}

TEST(Quantizer, ZeroPointIsExactWhereTheGridFits) {
  // Codes 0 .. 15 with zero point 5 and scale 0.25; a group that is all positive has zero point 0, one that
  // is all negative the largest; zeros.
  std::vector<float> values;
  for (int k = 0; k < 32; ++k)
    values.push_back(0.25f * static_cast<float>(k % 16 - 5));
  for (int k = 0; k < 32; ++k)
    values.push_back(0.5f * static_cast<float>(k % 16));
  for (int k = 0; k < 32; ++k)
    values.push_back(-0.5f * static_cast<float>(k % 16));
  values.resize(130, 0.0f);
  RowBlock q = *quantize(block(1, 130, values), *parseFormat("int4-zero"));
  EXPECT_EQ(dequantize(q)->values, values);
  EXPECT_EQ(q.zeros, (std::vector<uint16_t>{5, 0, 15, 0, 0}));
  EXPECT_EQ(halfToFloat(q.scales[0]), 0.25f);
  EXPECT_EQ(q.scales[3], 0);
}

TEST(Quantizer, CodebookIsExactWhereTheTableFits) {
  for (const char *spelling : {"nf4", "fp4", "e2m1", "iq4"}) {
    Format format = *parseFormat(spelling);
    for (float scale : {0.125f, -0.25f}) {
      std::vector<float> values;
      for (int k = 0; k < 64; ++k)
        values.push_back(scale * static_cast<float>(reference::codebookEntry(format.element, k % 16)));
      values.resize(200, 0.0f);
      EXPECT_EQ(dequantize(*quantize(block(1, 200, values), format))->values, values)
          << spelling << " " << scale;
    }
  }
}

TEST(Codebook, IsThePublishedTable) {
  for (Element element : {Element::NF4, Element::FP4, Element::E2M1, Element::IQ4})
    for (int code = 0; code < 16; ++code)
      EXPECT_EQ(codebook(element)[code], reference::codebookEntry(element, code)) << code;
  EXPECT_EQ(zeroCode(Element::NF4), 7);
  EXPECT_EQ(zeroCode(Element::FP4), 0);
  EXPECT_EQ(zeroCode(Element::E2M1), 0);
  EXPECT_EQ(zeroCode(Element::IQ4), 8);
}

TEST(Quantizer, NamesTheRowOfABadWeight) {
  std::vector<float> values = gaussian(4 * 40, 11);
  values[2 * 40 + 7] = std::numeric_limits<float>::quiet_NaN();
  Result<RowBlock> q = quantize(block(4, 40, values), *parseFormat("int4"), 100);
  ASSERT_FALSE(q);
  EXPECT_THAT(q.error().message, HasSubstr("row 102, column 7 is NaN"));
  values[2 * 40 + 7] = -std::numeric_limits<float>::infinity();
  q = quantize(block(4, 40, values), *parseFormat("int4-min"), 100);
  ASSERT_FALSE(q);
  EXPECT_THAT(q.error().message, HasSubstr("row 102, column 7 is infinite"));
}

TEST(Quantizer, RefusesScalesPastHalf) {
  for (const char *format : {"int4-g32", "int8-g32", "int4-min", "int4-zero", "int8-zero", "e2m1", "iq4-g32"})
    for (float huge : {1e8f, 3.3e38f}) {
      std::vector<float> values = gaussian(3 * 64, 12);
      values[64 + 40] = huge;
      Result<RowBlock> q = quantize(block(3, 64, values), *parseFormat(format), 10);
      ASSERT_FALSE(q) << format << " " << huge;
      EXPECT_THAT(q.error().message, HasSubstr("row 11, group 1"));
    }
  // The largest weight of int4 is about 8 * 65504.
  std::vector<float> values(32, 1.0f);
  values[3] = -500000.0f;
  EXPECT_TRUE(quantize(block(1, 32, values), *parseFormat("int4")));
}

TEST(Quantizer, RefusesWrongRequests) {
  RowBlock values = block(1, 32, gaussian(32, 13));
  Result<RowBlock> half = quantize(values, *parseFormat("f16"));
  ASSERT_FALSE(half);
  EXPECT_THAT(half.error().message, HasSubstr("\"f16\" is not a format with codes"));
  EXPECT_FALSE(quantize(*quantize(values, *parseFormat("int4")), *parseFormat("int8")));
  values.values.pop_back();
  EXPECT_FALSE(quantize(values, *parseFormat("int4")));
}

TEST(Dequantize, ByTheDefinition) {
  uint16_t half = floatToHalf(0.5f), two = floatToHalf(2.0f);
  RowBlock symmetric{*parseFormat("int4"), 1, 34, {}, std::vector<int8_t>(34, -8), {half, two}, {}};
  std::vector<float> expected(34, -4.0f);
  expected[32] = expected[33] = -16.0f;
  EXPECT_EQ(dequantize(symmetric)->values, expected);

  RowBlock integer{*parseFormat("int8-zero"), 1, 2, {}, {static_cast<int8_t>(250), 3}, {half}, {128}};
  EXPECT_EQ(dequantize(integer)->values, (std::vector<float>{61.0f, -62.5f}));

  RowBlock minimum{{Element::Int8, 0, Zero::Minimum}, 1, 2, {}, {static_cast<int8_t>(255), 0}, {half}, {two}};
  EXPECT_EQ(dequantize(minimum)->values, (std::vector<float>{129.5f, 2.0f}));
}

TEST(ConvertRows, KeepsNarrowsAndRequantizes) {
  RowBlock values = block(2, 64, gaussian(128, 14));
  RowBlock q = *quantize(values, *parseFormat("int4-g32"));
  q.scales[0] ^= 1; // no longer what the quantizer would choose
  EXPECT_EQ(convertRows(q, q.format)->scales, q.scales);
  EXPECT_EQ(convertRows(q, *parseFormat("int8"))->codes,
            quantize(*dequantize(q), *parseFormat("int8"))->codes);

  RowBlock half = *convertRows(values, *parseFormat("f16"));
  EXPECT_EQ(half.format, *parseFormat("f16"));
  for (int i = 0; i < 128; ++i)
    EXPECT_NEAR(half.values[i], values.values[i], 0x1p-11 * std::fabs(values.values[i]) + 0x1p-25);
  EXPECT_NE(half.values, values.values);
  EXPECT_EQ(convertRows(half, Format{})->values, half.values);

  values.values[70] = 70000.0f;
  EXPECT_TRUE(convertRows(values, *parseFormat("bf16")));
  Result<RowBlock> large = convertRows(values, *parseFormat("f16"), 5);
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message, HasSubstr("row 6, column 6"));
}

} // namespace
