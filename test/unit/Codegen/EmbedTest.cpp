//===- EmbedTest.cpp - Compiled embeddings against the table's values -------------------------===//
#include "KernelImage.h"

#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/Packer.h"

#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::test;

namespace {

struct Case {
  const char *text;
  Format format;
};

const Case kCases[] = {
    {"<f32>", {Element::F32, 0, Zero::None}},
    {"<f16>", {Element::F16, 0, Zero::None}},
    {"<bf16>", {Element::BF16, 0, Zero::None}},
    {"<int8, group = 32, scale = f16, zero = none>", {Element::Int8, 32, Zero::None}},
    {"<int8, group = 0, scale = f16, zero = none>", {Element::Int8, 0, Zero::None}},
    {"<int4, group = 32, scale = f16, zero = none>", {Element::Int4, 32, Zero::None}},
    {"<int4, group = 128, scale = f16, zero = none>", {Element::Int4, 128, Zero::None}},
    {"<int4, group = 32, scale = f16, zero = min>", {Element::Int4, 32, Zero::Minimum}},
    {"<int4, group = 32, scale = f16, zero = int>", {Element::Int4, 32, Zero::Integer}},
    {"<int8, group = 0, scale = f16, zero = int>", {Element::Int8, 0, Zero::Integer}},
    {"<nf4, group = 64, scale = f16, zero = none>", {Element::NF4, 64, Zero::None}},
    {"<fp4, group = 128, scale = f16, zero = none>", {Element::FP4, 128, Zero::None}},
    {"<e2m1, group = 32, scale = f16, zero = none>", {Element::E2M1, 32, Zero::None}},
    {"<iq4, group = 32, scale = f16, zero = none>", {Element::IQ4, 32, Zero::None}},
};

class EmbedTest : public testing::TestWithParam<CPUTarget> {};

TEST_P(EmbedTest, DecodesRows) {
  constexpr int64_t vocabulary = 53;
  const int64_t widths[] = {64, 100, 37, 320};
  std::string module;
  int number = 0;
  for (const Case &c : kCases)
    for (int64_t width : widths) {
      std::string table = "!lowbit.packed<53x" + std::to_string(width) + ", " + c.text + ", panel>";
      std::string result = "tensor<?x" + std::to_string(width) + "xf32>";
      module += "rt.kernel @k" + std::to_string(number++) + "(%t: " + table + ") -> " + result +
                " attributes {family = #rt.family<embed>} {\n  %i = rt.batch token_id : tensor<?xi32>\n" +
                "  %h = llm.embed %i, %t {scale = 2.0 : f32} : tensor<?xi32>, " + table + " -> " + result +
                "\n  rt.yield %h : " + result + "\n}\n";
    }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  number = 0;
  for (const Case &c : kCases)
    for (int64_t width : widths) {
      RowBlock values;
      values.rows = vocabulary;
      values.columns = width;
      values.values = randomFloats(vocabulary * width, 1);
      RowBlock block = *convertRows(values, c.format, 0);
      AlignedBytes table(*packPanels(block, {vocabulary, width, c.format}));
      std::vector<float> expected = dequantize(block)->values;
      OneSequence sequence(5);
      sequence.ids = {0, 52, 16, 15, 31};
      int64_t stride = (width * 4 + 63) / 64 * 16;
      AlignedBytes output(5 * stride * 4);
      void *operands[] = {table.data(), output.data()};
      image.run("k" + std::to_string(number++), sequence.batch, operands);
      for (int64_t t = 0; t < 5; ++t)
        for (int64_t i = 0; i < width; ++i)
          ASSERT_NEAR(output.as<float>()[t * stride + i], 2 * expected[sequence.ids[t] * width + i],
                      c.format.zero == Zero::Minimum ? 1e-5 : 0)
              << c.text << " width " << width << " token " << t << " column " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, EmbedTest, testing::ValuesIn(runnableTargets()), [](const auto &info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

} // namespace
