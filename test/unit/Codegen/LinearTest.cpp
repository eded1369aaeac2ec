//===- LinearTest.cpp - Compiled linears against double precision -----------------------------===//
//
// Every format by every number of tokens by odd shapes, on every target that this machine runs. The reference
// reads the same codes, scales and quantized activations, so what is left is the rounding of f32 sums:
// |error| <= 1e-5 sum |w| |x|.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelImage.h"

#include "lib/Codegen/CPU/TileModel.h"
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/Packer.h"
#include "nibble/Quantize/Quantizer.h"
#include "nibble/Reference/Kernels.h"
#include "nibble/runtime/HalfFloat.h"

#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::test;

namespace {

struct Shape {
  int64_t n, k;
};

constexpr Shape kShapes[] = {{37, 353}, {50, 33}};
constexpr uint32_t kTokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 63, 64, 65, 130};

const Format kFormats[] = {
    {Element::F32, 0, Zero::None},       {Element::F16, 0, Zero::None},
    {Element::BF16, 0, Zero::None},      {Element::Int8, 32, Zero::None},
    {Element::Int8, 64, Zero::None},     {Element::Int8, 128, Zero::None},
    {Element::Int8, 0, Zero::None},      {Element::Int4, 32, Zero::None},
    {Element::Int4, 64, Zero::None},     {Element::Int4, 128, Zero::None},
    {Element::Int4, 32, Zero::Minimum},  {Element::Int4, 64, Zero::Minimum},
    {Element::Int8, 32, Zero::Minimum},  {Element::Int4, 32, Zero::Integer},
    {Element::Int4, 128, Zero::Integer}, {Element::Int8, 32, Zero::Integer},
    {Element::Int8, 0, Zero::Integer},   {Element::NF4, 64, Zero::None},
    {Element::FP4, 128, Zero::None},     {Element::E2M1, 32, Zero::None},
    {Element::IQ4, 32, Zero::None},
};

enum class Rows { F32, BF16, Int8, Int16 };
constexpr Rows kRows[] = {Rows::F32, Rows::BF16, Rows::Int8, Rows::Int16};

bool isInteger(Rows rows) { return rows == Rows::Int8 || rows == Rows::Int16; }
/// bf16 rows share the loop of f32, int16 that of int8: one shape has to do for them. So it has for targets
/// that only differ from others in how they multiply.
bool isTested(const CPUTarget &target, const Format &format, Shape shape, Rows rows) {
  if (isInteger(rows) && format.isFloat())
    return false;
  if (multipliesPairs(target))
    return rows == Rows::BF16 && format.element == Element::BF16;
  bool simple = rows == Rows::F32 || rows == Rows::Int8, first = shape.n == kShapes[0].n;
  // Float kernels are those of another target; integer ones have loops of their own, with planes too, and so
  // have those of bf16 alone.
  if (target.hasTiles)
    return isInteger(rows) ? simple || first : rows == Rows::BF16 && format.element == Element::BF16;
  if (target.name == "x86-64-v3" || target.name == "avx512-vnni")
    return simple || first;
  return first && (simple || format.element == Element::BF16 || format.zero == Zero::Integer);
}

const char *nameOf(Rows rows) {
  static const char *names[] = {"f32", "bf16", "int8", "int16"};
  return names[static_cast<int>(rows)];
}

std::string formatText(const Format &format) {
  static const char *elements[] = {"f32", "f16", "bf16", "int4", "int8", "nf4", "fp4", "e2m1", "iq4"};
  static const char *zeros[] = {"none", "int", "min"};
  std::string text = std::string("<") + elements[static_cast<int>(format.element)];
  if (!format.isFloat())
    text += ", group = " + std::to_string(format.group) +
            ", scale = f16, zero = " + zeros[static_cast<int>(format.zero)];
  return text + ">";
}

std::string packedText(const Format &format, Shape shape) {
  return "!lowbit.packed<" + std::to_string(shape.n) + "x" + std::to_string(shape.k) + ", " +
         formatText(format) + ", panel>";
}

/// bias[0] is not the weight's where there is another: kernels must pick their own c.
reference::RecordLayout recordLayout(const Format &format, Rows rows) {
  int32_t bias = format.isCodebook() ? 128 : format.zero == Zero::None ? 1 << (format.bits() - 1) : 0;
  return {bias ? std::vector<int32_t>{0, bias} : std::vector<int32_t>{0, 8}, format.zero != Zero::None,
          rows == Rows::Int16 ? 2 : 1};
}

std::string rowsText(const Format &format, Shape shape, Rows rows) {
  std::string text = "!lowbit.rows<tokens x " + std::to_string(shape.k) + ", " + nameOf(rows);
  if (!isInteger(rows))
    return text + ">";
  reference::RecordLayout layout = recordLayout(format, rows);
  text += ", bias = [" + std::to_string(layout.biases[0]) + ", " + std::to_string(layout.biases[1]) + "]";
  return text + (layout.sums ? ", sums>" : ">");
}

std::string kernelText(const std::string &name, const Format &format, Shape shape, Rows kind) {
  std::string rows = rowsText(format, shape, kind), weight = packedText(format, shape);
  std::string result = "tensor<?x" + std::to_string(shape.n) + "xf32>";
  return "rt.kernel @" + name + "(%x: " + rows + ", %w: " + weight + ") -> " + result +
         " attributes {family = #rt.family<linear>} {\n  %y = lowbit.linear %x, (%w) : " + rows + ", (" +
         weight + ") -> " + result +
         " {\n  ^bb0(%a: f32):\n    lowbit.yield %a : f32\n  }\n  rt.yield %y : " + result + "\n}\n";
}

/// f32 rows as kernels read them: padded to 64 columns with zeros.
AlignedBytes paddedRows(const reference::Matrix &x) {
  int64_t padded = (x.columns + 63) / 64 * 64;
  AlignedBytes bytes(x.rows * padded * 4);
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < padded; ++c)
      bytes.as<float>()[r * padded + c] = c < x.columns ? static_cast<float>(x.row(r)[c]) : 0;
  return bytes;
}

AlignedBytes paddedBFloat16(const reference::Matrix &x) {
  int64_t padded = (x.columns + 63) / 64 * 64;
  AlignedBytes bytes(x.rows * padded * 2);
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < x.columns; ++c)
      bytes.as<uint16_t>()[r * padded + c] = floatToBFloat16(static_cast<float>(x.row(r)[c]));
  return bytes;
}

/// The codes of another format, read with zero points that differ from row to row and group to group.
Result<RowBlock> withZeroPoints(const RowBlock &values, const Format &format) {
  NIBBLE_TRY(RowBlock weight, convertRows(values, {format.element, format.group, Zero::Minimum}, 0));
  weight.format = format;
  for (size_t i = 0; i < weight.zeros.size(); ++i)
    weight.zeros[i] = static_cast<uint16_t>(i * 7 % (1u << format.bits()));
  return weight;
}

int64_t rowStride(int64_t columns) { return (columns * 4 + 63) / 64 * 16; } // in floats

class LinearTest : public TargetTest {};
class MatrixTilesLinearTest : public TargetTest {};

/// Checks one kernel for one number of tokens.
void check(const KernelImage &image, const std::string &name, const RowBlock &weight, AlignedBytes &packed,
           Shape shape, Rows kind, uint32_t tokens) {
  reference::Matrix x =
      reference::Matrix::fromFloats(tokens, shape.k, randomFloats(tokens * shape.k, 7 + tokens));
  if (kind == Rows::BF16)
    x = reference::roundRowsToBFloat16(x);
  reference::RecordLayout layout = recordLayout(weight.format, kind);
  reference::QuantizedRows rows = reference::quantizeRows(x, layout.planes);
  bool integer = isInteger(kind);
  AlignedBytes input = integer              ? AlignedBytes(reference::packRecords(rows, layout))
                       : kind == Rows::BF16 ? paddedBFloat16(x)
                                            : paddedRows(x);
  AlignedBytes output(tokens * rowStride(shape.n) * 4);
  OneSequence sequence(tokens);
  void *operands[] = {input.data(), packed.data(), output.data()};
  image.run(name, sequence.batch, operands);

  reference::Matrix expected = integer ? reference::linear(rows, weight) : reference::linear(x, weight);
  reference::Matrix magnitude =
      integer ? reference::linearMagnitude(rows, weight) : reference::linearMagnitude(x, weight);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < shape.n; ++n)
      ASSERT_NEAR(output.as<float>()[t * rowStride(shape.n) + n], expected.row(t)[n],
                  1e-5 * magnitude.row(t)[n] + 1e-30)
          << name << " tokens " << tokens << " row " << t << " channel " << n;
}

struct PackedWeight {
  RowBlock values;
  AlignedBytes packed; // panels
};

PackedWeight randomWeight(const Shape &shape, const Format &format, uint32_t seed) {
  RowBlock values;
  values.rows = shape.n;
  values.columns = shape.k;
  values.values = randomFloats(shape.n * shape.k, seed, 0.1f);
  RowBlock converted = *convertRows(values, format, 0);
  return {converted, AlignedBytes(*packPanels(converted, {shape.n, shape.k, format}))};
}

TEST_P(LinearTest, EveryFormatShapeAndNumberOfTokens) {
  std::string module;
  int number = 0;
  for (const Format &format : kFormats)
    for (Shape shape : kShapes)
      for (Rows rows : kRows)
        if (isTested(GetParam().target, format, shape, rows))
          module += kernelText("k" + std::to_string(number++), format, shape, rows);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());

  number = 0;
  for (const Format &format : kFormats)
    for (Shape shape : kShapes) {
      RowBlock values;
      values.rows = shape.n;
      values.columns = shape.k;
      values.values = randomFloats(shape.n * shape.k, 1, 0.05f);
      Result<RowBlock> weight =
          format.zero == Zero::Integer ? withZeroPoints(values, format) : convertRows(values, format, 0);
      ASSERT_TRUE(weight) << weight.error().message;
      PanelLayout layout{shape.n, shape.k, format};
      Result<std::vector<uint8_t>> bytes = packPanels(*weight, layout);
      ASSERT_TRUE(bytes) << bytes.error().message;
      AlignedBytes packed(*bytes);
      for (Rows rows : kRows) {
        if (!isTested(GetParam().target, format, shape, rows))
          continue;
        std::string name = "k" + std::to_string(number++);
        SCOPED_TRACE(formatSpelling(format) + " " + nameOf(rows) + " " + std::to_string(shape.n) + "x" +
                     std::to_string(shape.k));
        for (uint32_t tokens : kTokens)
          if (!image.emulatedBy() || tokens % 8 < 2) // an emulator takes a hundred times as long
            check(image, name, *weight, packed, shape, rows, tokens);
      }
    }
}

/// Matrix tiles add up the same integers, and what follows is the same arithmetic.
TEST_P(MatrixTilesLinearTest, GivesTheBitsOfDotProducts) {
  const std::vector<TestTarget> others =
      testTargets([](const TestTarget &other) { return other.target.name == "avx512-vnni"; });
  ASSERT_EQ(others.size(), 1u);
  constexpr Shape shape{37, 353};
  constexpr uint32_t tokens = 29; // three records of 8, and 5 more
  const Format formats[] = {{Element::Int4, 32, Zero::None},
                            {Element::Int8, 128, Zero::None},
                            {Element::Int4, 64, Zero::Minimum},
                            {Element::IQ4, 32, Zero::None}};
  std::string module;
  int number = 0;
  for (const Format &format : formats)
    for (Rows rows : {Rows::Int8, Rows::Int16})
      module += kernelText("k" + std::to_string(number++), format, shape, rows);
  KernelImage image(module, GetParam()), other(module, others.front());
  ASSERT_TRUE(image.valid() && other.valid());
  reference::Matrix x = reference::Matrix::fromFloats(tokens, shape.k, randomFloats(tokens * shape.k, 11));
  number = 0;
  for (const Format &format : formats) {
    RowBlock values;
    values.rows = shape.n;
    values.columns = shape.k;
    values.values = randomFloats(shape.n * shape.k, 12, 0.05f);
    AlignedBytes packed(*packPanels(*convertRows(values, format, 0), {shape.n, shape.k, format}));
    for (Rows rows : {Rows::Int8, Rows::Int16}) {
      reference::RecordLayout layout = recordLayout(format, rows);
      AlignedBytes input(reference::packRecords(reference::quantizeRows(x, layout.planes), layout));
      std::string name = "k" + std::to_string(number++);
      auto run = [&](const KernelImage &kernels) {
        AlignedBytes output(tokens * rowStride(shape.n) * 4);
        OneSequence sequence(tokens);
        void *operands[] = {input.data(), packed.data(), output.data()};
        kernels.run(name, sequence.batch, operands);
        std::vector<uint32_t> result;
        for (uint32_t t = 0; t < tokens; ++t) {
          const uint32_t *row = output.as<uint32_t>() + t * rowStride(shape.n);
          result.insert(result.end(), row, row + shape.n);
        }
        return result;
      };
      EXPECT_EQ(run(image), run(other)) << formatSpelling(format) << " " << nameOf(rows);
    }
  }
}

/// Products of bf16 round unlike multiply-adds, so that all tokens must go through them, in tiles of any
/// number of rows: what a token gives is the same to the bit, whatever batch it is in and wherever there.
TEST_P(MatrixTilesLinearTest, ARowOfBF16DoesNotDependOnItsBatch) {
  const Format format{Element::BF16, 0, Zero::None};
  // Odd tails of N, and of K within a tile, beyond one, and in the padding alone.
  const Shape shapes[] = {{37, 353}, {16, 31}, {5, 70}, {49, 128}};
  std::vector<uint32_t> batches = {31, 32, 33, 63, 64, 65};
  for (uint32_t tokens = 1; tokens <= 17; ++tokens)
    batches.push_back(tokens);
  constexpr uint32_t total = 65;
  std::string module;
  for (Shape shape : shapes)
    module += kernelText("k" + std::to_string(shape.n), format, shape, Rows::BF16);
  // Blocks of more tokens than there are, and of 16: several of them, with a rest.
  for (const char *tuning : {"sapphirerapids", "sapphirerapids,block-tokens=24"}) {
    TestTarget tested = GetParam();
    tested.target = *findCPUTarget(tested.target.name, tuning);
    KernelImage image(module, tested);
    ASSERT_TRUE(image.valid());
    for (Shape shape : shapes) {
      SCOPED_TRACE(std::string(tuning) + " " + std::to_string(shape.n) + "x" + std::to_string(shape.k));
      RowBlock values;
      values.rows = shape.n;
      values.columns = shape.k;
      values.values = randomFloats(shape.n * shape.k, 21, 0.05f);
      RowBlock weight = *convertRows(values, format, 0);
      AlignedBytes packed(*packPanels(weight, {shape.n, shape.k, format}));
      reference::Matrix x = reference::roundRowsToBFloat16(
          reference::Matrix::fromFloats(total, shape.k, randomFloats(total * shape.k, 22)));
      reference::Matrix expected = reference::linear(x, weight),
                        magnitude = reference::linearMagnitude(x, weight);
      AlignedBytes input = paddedBFloat16(x);
      int64_t rowBytes = (shape.k + 63) / 64 * 128;
      auto run = [&](uint32_t first, uint32_t tokens) {
        AlignedBytes output(tokens * rowStride(shape.n) * 4);
        OneSequence sequence(tokens);
        void *operands[] = {input.as<char>() + first * rowBytes, packed.data(), output.data()};
        image.run("k" + std::to_string(shape.n), sequence.batch, operands);
        std::vector<std::vector<float>> result;
        for (uint32_t t = 0; t < tokens; ++t) {
          const float *row = output.as<float>() + t * rowStride(shape.n);
          result.emplace_back(row, row + shape.n);
        }
        return result;
      };
      std::vector<std::vector<float>> alone;
      for (uint32_t t = 0; t < total; ++t) {
        alone.push_back(run(t, 1).front());
        for (int64_t n = 0; n < shape.n; ++n)
          ASSERT_NEAR(alone[t][n], expected.row(t)[n], 1e-5 * magnitude.row(t)[n] + 1e-30) << t << " " << n;
      }
      for (uint32_t tokens : batches)
        for (uint32_t first : {0u, total - tokens})
          ASSERT_EQ(run(first, tokens), std::vector(&alone[first], &alone[first] + tokens))
              << tokens << " tokens from " << first << " on";
    }
  }
}

/// Two weights, and an epilogue that reads a row of its own for each token, in every size of step.
TEST_P(MatrixTilesLinearTest, EpilogueOfBF16) {
  constexpr Shape shape{41, 96};
  constexpr uint32_t tokens = 91; // in steps of 64 and 16, and 11 that are left
  const Format format{Element::BF16, 0, Zero::None};
  std::string w = packedText(format, shape), rows = "!lowbit.rows<tokens x 96, bf16>";
  KernelImage image("rt.kernel @k(%x: " + rows + ", %w: " + w + ", %v: " + w +
                        R"(, %r: tensor<?x41xf32>, %b: tensor<41xf32>) -> tensor<?x41xf32>
    attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w, %v) extra(%r, %b : tensor<?x41xf32>, tensor<41xf32>) : )" +
                        rows + ", (" + w + ", " + w + R"() -> tensor<?x41xf32> {
  ^bb0(%a: f32, %u: f32, %res: f32, %bias: f32):
    %m = arith.mulf %a, %u : f32
    %t = arith.addf %m, %res : f32
    %z = arith.addf %t, %bias : f32
    lowbit.yield %z : f32
  }
  rt.yield %y : tensor<?x41xf32>
}
)",
                    GetParam());
  ASSERT_TRUE(image.valid());
  PackedWeight weights[] = {randomWeight(shape, format, 30), randomWeight(shape, format, 31)};
  reference::Matrix x = reference::roundRowsToBFloat16(
      reference::Matrix::fromFloats(tokens, shape.k, randomFloats(tokens * shape.k, 32)));
  AlignedBytes input = paddedBFloat16(x);
  std::vector<float> residual = randomFloats(tokens * rowStride(shape.n), 33), bias = randomFloats(48, 34);
  AlignedBytes residualBytes({reinterpret_cast<uint8_t *>(residual.data()), residual.size() * 4});
  AlignedBytes biasBytes({reinterpret_cast<uint8_t *>(bias.data()), bias.size() * 4});
  AlignedBytes output(tokens * rowStride(shape.n) * 4);
  OneSequence sequence(tokens);
  void *operands[] = {input.data(),         weights[0].packed.data(), weights[1].packed.data(),
                      residualBytes.data(), biasBytes.data(),         output.data()};
  image.run("k", sequence.batch, operands);
  reference::Matrix a = reference::linear(x, weights[0].values), u = reference::linear(x, weights[1].values);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < shape.n; ++n) {
      double expected = a.row(t)[n] * u.row(t)[n] + residual[t * rowStride(shape.n) + n] + bias[n];
      ASSERT_NEAR(output.as<float>()[t * rowStride(shape.n) + n], expected, 2e-5 * (1 + std::abs(expected)))
          << "row " << t << " channel " << n;
    }
}

/// Whatever the tiles, and wherever a sum waits in between: the order of additions is one.
TEST_P(LinearTest, ARowDoesNotDependOnItsBatch) {
  if (GetParam().machine == Machine::Emulated)
    GTEST_SKIP() << "an emulator takes too long";
  constexpr Shape shape{50, 353};
  constexpr uint32_t most = 77; // unpacked, and 5 more
  const Format formats[] = {{Element::Int4, 32, Zero::None},
                            {Element::Int4, 64, Zero::Minimum},
                            {Element::NF4, 64, Zero::None},
                            {Element::Int8, 128, Zero::None}};
  std::string module;
  int number = 0;
  for (const Format &format : formats)
    for (Rows rows : {Rows::Int8, Rows::Int16})
      module += kernelText("k" + std::to_string(number++), format, shape, rows);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  number = 0;
  for (const Format &format : formats) {
    RowBlock values;
    values.rows = shape.n;
    values.columns = shape.k;
    values.values = randomFloats(shape.n * shape.k, 13, 0.05f);
    AlignedBytes packed(*packPanels(*convertRows(values, format, 0), {shape.n, shape.k, format}));
    for (Rows rows : {Rows::Int8, Rows::Int16}) {
      reference::RecordLayout layout = recordLayout(format, rows);
      std::string name = "k" + std::to_string(number++);
      std::vector<float> floats = randomFloats(most * shape.k, 14);
      auto run = [&](uint32_t tokens) {
        std::vector<float> some(floats.begin(), floats.begin() + tokens * shape.k);
        reference::Matrix x = reference::Matrix::fromFloats(tokens, shape.k, some);
        AlignedBytes input(reference::packRecords(reference::quantizeRows(x, layout.planes), layout));
        AlignedBytes output(tokens * rowStride(shape.n) * 4);
        OneSequence sequence(tokens);
        void *operands[] = {input.data(), packed.data(), output.data()};
        image.run(name, sequence.batch, operands);
        std::vector<uint32_t> result;
        for (uint32_t t = 0; t < tokens; ++t) {
          const uint32_t *row = output.as<uint32_t>() + t * rowStride(shape.n);
          result.insert(result.end(), row, row + shape.n);
        }
        return result;
      };
      const std::vector<uint32_t> all = run(most);
      for (uint32_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 17, 72})
        EXPECT_EQ(run(tokens), std::vector<uint32_t>(all.begin(), all.begin() + tokens * shape.n))
            << formatSpelling(format) << " " << nameOf(rows) << " " << tokens;
    }
  }
}

/// silu(a0) * a1 + residual + bias, two weights of different formats.
TEST_P(LinearTest, Epilogue) {
  constexpr Shape shape{41, 96};
  constexpr uint32_t tokens = 11;
  const Format formats[] = {{Element::Int4, 32, Zero::None}, {Element::Int8, 64, Zero::None}};
  std::string w0 = packedText(formats[0], shape), w1 = packedText(formats[1], shape);
  std::string rows = "!lowbit.rows<tokens x 96, int8, bias = [8, 128]>";
  KernelImage image("rt.kernel @k(%x: " + rows + ", %w: " + w0 + ", %v: " + w1 +
                        R"(, %r: tensor<?x41xf32>, %b: tensor<41xf32>) -> tensor<?x41xf32>
    attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w, %v) extra(%r, %b : tensor<?x41xf32>, tensor<41xf32>) : )" +
                        rows + ", (" + w0 + ", " + w1 + R"() -> tensor<?x41xf32> {
  ^bb0(%a: f32, %u: f32, %res: f32, %bias: f32):
    %one = arith.constant 1.0 : f32
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %one, %e : f32
    %s = arith.divf %a, %d : f32
    %m = arith.mulf %s, %u : f32
    %t = arith.addf %m, %res : f32
    %z = arith.addf %t, %bias : f32
    lowbit.yield %z : f32
  }
  rt.yield %y : tensor<?x41xf32>
}
)",
                    GetParam());
  ASSERT_TRUE(image.valid());

  PackedWeight weights[] = {randomWeight(shape, formats[0], 20), randomWeight(shape, formats[1], 21)};
  reference::Matrix x = reference::Matrix::fromFloats(tokens, shape.k, randomFloats(tokens * shape.k, 3));
  reference::QuantizedRows quantized = reference::quantizeRows(x);
  AlignedBytes input(reference::packRecords(quantized, {{8, 128}, false}));
  std::vector<float> residual = randomFloats(tokens * rowStride(shape.n), 4), bias = randomFloats(48, 5);
  AlignedBytes residualBytes({reinterpret_cast<uint8_t *>(residual.data()), residual.size() * 4});
  AlignedBytes biasBytes({reinterpret_cast<uint8_t *>(bias.data()), bias.size() * 4});
  AlignedBytes output(tokens * rowStride(shape.n) * 4);
  OneSequence sequence(tokens);
  void *operands[] = {input.data(),         weights[0].packed.data(), weights[1].packed.data(),
                      residualBytes.data(), biasBytes.data(),         output.data()};
  image.run("k", sequence.batch, operands);

  reference::Matrix a = reference::linear(quantized, weights[0].values),
                    u = reference::linear(quantized, weights[1].values);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t n = 0; n < shape.n; ++n) {
      double gate = reference::activate(reference::Activation::Silu, a.row(t)[n]);
      double expected = gate * u.row(t)[n] + residual[t * rowStride(shape.n) + n] + bias[n];
      ASSERT_NEAR(output.as<float>()[t * rowStride(shape.n) + n], expected, 2e-5 * (1 + std::abs(expected)))
          << "row " << t << " channel " << n;
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, MatrixTilesLinearTest,
                         testing::ValuesIn(testTargets([](const TestTarget &target) {
                           return target.target.hasTiles;
                         })),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, LinearTest, testing::ValuesIn(testTargets()), targetName);

/// Targets with products of pairs of bf16, for a CPU on which they are the faster way.
std::vector<TestTarget> pairTargets() {
  std::vector<TestTarget> targets = testTargets(
      [](const TestTarget &tested) { return tested.target.hasBF16Dot && !tested.target.hasTiles; });
  for (TestTarget &tested : targets)
    tested.target = *findCPUTarget(tested.target.name, "znver4");
  return targets;
}
INSTANTIATE_TEST_SUITE_P(Pairs, LinearTest, testing::ValuesIn(pairTargets()), targetName);

/// Tiles of several vectors of rows: of one panel, of two panels (an odd one is left), and blocks of K
/// shorter than these shapes' rows.
std::vector<TestTarget> tunedTargets() {
  std::vector<TestTarget> targets = testTargets([](const TestTarget &tested) {
    return tested.target.name == "avx512-vnni" || tested.target.name == "x86-64-v3";
  });
  for (TestTarget &tested : targets)
    tested.target = *findCPUTarget(tested.target.name, "cascadelake,block-groups=8");
  return targets;
}
INSTANTIATE_TEST_SUITE_P(Tuned, LinearTest, testing::ValuesIn(tunedTargets()),
                         [](const testing::TestParamInfo<TestTarget> &info) {
                           return targetName(info) + "_" + info.param.target.tuning.name;
                         });

} // namespace
