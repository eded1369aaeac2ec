//===- RowsTest.cpp - Compiled quantize_rows against the reference ----------------------------===//
#include "KernelImage.h"

#include "nibble/Reference/Kernels.h"
#include "nibble/runtime/HalfFloat.h"

#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::test;

namespace {

class RowsTest : public TargetTest {};

constexpr uint32_t kTokens[] = {1, 5, 8, 9, 16, 23};
constexpr int64_t kColumns[] = {32, 100, 128, 33, 200};

int64_t stride(int64_t columns) { return (columns * 4 + 63) / 64 * 16; } // in floats

/// Rows at their stride; what lies behind a row's end must not matter.
AlignedBytes strided(const reference::Matrix &x) {
  AlignedBytes bytes(x.rows * stride(x.columns) * 4);
  std::fill_n(bytes.as<float>(), x.rows * stride(x.columns), std::numeric_limits<float>::quiet_NaN());
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < x.columns; ++c)
      bytes.as<float>()[r * stride(x.columns) + c] = static_cast<float>(x.row(r)[c]);
  return bytes;
}

std::string kernel(const std::string &name, int64_t columns, const std::string &rows, bool norm,
                   bool residual) {
  std::string k = std::to_string(columns), matrix = "tensor<?x" + k + "xf32>";
  std::string text = "rt.kernel @" + name + "(%x: " + matrix;
  if (residual)
    text += ", %r: " + matrix;
  if (norm)
    text += ", %g: tensor<" + k + "xf32>";
  text +=
      ") -> (" + rows + (residual ? ", " + matrix : "") + ") attributes {family = #rt.family<rows>} {\n  ";
  text += residual ? "%y, %s = " : "%y = ";
  text += "lowbit.quantize_rows %x";
  if (residual)
    text += " residual(%r : " + matrix + ")";
  if (norm)
    text += " norm(%g : tensor<" + k + "xf32>) {eps = 1.0e-5 : f32}";
  text += " : " + matrix + " -> " + rows + (residual ? ", " + matrix : "") + "\n  rt.yield %y" +
          (residual ? ", %s : " + rows + ", " + matrix : " : " + rows) + "\n}\n";
  return text;
}

std::string integerRows(int64_t columns, int64_t planes = 1) {
  return "!lowbit.rows<tokens x " + std::to_string(columns) + (planes == 2 ? ", int16" : ", int8") +
         ", bias = [0, 8, 128], sums>";
}
std::string floatRows(int64_t columns) {
  return "!lowbit.rows<tokens x " + std::to_string(columns) + ", f32>";
}

/// Without a norm nothing rounds on the way, so the records are the reference's, byte for byte.
TEST_P(RowsTest, QuantizesToTheReferencesBytes) {
  std::string module;
  auto name = [](int64_t columns, int64_t planes) {
    return "k" + std::to_string(columns) + "_" + std::to_string(planes);
  };
  for (int64_t columns : kColumns)
    for (int64_t planes : {1, 2})
      module += kernel(name(columns, planes), columns, integerRows(columns, planes), false, false);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (int64_t columns : kColumns)
    for (uint32_t tokens : kTokens) {
      reference::Matrix x =
          reference::Matrix::fromFloats(tokens, columns, randomFloats(tokens * columns, tokens, 3));
      std::fill_n(x.row(0).begin(), std::min<int64_t>(columns, 32), 0.0); // a group of zeros
      AlignedBytes input = strided(x);
      for (int64_t planes : {1, 2}) {
        std::vector<uint8_t> expected =
            reference::packRecords(reference::quantizeRows(x, planes), {{0, 8, 128}, true, planes});
        AlignedBytes output(expected.size());
        OneSequence sequence(tokens);
        void *operands[] = {input.data(), output.data()};
        image.run(name(columns, planes), sequence.batch, operands, 1);
        for (size_t i = 0; i < expected.size(); ++i)
          ASSERT_EQ(output.as<uint8_t>()[i], expected[i])
              << columns << " columns, " << tokens << " tokens, " << planes << " planes, byte " << i;
      }
    }
}

TEST_P(RowsTest, RoundsToBFloat16) {
  std::string module;
  for (int64_t columns : kColumns)
    module += kernel("k" + std::to_string(columns), columns,
                     "!lowbit.rows<tokens x " + std::to_string(columns) + ", bf16>", false, false);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (int64_t columns : kColumns)
    for (uint32_t tokens : kTokens) {
      reference::Matrix x =
          reference::Matrix::fromFloats(tokens, columns, randomFloats(tokens * columns, tokens, 3));
      int64_t padded = (columns + 63) / 64 * 64;
      AlignedBytes input = strided(x), output(tokens * padded * 2);
      OneSequence sequence(tokens);
      void *operands[] = {input.data(), output.data()};
      image.run("k" + std::to_string(columns), sequence.batch, operands, 1);
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t c = 0; c < padded; ++c)
          ASSERT_EQ(output.as<uint16_t>()[t * padded + c],
                    c < columns ? floatToBFloat16(static_cast<float>(x.row(t)[c])) : 0)
              << columns << " columns, " << tokens << " tokens, row " << t << " column " << c;
    }
}

TEST_P(RowsTest, NormAndResidual) {
  std::string module;
  for (int64_t columns : kColumns) {
    module += kernel("f" + std::to_string(columns), columns, floatRows(columns), true, true);
    module += kernel("q" + std::to_string(columns), columns, integerRows(columns), true, false);
  }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (int64_t columns : kColumns)
    for (uint32_t tokens : kTokens) {
      reference::Matrix x = reference::Matrix::fromFloats(tokens, columns, randomFloats(tokens * columns, 1));
      reference::Matrix r = reference::Matrix::fromFloats(tokens, columns, randomFloats(tokens * columns, 2));
      std::vector<float> gains = randomFloats(stride(columns), 3);
      std::vector<double> gain(gains.begin(), gains.begin() + columns);
      AlignedBytes input = strided(x), residual = strided(r);
      AlignedBytes gainBytes({reinterpret_cast<uint8_t *>(gains.data()), gains.size() * 4});
      OneSequence sequence(tokens);
      int64_t padded = (columns + 63) / 64 * 64;
      AlignedBytes output(tokens * padded * 4), sum(tokens * stride(columns) * 4);
      void *operands[] = {input.data(), residual.data(), gainBytes.data(), output.data(), sum.data()};
      image.run("f" + std::to_string(columns), sequence.batch, operands, 1);

      reference::Matrix h = x;
      for (size_t i = 0; i < h.data.size(); ++i)
        h.data[i] += r.data[i];
      reference::Matrix expected = reference::rmsNorm(h, gain, 1e-5f);
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t c = 0; c < padded; ++c) {
          double value = c < columns ? expected.row(t)[c] : 0;
          ASSERT_NEAR(output.as<float>()[t * padded + c], value, 1e-6 * std::abs(value))
              << "row " << t << " column " << c;
          if (c < columns) {
            ASSERT_EQ(sum.as<float>()[t * stride(columns) + c],
                      static_cast<float>(x.row(t)[c]) + static_cast<float>(r.row(t)[c]));
          }
        }

      reference::RecordLayout layout{{0, 8, 128}, true};
      AlignedBytes records(padded / 32 * layout.recordBytes() * tokens);
      void *quantizeOperands[] = {input.data(), gainBytes.data(), records.data()};
      image.run("q" + std::to_string(columns), sequence.batch, quantizeOperands, 1);
      reference::Matrix decoded = reference::dequantize(
          reference::unpackRecords({records.as<uint8_t>(), records.size()}, tokens, columns, layout));
      expected = reference::rmsNorm(x, gain, 1e-5f);
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t group = 0; group * 32 < columns; ++group) {
          double largest = 0;
          for (int64_t c = group * 32; c < std::min(columns, group * 32 + 32); ++c)
            largest = std::max(largest, std::abs(expected.row(t)[c]));
          for (int64_t c = group * 32; c < std::min(columns, group * 32 + 32); ++c)
            ASSERT_NEAR(decoded.row(t)[c], expected.row(t)[c], 0.5001 * largest / 127)
                << "row " << t << " column " << c;
        }
    }
}

/// Rows of logits are those that the batch names.
TEST_P(RowsTest, SelectsRows) {
  KernelImage image(R"(
rt.kernel @k(%x: tensor<?x48xf32>) -> !lowbit.rows<logits x 48, f32> attributes {family = #rt.family<rows>} {
  %rows = rt.batch logits_row : tensor<?xi32>
  %y = lowbit.quantize_rows %x select(%rows : tensor<?xi32>) : tensor<?x48xf32> -> !lowbit.rows<logits x 48, f32>
  rt.yield %y : !lowbit.rows<logits x 48, f32>
}
)",
                    GetParam());
  ASSERT_TRUE(image.valid());
  reference::Matrix x = reference::Matrix::fromFloats(20, 48, randomFloats(20 * 48, 1));
  AlignedBytes input = strided(x), output(3 * 64 * 4);
  OneSequence sequence(20);
  std::vector<uint32_t> rows = {2, 11, 19};
  sequence.batch.logitsRow = rows.data();
  sequence.batch.logitsRows = 3;
  void *operands[] = {input.data(), output.data()};
  image.run("k", sequence.batch, operands);
  for (size_t r = 0; r < rows.size(); ++r)
    for (int64_t c = 0; c < 48; ++c)
      ASSERT_EQ(output.as<float>()[r * 64 + c], static_cast<float>(x.row(rows[r])[c]));
}

INSTANTIATE_TEST_SUITE_P(Targets, RowsTest, testing::ValuesIn(testTargets()), targetName);

} // namespace
