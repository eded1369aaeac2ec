//===- InstructionsTest.cpp - Single operations of kernels, on every target -------------------===//
//
// Kernels of one operation over arrays: products of bytes, conversions, rounding and the functions of
// nibble-expand-math, each against the C library or plain loops.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelImage.h"

#include "nibble/Reference/Kernels.h"

#include <bit>
#include <cmath>
#include <numeric>

using namespace nibble;
using namespace nibble::test;

namespace {

class InstructionsTest : public TargetTest {};

/// A kernel `name` whose items are vectors: operand i is an array of `types[i]`, the last is written with
/// what `body` calls %r out of %0, %1, ...
std::string arrayKernel(const TestTarget &tested, const std::string &name,
                        const std::vector<std::string> &types, const std::string &body) {
  const CPUTarget &target = tested.target;
  std::string attributes =
      R"(passthrough = ["nounwind", "no-builtins", ["target-cpu", ")" + target.cpu + R"("])";
  if (!target.features.empty())
    attributes += R"(, ["target-features", ")" + target.features + R"("])";
  attributes += "]";
  std::string text = "func.func @" + name +
                     "(%batch: !llvm.ptr, %operands: !llvm.ptr, %begin: i32, %end: i32, %scratch: !llvm.ptr) "
                     "attributes {nibble.scratch = 0 : i64, nibble.family = \"rows\", " +
                     attributes + "} {\n  %one = arith.constant 1 : i32\n";
  for (size_t i = 0; i < types.size(); ++i) {
    std::string n = std::to_string(i), offset = std::to_string(8 * i);
    text += "  %at" + n + " = llvm.getelementptr %operands[" + offset + "] : (!llvm.ptr) -> !llvm.ptr, i8\n";
    text += "  %p" + n + " = llvm.load %at" + n + " : !llvm.ptr -> !llvm.ptr\n";
  }
  text += "  scf.for %i = %begin to %end step %one : i32 {\n";
  for (size_t i = 0; i < types.size(); ++i) {
    std::string n = std::to_string(i);
    text += "    %q" + n + " = llvm.getelementptr %p" + n + "[%i] : (!llvm.ptr, i32) -> !llvm.ptr, " +
            types[i] + "\n";
    if (i + 1 < types.size())
      text +=
          "    %" + n + " = llvm.load %q" + n + " {alignment = 1 : i64} : !llvm.ptr -> " + types[i] + "\n";
  }
  text += "    " + body + "\n    llvm.store %r, %q" + std::to_string(types.size() - 1) +
          " {alignment = 1 : i64} : " + types.back() + ", !llvm.ptr\n  }\n  return\n}\n";
  return text + "func.func @" + name + "_items(%batch: !llvm.ptr) -> i32 attributes {" + attributes +
         "} {\n  %p = llvm.getelementptr %batch[4] : (!llvm.ptr) -> !llvm.ptr, i8\n"
         "  %n = llvm.load %p : !llvm.ptr -> i32\n  return %n : i32\n}\n";
}

template <typename T> AlignedBytes bytesOf(const std::vector<T> &values) {
  return AlignedBytes({reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)});
}

/// Runs the kernel over `count` vectors; the result has `size` elements.
template <typename Out>
std::vector<Out> runArrays(const KernelImage &image, const std::string &name,
                           std::vector<AlignedBytes> inputs, uint32_t count, size_t size) {
  NibbleBatch batch{};
  batch.version = kKernelABIVersion;
  batch.tokens = count;
  AlignedBytes output(size * sizeof(Out));
  std::vector<void *> operands;
  for (AlignedBytes &input : inputs)
    operands.push_back(input.data());
  operands.push_back(output.data());
  image.run(name, batch, operands, 1u << 30);
  return {output.as<Out>(), output.as<Out>() + size};
}

/// Bytes, with many extremes.
std::vector<uint8_t> randomBytes(size_t count, uint32_t seed, unsigned most) {
  std::vector<uint8_t> result;
  for (float f : randomFloats(count, seed, 1000)) {
    int64_t value = std::llround(std::abs(f));
    result.push_back(value % 5 == 0 ? most : value % 5 == 1 ? 0 : static_cast<unsigned>(value) % (most + 1));
  }
  return result;
}

TEST_P(InstructionsTest, Dot4) {
  // Two widths where there are two, and a chain of ten: longer than what may be added up as i16.
  std::vector<int64_t> widths = {4, GetParam().target.lanes()};
  std::string module;
  for (int64_t lanes : widths)
    for (const char *most :
         {"", " {unsigned_max = 15 : i32}", " {unsigned_max = 31 : i32}", " {unsigned_max = 127 : i32}"}) {
      std::string l = std::to_string(lanes), bytes = "vector<" + std::to_string(4 * lanes) + "xi8>",
                  ints = "vector<" + l + "xi32>", body, last = "%0";
      for (int i = 0; i < 10; ++i) {
        std::string next = i == 9 ? "%r" : "%s" + std::to_string(i);
        body += next + " = lowbit.dot4 " + last + ", %1, %2" + most + " : " + ints + ", " + bytes + "\n    ";
        last = next;
      }
      std::string name =
          "dot" + l + (most[0] ? std::to_string(atoi(most + sizeof("{unsigned_max = ") - 1)) : "");
      if (module.find("@" + name + "(") == std::string::npos)
        module += arrayKernel(GetParam(), name, {ints, bytes, bytes, ints}, body);
    }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (int64_t lanes : widths)
    for (unsigned most : {255, 15, 31, 127}) {
      constexpr uint32_t count = 100;
      std::vector<int32_t> acc(count * lanes);
      for (size_t i = 0; i < acc.size(); ++i)
        acc[i] = static_cast<int32_t>(i * 7919);
      std::vector<uint8_t> a = randomBytes(4 * acc.size(), 1, most), b = randomBytes(4 * acc.size(), 2, 255);
      std::vector<int8_t> x;
      for (uint8_t byte : b)
        x.push_back(static_cast<int8_t>(byte ^ 0x80)); // the extremes are -128 and 127
      std::vector<AlignedBytes> inputs;
      inputs.push_back(bytesOf(acc));
      inputs.push_back(bytesOf(a));
      inputs.push_back(bytesOf(x));
      std::vector<int32_t> expected = acc;
      for (int i = 0; i < 10; ++i)
        expected = reference::dot4(expected, a, x);
      std::string name = "dot" + std::to_string(lanes) + (most == 255 ? "" : std::to_string(most));
      EXPECT_EQ(runArrays<int32_t>(image, name, std::move(inputs), count, acc.size()), expected) << name;
    }
}

class MatrixTilesTest : public TargetTest {};

/// Every size of a tile, codes signed and not, one source and two.
TEST_P(MatrixTilesTest, DotTile) {
  struct Tile {
    int64_t rows, columns;
    bool isUnsigned;
    int64_t sources;
  };
  std::vector<Tile> tiles;
  for (int64_t rows : {1, 8, 16})
    for (int64_t columns : {4, 32, 64})
      for (bool isUnsigned : {false, true})
        tiles.push_back({rows, columns, isUnsigned, rows == 8 ? 2 : 1});
  auto vector = [](int64_t bytes) { return "vector<" + std::to_string(bytes) + "xi8>"; };
  auto text = [](int64_t n) { return std::to_string(n); };
  std::string module;
  for (size_t i = 0; i < tiles.size(); ++i) {
    const Tile &t = tiles[i];
    // The operation works in memory: of codes, sources, and of sums, which are read again.
    std::string body, list;
    for (int64_t source = 0; source < t.sources; ++source) {
      list += (source ? ", %x" : "%x") + text(source);
      body += "%x" + text(source) + " = llvm.getelementptr %q1[" + text(source * t.rows * t.columns) +
              "] : (!llvm.ptr) -> !llvm.ptr, i8\n    ";
    }
    body += "lowbit.dot_tile %q0, (" + list + ") into %q2 {rows = " + text(t.rows) +
            " : i32, columns = " + text(t.columns) + " : i32" + (t.isUnsigned ? ", unsigned_codes" : "") +
            "}\n    %r = llvm.load %q2 " + "{alignment = 1 : i64} : !llvm.ptr -> " +
            vector(t.sources * t.rows * 64);
    module += arrayKernel(
        GetParam(), "tile" + text(i),
        {vector(16 * t.columns), vector(t.sources * t.rows * t.columns), vector(t.sources * t.rows * 64)},
        body);
  }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (size_t i = 0; i < tiles.size(); ++i) {
    const Tile &t = tiles[i];
    constexpr int64_t count = 3; // items
    std::vector<uint8_t> codes = randomBytes(count * 16 * t.columns, 1, 255),
                         x = randomBytes(count * t.sources * t.rows * t.columns, 2, 255);
    std::vector<AlignedBytes> inputs;
    inputs.push_back(bytesOf(codes));
    inputs.push_back(bytesOf(x));
    std::vector<int32_t> expected;
    for (int64_t item = 0; item < count; ++item) {
      // The rows of all sources follow each other, as their sums do.
      int64_t rows = t.sources * t.rows;
      std::span<const int8_t> source(reinterpret_cast<int8_t *>(x.data()) + item * rows * t.columns,
                                     rows * t.columns);
      for (int32_t sum : reference::dotTile(std::span(codes).subspan(item * 16 * t.columns, 16 * t.columns),
                                            t.isUnsigned, source, rows, t.columns))
        expected.push_back(sum);
    }
    EXPECT_EQ(runArrays<int32_t>(image, "tile" + text(i), std::move(inputs), count, expected.size()),
              expected)
        << t.rows << " rows of " << t.columns << " columns";
  }
}

/// One row of lowbit.dot_tile_bf16 by one output, in the order that its description gives.
float sumOfPairs(std::span<const float> x, std::span<const float> w) {
  auto flush = [](float value) { return std::abs(value) < 0x1p-126f ? 0.0f : value; };
  float sum = 0;
  for (size_t first = 0; first < x.size(); first += 32) {
    float even = 0, odd = 0;
    for (size_t k = first; k < first + 32; k += 2) {
      even = flush(std::fma(flush(x[k]), flush(w[k]), even));
      odd = flush(std::fma(flush(x[k + 1]), flush(w[k + 1]), odd));
    }
    sum = flush(sum + flush(even + odd));
  }
  return sum;
}

/// Numbers that bf16 can hold: ordinary ones, and every seventh so small that products, or it itself, are
/// subnormal.
std::vector<float> randomBFloat16(size_t count, uint32_t seed) {
  std::vector<float> result = randomFloats(count, seed);
  for (size_t i = 0; i < count; ++i) {
    float value = i % 7 ? result[i] : result[i] * (i % 2 ? 0x1p-70f : 0x1p-128f);
    result[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000);
  }
  return result;
}

TEST_P(MatrixTilesTest, DotTileBF16) {
  struct Tile {
    int64_t rows, columns, sources, gap; // columns between rows
    int64_t stride() const { return columns + gap; }
    // Elements of an item. The step from a vector in memory to the next is a power of two.
    int64_t weights() const { return static_cast<int64_t>(std::bit_ceil(16 * uint64_t(columns))); }
    int64_t rowElements() const {
      return static_cast<int64_t>(std::bit_ceil(uint64_t(sources * rows * stride())));
    }
    int64_t sums() const { return static_cast<int64_t>(std::bit_ceil(256 * uint64_t(sources))); }
  };
  const Tile tiles[] = {{1, 32, 1, 0}, {7, 96, 1, 32}, {16, 64, 1, 0}, {16, 160, 4, 32}, {16, 64, 6, 0}};
  auto vector = [](int64_t bytes) { return "vector<" + std::to_string(bytes) + "xi8>"; };
  auto text = [](int64_t n) { return std::to_string(n); };
  std::string module;
  for (size_t i = 0; i < std::size(tiles); ++i) {
    const Tile &t = tiles[i];
    std::string body = "%rows = arith.constant " + text(t.rows) + " : i16\n    ", list;
    for (int64_t source = 0; source < t.sources; ++source) {
      list += (source ? ", %x" : "%x") + text(source);
      body += "%x" + text(source) + " = llvm.getelementptr %q1[" + text(source * t.rows * t.stride() * 2) +
              "] : (!llvm.ptr) -> !llvm.ptr, i8\n    ";
    }
    std::string sums = vector(4 * t.sums());
    body += "lowbit.dot_tile_bf16 %q0, (" + list + ") of %rows into %q2 {columns = " + text(t.columns) +
            " : i64, stride = " + text(2 * t.stride()) +
            " : i64}\n    %r = llvm.load %q2 {alignment = 1 : i64} : !llvm.ptr -> " + sums;
    module += arrayKernel(GetParam(), "tile" + text(i),
                          {vector(2 * t.weights()), vector(2 * t.rowElements()), sums}, body);
  }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  auto bytesOfBF16 = [](const std::vector<float> &values) {
    std::vector<uint16_t> result;
    for (float value : values)
      result.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    return bytesOf(result);
  };
  for (size_t i = 0; i < std::size(tiles); ++i) {
    const Tile &t = tiles[i];
    constexpr int64_t count = 3; // items
    std::vector<float> weights = randomBFloat16(count * t.weights(), 1),
                       rows = randomBFloat16(count * t.rowElements(), 2);
    std::vector<AlignedBytes> inputs;
    inputs.push_back(bytesOfBF16(weights));
    inputs.push_back(bytesOfBF16(rows));
    std::vector<float> found =
        runArrays<float>(image, "tile" + text(i), std::move(inputs), count, count * t.sums());
    for (int64_t item = 0; item < count; ++item)
      for (int64_t row = 0; row < t.sources * t.rows; ++row) { // of all sources
        const float *w = &weights[item * t.weights()];
        std::span<const float> x(&rows[item * t.rowElements() + row * t.stride()], t.columns);
        std::vector<double> exact =
            reference::dotTileBF16(std::vector<double>(w, w + 16 * t.columns),
                                   std::vector<double>(x.begin(), x.end()), 1, t.columns);
        for (int64_t n = 0; n < 16; ++n) {
          std::vector<float> column;
          for (int64_t k = 0; k < t.columns; ++k)
            column.push_back(w[k / 2 * 32 + 2 * n + k % 2]);
          float value = found[item * t.sums() + (row / t.rows * 16 + row % t.rows) * 16 + n];
          ASSERT_EQ(value, sumOfPairs(x, column)) << "tile " << i << " row " << row << " output " << n;
          ASSERT_NEAR(value, exact[n], 2e-5) << "tile " << i << " row " << row << " output " << n;
        }
      }
  }
}

class BF16ProductsTest : public TargetTest {};

TEST_P(BF16ProductsTest, Dot2) {
  int64_t lanes = GetParam().target.lanes();
  std::string floats = "vector<" + std::to_string(lanes) + "xf32>",
              halves = "vector<" + std::to_string(2 * lanes) + "xbf16>";
  KernelImage image(arrayKernel(GetParam(), "dot", {floats, halves, halves, floats},
                                "%r = lowbit.dot2 %0, %1, %2 : " + floats + ", " + halves),
                    GetParam());
  ASSERT_TRUE(image.valid());
  constexpr uint32_t count = 50;
  std::vector<float> acc = randomFloats(count * lanes, 1);
  auto bf16 = [&](uint32_t seed, std::vector<double> &values) {
    std::vector<uint16_t> result;
    for (float f : randomFloats(2 * acc.size(), seed)) {
      result.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(f) >> 16));
      values.push_back(std::bit_cast<float>(uint32_t(result.back()) << 16));
    }
    return result;
  };
  std::vector<double> a, b;
  std::vector<AlignedBytes> inputs;
  inputs.push_back(bytesOf(acc));
  inputs.push_back(bytesOf(bf16(2, a)));
  inputs.push_back(bytesOf(bf16(3, b)));
  std::vector<double> expected = reference::dot2(std::vector<double>(acc.begin(), acc.end()), a, b);
  std::vector<float> found = runArrays<float>(image, "dot", std::move(inputs), count, acc.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], 2e-6) << i;
}

constexpr uint32_t kVector = 16; // elements of the vectors below: no target's own width but that of 512 bits

/// All halves, and f32 of every exponent with mantissas around the middle of two halves.
std::vector<float> difficultFloats() {
  std::vector<float> result;
  for (uint32_t exponent = 0; exponent < 256; ++exponent)
    for (uint32_t mantissa :
         {0u,        1u,        0xfffu,    0x1000u,   0x1001u,   0x2fffu,  0x3000u,   0x3001u,
          0x7fffu,   0x8000u,   0x8001u,   0x17fffu,  0x18000u,  0x18001u, 0x3fffffu, 0x400000u,
          0x400001u, 0x600000u, 0x7fefffu, 0x7ff000u, 0x7fffffu, 0x7f7fffu})
      for (uint32_t sign : {0u, 0x80000000u})
        result.push_back(std::bit_cast<float>(sign | exponent << 23 | mantissa));
  for (float f : randomFloats(4096, 9, 100))
    result.push_back(f);
  result.resize(result.size() / kVector * kVector);
  return result;
}

TEST_P(InstructionsTest, ConversionsOfHalves) {
  std::string f32 = "vector<16xf32>", f16 = "vector<16xf16>", bf16 = "vector<16xbf16>", module;
  for (const std::string &half : {f16, bf16}) {
    std::string name = half == f16 ? "f16" : "bf16";
    module +=
        arrayKernel(GetParam(), "from_" + name, {half, f32}, "%r = arith.extf %0 : " + half + " to " + f32);
    module +=
        arrayKernel(GetParam(), "to_" + name, {f32, half}, "%r = arith.truncf %0 : " + f32 + " to " + half);
  }
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  std::vector<uint16_t> halves(65536);
  std::iota(halves.begin(), halves.end(), 0);
  auto run = [&]<typename Out>(const char *name, const auto &in, Out) {
    std::vector<AlignedBytes> inputs;
    inputs.push_back(bytesOf(in));
    return runArrays<Out>(image, name, std::move(inputs), in.size() / kVector, in.size());
  };
  std::vector<uint32_t> fromF16 = run("from_f16", halves, uint32_t()),
                        fromBF16 = run("from_bf16", halves, uint32_t());
  for (uint32_t h = 0; h < 65536; ++h) {
    float value = static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(h)));
    if (std::isnan(value))
      ASSERT_TRUE(std::isnan(std::bit_cast<float>(fromF16[h]))) << h;
    else
      ASSERT_EQ(fromF16[h], std::bit_cast<uint32_t>(value)) << h;
    if (!std::isnan(std::bit_cast<float>(h << 16)))
      ASSERT_EQ(fromBF16[h], h << 16);
  }
  std::vector<float> floats = difficultFloats();
  std::vector<uint16_t> toF16 = run("to_f16", floats, uint16_t()),
                        toBF16 = run("to_bf16", floats, uint16_t());
  for (size_t i = 0; i < floats.size(); ++i) {
    float f = floats[i];
    if (std::isnan(f)) {
      ASSERT_TRUE((toF16[i] & 0x7fff) > 0x7c00 && (toBF16[i] & 0x7fff) > 0x7f80) << i;
      continue;
    }
    ASSERT_EQ(toF16[i], std::bit_cast<uint16_t>(static_cast<_Float16>(f))) << f;
    // Among the two neighbours the nearer, the even one in the middle.
    uint32_t bits = std::bit_cast<uint32_t>(f), low = bits & 0xffff, high = bits >> 16;
    ASSERT_EQ(toBF16[i], high + (low > 0x8000 || (low == 0x8000 && high % 2))) << f;
  }
}

TEST_P(InstructionsTest, FunctionsOfFloats) {
  struct Function {
    const char *name;
    double (*exact)(double);
    double least, most;
    double error; // relative, or absolute below one
    const char *flags = "";
  };
  // exp and tanh: 2 ulp, 3 without FMA; sin and cos: half an ulp and what f64 leaves, over angles of a long
  // context.
  const Function functions[] = {
      {"roundeven", [](double x) { return std::nearbyint(x); }, -1e4, 1e4, 0},
      {"exp", [](double x) { return std::exp(x); }, -87, 88, 3.6e-7},
      {"exp", [](double x) { return std::exp(std::max(x, -86.5)); }, -2000, 88, 3.6e-7, " fastmath<afn>"},
      {"tanh", [](double x) { return std::tanh(x); }, -12, 12, 3.6e-7},
      {"sin", [](double x) { return std::sin(x); }, -131072, 131072, 6.1e-8},
      {"cos", [](double x) { return std::cos(x); }, -131072, 131072, 6.1e-8},
  };
  std::string module, type = "vector<16xf32>";
  auto kernelOf = [](const Function &f) { return std::string(*f.flags ? "quick_" : "") + f.name; };
  for (const Function &f : functions)
    module += arrayKernel(GetParam(), kernelOf(f), {type, type},
                          std::string("%r = math.") + f.name + " %0" + f.flags + " : " + type);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (const Function &f : functions) {
    std::vector<float> x;
    for (int i = 0; i < 1 << 14; ++i)
      x.push_back(static_cast<float>(f.least + (f.most - f.least) * (i + 0.37) / (1 << 14)));
    if (f.error == 0)
      for (int i = 0; i < 64; ++i)
        x[i] = static_cast<float>(i) / 2 - 16; // the middle of two integers
    std::vector<AlignedBytes> inputs;
    inputs.push_back(bytesOf(x));
    std::vector<float> y =
        runArrays<float>(image, kernelOf(f), std::move(inputs), x.size() / kVector, x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      double expected = f.exact(x[i]);
      bool isBounded = f.most > 1000 && f.error > 0;
      ASSERT_NEAR(y[i], expected, f.error * (isBounded ? 1 : std::abs(expected)))
          << kernelOf(f) << "(" << x[i] << ")";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, BF16ProductsTest,
                         testing::ValuesIn(testTargets([](const TestTarget &target) {
                           return target.target.hasBF16Dot;
                         })),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, MatrixTilesTest,
                         testing::ValuesIn(testTargets([](const TestTarget &target) {
                           return target.target.hasTiles;
                         })),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, InstructionsTest, testing::ValuesIn(testTargets()), targetName);

} // namespace
