//===- OpsTest.cpp - Each op of llm and lowbit, run from IR -----------------------------------===//
//
// Operands, attributes and regions must reach the right arguments of the kernels. The expected values are
// written by python/fixtures/reference_ops.py.
//
//===------------------------------------------------------------------------------------------===//
#include "Expected/Attention.h"
#include "Expected/FeedForward.h"
#include "Expected/Formats.h"
#include "Expected/Int8Rows.h"
#include "Expected/Linears.h"
#include "Expected/Norms.h"
#include "Expected/Rotary.h"
#include "ModuleText.h"
#include "Pattern.h"
#include "nibble/Reference/Kernels.h"

#include <cmath>

using namespace nibble;
using namespace nibble::reference;

static const Matrix x = rows(3, 10, 37, 11);
static const Matrix gain(1, 10, pattern(10, 7, 3));

TEST(Ops, Norms) {
  expectNear(run(R"(func.func @f(%x: tensor<?x10xf32>, %g: tensor<10xf32>) -> tensor<?x10xf32> {
    %y = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x10xf32>, tensor<10xf32>
    return %y : tensor<?x10xf32> })",
                 {x, gain}),
             expected::rmsNormRow, 1e-6); // eps is an f32
  expectNear(
      run(R"(func.func @f(%x: tensor<?x10xf32>, %g: tensor<10xf32>, %b: tensor<10xf32>) -> tensor<?x10xf32> {
    %y = llm.layer_norm %x, %g, %b {eps = 1.0e-5 : f32} : tensor<?x10xf32>, tensor<10xf32>
    return %y : tensor<?x10xf32> })",
          {x, gain, Matrix(1, 10, pattern(10, 13, 5))}),
      expected::layerNorm, 1e-6);
}

TEST(Ops, LinearWithBias) {
  expectNear(
      run(R"(func.func @f(%x: tensor<?x10xf32>, %w: tensor<4x10xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
    %y = llm.linear %x, %w bias(%b : tensor<4xf32>) : tensor<?x10xf32>, tensor<4x10xf32> -> tensor<?x4xf32>
    return %y : tensor<?x4xf32> })",
          {x, rows(4, 10, 29, 2), Matrix(1, 4, pattern(4, 13, 5))}),
      expected::linear);
}

TEST(Ops, LowRankAdapter) {
  expectNear(
      run(R"(func.func @f(%x: tensor<?x10xf32>, %w: tensor<4x10xf32>, %a: tensor<2x10xf32>, %b: tensor<4x2xf32>)
      -> tensor<?x4xf32> {
    %y = llm.linear %x, %w : tensor<?x10xf32>, tensor<4x10xf32> -> tensor<?x4xf32>
    %z = llm.lora %x, %y, %a, %b {scale = 1.5 : f32} : tensor<?x10xf32>, tensor<?x4xf32>, tensor<2x10xf32>, tensor<4x2xf32>
    return %z : tensor<?x4xf32> })",
          {x, rows(4, 10, 29, 2), rows(2, 10, 17, 8), rows(4, 2, 23, 40)}),
      expected::lora);
}

TEST(Ops, RopeOfPartOfAHead) {
  expectNear(run(R"(func.func @f(%x: tensor<?x12xf32>, %p: tensor<?xi32>) -> tensor<?x12xf32> {
    %y = llm.rope %x, %p {head_dim = 6 : i64, inverse_frequencies = array<f32: 1.0, 0.125>, attention_factor = 1.25 : f32}
      : tensor<?x12xf32>, tensor<?xi32>
    return %y : tensor<?x12xf32> })",
                 {rows(3, 12, 37, 11), Indices{0, 5, 100003}}),
             expected::ropePartial);
}

TEST(Ops, GatedFeedForward) {
  auto text = [](const std::string &activation) {
    return "func.func @f(%g: tensor<?x7xf32>, %u: tensor<?x7xf32>) -> tensor<?x7xf32> {\n %y = llm.glu " +
           activation + " %g, %u : tensor<?x7xf32>\n return %y : tensor<?x7xf32> }";
  };
  std::vector<RuntimeValue> arguments = {rows(2, 7, 37, 11), rows(2, 7, 19, 60)};
  expectNear(run(text("silu"), arguments), expected::gluSilu);
  expectNear(run(text("gelu"), arguments), expected::gluGelu);
  expectNear(run(text("gelu_tanh"), arguments), expected::gluGeluTanh);
}

TEST(Ops, MixtureOfExperts) {
  auto text = [](const std::string &normalize) {
    return R"(func.func @f(%x: tensor<?x6xf32>, %r: tensor<4x6xf32>, %g: tensor<4x3x6xf32>, %u: tensor<4x3x6xf32>,
                %d: tensor<4x6x3xf32>) -> tensor<?x6xf32> {
      %y = llm.moe silu %x, %r, %g, %u, %d {experts_per_token = 2 : i64)" +
           normalize + R"(} : tensor<?x6xf32>, tensor<4x6xf32>, tensor<4x3x6xf32>, tensor<4x6x3xf32>
      return %y : tensor<?x6xf32> })";
  };
  std::vector<RuntimeValue> arguments = {rows(3, 6, 37, 11), rows(4, 6, 29, 2), rows(12, 6, 31, 9),
                                         rows(12, 6, 43, 20), rows(24, 3, 47, 33)};
  expectNear(run(text(""), arguments), expected::moe);
  expectNear(run(text(", normalize"), arguments), expected::moeNormalized);
}

TEST(Ops, AttentionStoresInItsLayerAndAttends) {
  auto attend = [](const std::string &sinks, const std::string &attributes) {
    Matrix k = rows(10, 12, 29, 2), v = rows(10, 12, 43, 20);
    KeyValueCache cache(2, 2, 6);
    SequenceRows sequences{{0, 5, 7}, {cache.addSequence(), cache.addSequence()}};
    for (int64_t p = 0; p < 3; ++p)
      cache.store(1, 1, p, k.row(5 + p), v.row(5 + p));
    Indices batch = {0, 1, 2, 3, 4, 8, 9}, positions = {0, 1, 2, 3, 4, 3, 4};
    auto results = run(
        "func.func @f(%q: tensor<?x24xf32>, %k: tensor<?x12xf32>, %v: tensor<?x12xf32>, %s: tensor<4xf32>,"
        " %c: !llm.cache<layers = 2, kv_heads = 2, head_dim = 6>) -> tensor<?x24xf32> {\n"
        "  %o = llm.attention %q, %k, %v, %c " +
            sinks + " {layer = 1 : i64, heads = 4 : i64, scale = 0.75 : f32" + attributes +
            "} : tensor<?x24xf32>, tensor<?x12xf32>, !llm.cache<layers = 2, kv_heads = 2, head_dim = 6>\n"
            "  return %o : tensor<?x24xf32> }",
        {rows(7, 24, 37, 11), selectRows(k, batch), selectRows(v, batch), Matrix(1, 4, pattern(4, 7, 40)),
         CacheReference{&cache, &sequences, &positions}});
    EXPECT_EQ(cache.length(0, 1), 5);
    EXPECT_EQ(cache.length(1, 1), 5);
    EXPECT_EQ(cache.length(0, 0), 0);
    return results;
  };
  expectNear(attend("", ""), expected::attention);
  expectNear(attend("", ", window = 3 : i64"), expected::attentionWindow);
  expectNear(attend("", ", softcap = 2.0 : f32"), expected::attentionSoftcap);
  expectNear(attend("sinks(%s : tensor<4xf32>)", ""), expected::attentionSinks);
}

TEST(Ops, EmbedAndLogitsPickRows) {
  std::vector<double> found =
      run(R"(func.func @f(%ids: tensor<?xi32>, %rows: tensor<?xi32>, %t: tensor<3x10xf32>,
      %w: tensor<4x10xf32>) -> tensor<?x4xf32> {
    %h = llm.embed %ids, %t {scale = 2.0 : f32} : tensor<?xi32>, tensor<3x10xf32> -> tensor<?x10xf32>
    %l = llm.logits %h, %rows, %w : tensor<?x10xf32>, tensor<?xi32>, tensor<4x10xf32> -> tensor<?x4xf32>
    return %l : tensor<?x4xf32> })",
          {Indices{2, 2, 0, 1}, Indices{3, 1}, x, rows(4, 10, 29, 2)});
  // linear's expectation has a bias: rows 1 and 2 of x, doubled, without it.
  std::vector<double> bias = pattern(4, 13, 5), expected;
  for (int row : {1, 2})
    for (int n = 0; n < 4; ++n)
      expected.push_back(2 * (expected::linear[row * 4 + n] - bias[n]));
  expectNear(found, expected);
}

TEST(Ops, ElementwiseOnTensors) {
  EXPECT_EQ(run(R"(func.func @f(%a: tensor<?x2xf32>, %b: tensor<?x2xf32>) -> tensor<?x2xf32> {
    %s = arith.addf %a, %b : tensor<?x2xf32>
    %m = arith.mulf %s, %b : tensor<?x2xf32>
    %d = arith.subf %m, %a : tensor<?x2xf32>
    %q = arith.divf %d, %b : tensor<?x2xf32>
    %n = arith.negf %q : tensor<?x2xf32>
    %x = arith.maximumf %n, %a : tensor<?x2xf32>
    return %x : tensor<?x2xf32> })",
                {Matrix(1, 2, {3, -10}), Matrix(1, 2, {2, 4})}),
            // 3 + 2 = 5, * 2 = 10, - 3 = 7, / 2 = 3.5, -3.5, max with 3; -6 * 4 + 10 = -14, / 4 = -3.5, 3.5
            (std::vector<double>{3, 3.5}));
}

static const std::string int4 = "<int4, group = 32, scale = f16, zero = none>";

/// The attribute's text: `<nf4, group = 64, scale = f16, zero = none>`.
static std::string formatText(std::string_view spelling) {
  static const char *zeros[] = {"none", "int", "min"};
  Format format = *parseFormat(spelling);
  return "<" + std::string(spelling.substr(0, spelling.find('-'))) +
         ", group = " + std::to_string(format.group) +
         ", scale = f16, zero = " + zeros[static_cast<int>(format.zero)] + ">";
}

TEST(Ops, QuantizeRepackDequantize) {
  for (const expected::FormatCase &c : expected::formats) {
    std::string format = formatText(c.spelling), packed = "!lowbit.packed<2x140, " + format;
    EXPECT_EQ(run("func.func @f(%x: tensor<2x140xf32>) -> tensor<2x140xf32> {\n"
                  "  %q = lowbit.quantize %x : tensor<2x140xf32> -> " +
                      packed + ">\n  %p = lowbit.repack %q : " + packed + "> -> " + packed +
                      ", panel>\n  %d = lowbit.dequantize %p : " + packed +
                      ", panel> -> tensor<2x140xf32>\n"
                      "  %z = arith.constant dense<0.0> : tensor<2x140xf32>\n"
                      "  %y = arith.addf %d, %z : tensor<2x140xf32>\n"
                      "  return %y : tensor<2x140xf32> }",
                  {skewed()}),
              c.values)
        << c.spelling;
  }
}

/// `activations` of llm.linear means the same as the rows of the fused form.
TEST(Ops, Int8ActivationsBeforeAndAfterFusing) {
  Matrix input = rows(3, 140, 29, 5);
  std::string packed = "!lowbit.packed<2x140, " + int4 + ">";
  std::vector<double> before =
      run("func.func @f(%x: tensor<?x140xf32>, %w: tensor<2x140xf32>) -> tensor<?x2xf32> {\n"
          "  %q = lowbit.quantize %w : tensor<2x140xf32> -> " +
              packed +
              "\n"
              "  %d = lowbit.dequantize %q : " +
              packed +
              " -> tensor<2x140xf32>\n"
              "  %y = llm.linear %x, %d {activations = #lowbit.activations<int8>} : tensor<?x140xf32>, "
              "tensor<2x140xf32> -> tensor<?x2xf32>\n"
              "  return %y : tensor<?x2xf32> }",
          {input, skewed()});
  std::string rowsType = "!lowbit.rows<tokens x 140, int8, bias = [8]>";
  std::vector<double> after =
      run("func.func @f(%x: tensor<?x140xf32>, %w: tensor<2x140xf32>) -> tensor<?x2xf32> {\n"
          "  %q = lowbit.quantize %w : tensor<2x140xf32> -> " +
              packed +
              "\n"
              "  %r = lowbit.quantize_rows %x : tensor<?x140xf32> -> " +
              rowsType +
              "\n"
              "  %y = lowbit.linear %r, (%q) : " +
              rowsType + ", (" + packed +
              ") -> tensor<?x2xf32> {\n"
              "  ^bb0(%a: f32):\n    lowbit.yield %a : f32\n  }\n"
              "  return %y : tensor<?x2xf32> }",
          {input, skewed()});
  EXPECT_EQ(before, after);
  EXPECT_STREQ(expected::formats.front().spelling, "int4-g32");
  expectNear(after, expected::formats.front().int8Product);
}

TEST(Ops, QuantizeRowsAddsNormsAndSelects) {
  ModuleText module(
      R"(func.func @f(%x: tensor<?x10xf32>, %r: tensor<?x10xf32>, %g: tensor<10xf32>, %rows: tensor<?xi32>)
      -> (!lowbit.rows<logits x 10, f32>, tensor<?x10xf32>) {
    %y, %s = lowbit.quantize_rows %x residual(%r : tensor<?x10xf32>) norm(%g : tensor<10xf32>)
        select(%rows : tensor<?xi32>) {eps = 1.0e-5 : f32}
      : tensor<?x10xf32> -> !lowbit.rows<logits x 10, f32>, tensor<?x10xf32>
    return %y, %s : !lowbit.rows<logits x 10, f32>, tensor<?x10xf32> })");
  Matrix residual = rows(3, 10, 19, 60);
  auto results = module.call({x, residual, gain, Indices{2, 0}});
  ASSERT_TRUE(results) << results.error().message;
  const Matrix &y = std::get<Matrix>((*results)[0]), &sum = std::get<Matrix>((*results)[1]);
  std::vector<double> normed(expected::sumNormed.begin() + 20, expected::sumNormed.end());
  normed.insert(normed.end(), expected::sumNormed.begin(), expected::sumNormed.begin() + 10);
  expectNear(y.data, normed, 1e-6);
  ASSERT_EQ(sum.rows, 2);
  EXPECT_EQ(sum.row(0)[3], x.row(2)[3] + residual.row(2)[3]);
  EXPECT_EQ(sum.row(1)[9], x.row(0)[9] + residual.row(0)[9]);
}

TEST(Ops, EpilogueOfTwoWeightsABiasAndAResidual) {
  std::vector<double> found =
      run(R"(func.func @f(%x: tensor<?x2xf32>, %u: tensor<1x2xf32>, %v: tensor<1x2xf32>,
      %b: tensor<1xf32>, %r: tensor<?x1xf32>) -> tensor<?x1xf32> {
    %rows = lowbit.quantize_rows %x : tensor<?x2xf32> -> !lowbit.rows<tokens x 2, f32>
    %p = lowbit.quantize %u : tensor<1x2xf32> -> !lowbit.packed<1x2, <int8, group = 0, scale = f16, zero = none>>
    %q = lowbit.quantize %v : tensor<1x2xf32> -> !lowbit.packed<1x2, <int8, group = 0, scale = f16, zero = none>>
    %y = lowbit.linear %rows, (%p, %q) extra(%b, %r : tensor<1xf32>, tensor<?x1xf32>)
      : !lowbit.rows<tokens x 2, f32>, (!lowbit.packed<1x2, <int8, group = 0, scale = f16, zero = none>>,
                                        !lowbit.packed<1x2, <int8, group = 0, scale = f16, zero = none>>) -> tensor<?x1xf32> {
    ^bb0(%a0: f32, %a1: f32, %bias: f32, %res: f32):
      %one = arith.constant 1.0 : f32
      %g = arith.addf %a0, %bias : f32
      %n = arith.negf %g : f32
      %e = math.exp %n : f32
      %d = arith.addf %one, %e : f32
      %s = arith.divf %g, %d : f32
      %m = arith.mulf %s, %a1 : f32
      %y = arith.addf %m, %res : f32
      lowbit.yield %y : f32
    }
    return %y : tensor<?x1xf32> })",
          // One value and a zero quantize exactly.
          {Matrix(3, 2, {1, 5, -2, 6, 0, 7}), Matrix(1, 2, {2, 0}), Matrix(1, 2, {0, -0.5}),
           Matrix(1, 1, {0.25}), Matrix(3, 1, {10, 20, 30})});
  std::vector<double> expected;
  for (auto [x0, x1, r] : {std::tuple(1., 5., 10.), std::tuple(-2., 6., 20.), std::tuple(0., 7., 30.)}) {
    double g = 2 * x0 + 0.25;
    expected.push_back(g / (1 + std::exp(-g)) * (-0.5 * x1) + r);
  }
  expectNear(found, expected);
}

TEST(Ops, ParametersComeFromTheSourceOnceTheyAreNeeded) {
  std::vector<std::string> asked;
  ParameterSource source = [&](const ParameterRequest &request) -> Result<RowBlock> {
    asked.push_back(request.name);
    EXPECT_EQ(request.rows, 2);
    EXPECT_EQ(request.columns, 3);
    EXPECT_EQ(formatSpelling(request.source), "bf16");
    EXPECT_EQ(formatSpelling(request.format()), "int8-g32");
    EXPECT_EQ(request.conversions.size(), 1u);
    EXPECT_EQ(request.unpermutedHeads, 1);
    return RowBlock{request.format(), 2, 3, {}, {1, 2, 3, 4, 5, 6}, {0x3c00, 0x3800}, {}};
  };
  std::string type = "!lowbit.packed<2x3, <int8, group = 32, scale = f16, zero = none>, panel>";
  std::string recipe =
      " source(<bf16>) recipe [#lowbit.unpermute_rows<heads = 1>, "
      "#lowbit.convert<<int8, group = 32, scale = f16, zero = none>>, #lowbit.pack<panel>] : ";
  EXPECT_EQ(run("func.func @f(%x: tensor<?x3xf32>) -> tensor<?x2xf32> {\n"
                "  %unused = llm.param @unused" +
                    recipe + type + "\n  %w = llm.param @w" + recipe + type +
                    "\n"
                    "  %r = lowbit.quantize_rows %x : tensor<?x3xf32> -> !lowbit.rows<tokens x 3, f32>\n"
                    "  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 3, f32>, (" +
                    type +
                    ") -> tensor<?x2xf32> {\n"
                    "  ^bb0(%a: f32):\n    lowbit.yield %a : f32\n  }\n  return %y : tensor<?x2xf32> }",
                {Matrix(1, 3, {1, 10, 100})}, source),
            (std::vector<double>{321, 327}));
  EXPECT_EQ(asked, std::vector<std::string>{"w"});
}

TEST(Ops, ErrorsNameTheOpAndWhatToDo) {
  auto message = [](const std::string &text, std::vector<RuntimeValue> arguments) {
    ModuleText module(text);
    auto results = module.call(std::move(arguments));
    EXPECT_FALSE(results);
    return results ? "" : results.error().message;
  };
  EXPECT_EQ(message(R"(func.func @f(%ids: tensor<?xi32>, %t: tensor<3x1xf32>) -> tensor<?x1xf32> {
      %h = llm.embed %ids, %t : tensor<?xi32>, tensor<3x1xf32> -> tensor<?x1xf32>
      return %h : tensor<?x1xf32> })",
                    {Indices{0, 3}, Matrix(3, 1)}),
            "token id 3 (number 1) is outside 0 .. 2");
  EXPECT_EQ(message(R"(func.func @f(%a: tensor<?x1xf32>, %b: tensor<?x1xf32>) -> tensor<?x1xf32> {
      %h = llm.glu silu %a, %b : tensor<?x1xf32>
      return %h : tensor<?x1xf32> })",
                    {Matrix(2, 1), Matrix(3, 1)}),
            "'llm.glu': operands have 2 and 3 rows");
  EXPECT_EQ(message(R"(func.func @f() -> tensor<2xf32> {
      %w = llm.param @"model.norm.weight" source(<f32>) : tensor<2xf32>
      return %w : tensor<2xf32> })",
                    {}),
            "the module has the weight 'model.norm.weight' but nothing to read it from; give the "
            "checkpoint's folder "
            "with --checkpoint");
  EXPECT_EQ(message(R"(func.func @f(%a: vector<1xf32>) -> vector<1xf32> {
      %b = vector.extract_strided_slice %a {offsets = [0], sizes = [1], strides = [1]} : vector<1xf32> to vector<1xf32>
      return %b : vector<1xf32> })",
                    {Matrix(1, 1)}),
            "'vector.extract_strided_slice': the reference runs modules from import to fuse, which have no "
            "such op; stop "
            "the compiler earlier (--compile-to=fuse)");
}
