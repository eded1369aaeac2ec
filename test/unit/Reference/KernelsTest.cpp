//===- KernelsTest.cpp - Ops of llm against PyTorch -------------------------------------------===//
//
// The expected values are written by python/fixtures/reference_ops.py.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"

#include "Expected/Attention.h"
#include "Expected/FeedForward.h"
#include "Expected/Linears.h"
#include "Expected/Norms.h"
#include "Expected/Rotary.h"
#include "Pattern.h"
#include <cmath>

using namespace nibble::reference;

static const Matrix x = rows(3, 10, 37, 11);
static const std::vector<double> gain = pattern(10, 7, 3);

TEST(Norms, RootMeanSquareOfRowsAndHeads) {
  expectNear(rmsNorm(x, gain, 1e-5).data, expected::rmsNormRow);
  expectNear(rmsNorm(x, pattern(5, 7, 3), 1e-5).data, expected::rmsNormHeads);
}

TEST(Norms, LayerNorm) { expectNear(layerNorm(x, gain, pattern(10, 13, 5), 1e-5).data, expected::layerNorm); }

static nibble::RowBlock floatBlock(const Matrix &values) {
  nibble::RowBlock block;
  block.rows = values.rows;
  block.columns = values.columns;
  block.values.assign(values.data.begin(), values.data.end());
  return block;
}

TEST(Linear, WithBiasAndMagnitude) {
  Matrix w = rows(4, 10, 29, 2);
  expectNear(linear(x, w, pattern(4, 13, 5)).data, expected::linear);
  expectNear(linear(x, floatBlock(w), pattern(4, 13, 5)).data, expected::linear);
  expectNear(linearMagnitude(x, floatBlock(w)).data, expected::linearMagnitude);
}

TEST(Linear, LowRankAdapter) {
  Matrix base = linear(x, rows(4, 10, 29, 2));
  expectNear(lora(x, base, rows(2, 10, 17, 8), rows(4, 2, 23, 40), 1.5).data, expected::lora);
}

TEST(Linear, Dot4IsExactAndSigned) {
  std::vector<int32_t> acc = {100, -7};
  std::vector<uint8_t> a = {255, 255, 255, 255, 1, 2, 3, 4};
  std::vector<int8_t> b = {-128, -128, -128, -128, 5, -6, 7, -8};
  // 100 - 4 * 255 * 128; -7 + 5 - 12 + 21 - 32
  EXPECT_EQ(dot4(acc, a, b), (std::vector<int32_t>{-130460, -25}));
}

TEST(Linear, Dot2AddsPairs) {
  // 1 + 2 * 0.5 + 3 * 4; -1 + (-5) * 2 + 0.25 * 8
  EXPECT_EQ(dot2(std::vector<double>{1, -1}, std::vector<double>{2, 3, -5, 0.25},
                 std::vector<double>{0.5, 4, 2, 8}),
            (std::vector<double>{14, -9}));
}

TEST(Linear, DotTileReadsCodesAsSignedOrNot) {
  // Two rows by four columns: outputs 0 and 15 have codes, the others zeros.
  std::vector<uint8_t> codes(64);
  codes[0] = 255, codes[1] = 1, codes[2] = 128, codes[3] = 0, codes[60] = 2, codes[63] = 127;
  std::vector<int8_t> x = {1, 2, 3, 4, -128, 127, -1, 1};
  std::vector<int32_t> isSigned(32), isUnsigned(32);
  isSigned[0] = -1 + 2 - 384, isUnsigned[0] = 255 + 2 + 384;
  isSigned[15] = isUnsigned[15] = 2 + 4 * 127;
  isSigned[16] = 128 + 127 + 128, isUnsigned[16] = -128 * 255 + 127 - 128;
  isSigned[31] = isUnsigned[31] = -256 + 127;
  EXPECT_EQ(dotTile(codes, false, x, 2, 4), isSigned);
  EXPECT_EQ(dotTile(codes, true, x, 2, 4), isUnsigned);
}

TEST(Linear, DotTileReadsPairsOfBF16) {
  // Two rows by four columns: outputs 0 and 15 have weights, the others zeros.
  std::vector<double> weights(64);
  weights[0] = 2, weights[1] = 3, weights[32] = 5, weights[33] = 7; // columns 0 to 3 of output 0
  weights[30] = -1, weights[63] = 0.5;                              // columns 0 and 3 of output 15
  std::vector<double> x = {1, 10, 100, 1000, 0, 0, 0, 4};
  std::vector<double> sums(32);
  sums[0] = 2 + 30 + 500 + 7000, sums[15] = -1 + 500, sums[16] = 28, sums[31] = 2;
  EXPECT_EQ(dotTileBF16(weights, x, 2, 4), sums);
}

TEST(Linear, LookupIndexesItsTable) {
  std::vector<int8_t> table = {5, -128, 127, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9};
  std::vector<uint8_t> codes = {15, 0, 1, 2, 2};
  EXPECT_EQ(lookup(codes, table), (std::vector<int8_t>{-9, 5, -128, 127, 127}));
}

TEST(Rows, SelectAndEmbed) {
  std::vector<int32_t> ids = {2, 0, 2};
  Matrix picked = selectRows(x, ids), embedded = embed(ids, floatBlock(x), 0.5);
  ASSERT_EQ(picked.rows, 3);
  for (int64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(picked.row(0)[i], x.row(2)[i]);
    EXPECT_EQ(picked.row(1)[i], x.row(0)[i]);
    EXPECT_EQ(picked.row(2)[i], x.row(2)[i]);
    EXPECT_EQ(embedded.row(1)[i], x.row(0)[i] / 2);
  }
  EXPECT_EQ(embed(ids, x, 0.5).data, embedded.data);
}

TEST(Rope, WholeAndPartialHeadsAtLargePositions) {
  Matrix heads = rows(3, 12, 37, 11);
  std::vector<int32_t> positions = {0, 5, 100003};
  std::vector<float> inverse = {1.0f, 0.125f, 0.007f};
  expectNear(rope(heads, positions, 6, inverse, 1.25).data, expected::ropeWhole);
  expectNear(rope(heads, positions, 6, std::span(inverse).first(2), 1.25).data, expected::ropePartial);
}

TEST(FeedForward, GatedByEachActivation) {
  Matrix gate = rows(2, 7, 37, 11), up = rows(2, 7, 19, 60);
  expectNear(glu(Activation::Silu, gate, up).data, expected::gluSilu);
  expectNear(glu(Activation::Gelu, gate, up).data, expected::gluGelu);
  expectNear(glu(Activation::GeluTanh, gate, up).data, expected::gluGeluTanh);
}

TEST(FeedForward, MixtureOfExperts) {
  Experts experts{rows(4, 6, 29, 2), rows(12, 6, 31, 9), rows(12, 6, 43, 20), rows(24, 3, 47, 33), 2, false};
  Matrix tokens = rows(3, 6, 37, 11);
  expectNear(mixtureOfExperts(Activation::Silu, tokens, experts).data, expected::moe);
  experts.normalize = true;
  expectNear(mixtureOfExperts(Activation::Silu, tokens, experts).data, expected::moeNormalized);
}

TEST(FeedForward, OfEquallyLikelyExpertsTheFirstIsChosen) {
  // A router of zeros; the down projection of expert e is e + 1, so the result tells who was chosen.
  Experts experts{Matrix(3, 1), Matrix(3, 1, {1, 1, 1}), Matrix(3, 1, {1, 1, 1}), Matrix(3, 1, {1, 2, 3}), 1,
                  true};
  double silu = 1 / (1 + std::exp(-1.0));
  EXPECT_DOUBLE_EQ(mixtureOfExperts(Activation::Silu, Matrix(1, 1, {1}), experts).data[0], silu);
}

namespace {

/// A batch of two sequences: 5 rows of a new one, 2 rows of one that has 3 positions in the cache.
struct AttentionTest : testing::Test {
  AttentionShape shape{4, 2, 6, 0.75, {}, {}, {}};

  Matrix run(CacheRounding rounding = CacheRounding::None) {
    Matrix q = rows(7, 24, 37, 11), k = rows(10, 12, 29, 2), v = rows(10, 12, 43, 20);
    KeyValueCache cache(1, 2, 6, rounding);
    size_t fresh = cache.addSequence(), known = cache.addSequence();
    for (int64_t p = 0; p < 3; ++p)
      cache.store(known, 0, p, k.row(5 + p), v.row(5 + p));
    std::vector<int32_t> batch = {0, 1, 2, 3, 4, 8, 9}, positions = {0, 1, 2, 3, 4, 3, 4};
    SequenceRows sequences{{0, 5, 7}, {fresh, known}};
    return attention(shape, q, selectRows(k, batch), selectRows(v, batch), positions, sequences, 0, cache);
  }
};

} // namespace

TEST_F(AttentionTest, GroupedHeadsOverARaggedBatch) { expectNear(run().data, expected::attention); }

TEST_F(AttentionTest, Window) {
  shape.window = 3;
  expectNear(run().data, expected::attentionWindow);
}

TEST_F(AttentionTest, Softcap) {
  shape.softcap = 2;
  expectNear(run().data, expected::attentionSoftcap);
}

TEST_F(AttentionTest, Sinks) {
  shape.sinks = pattern(4, 7, 40);
  expectNear(run().data, expected::attentionSinks);
}

TEST_F(AttentionTest, InputsAreExactInF16AndBF16SoThoseCachesChangeNothing) {
  // 7 significant bits at most: bf16 has 8.
  expectNear(run(CacheRounding::F16).data, expected::attention);
  expectNear(run(CacheRounding::BF16).data, expected::attention);
}

TEST(KeyValueCache, Int8HasAScaleForEachHead) {
  KeyValueCache cache(1, 2, 2, CacheRounding::Int8);
  size_t sequence = cache.addSequence();
  // Scales 1 and 2: 63.5 and 3 / 2 are ties, which go to even codes.
  std::vector<double> key = {127, 63.5, -254, 3}, value = {0, 0, 0.25, 127};
  cache.store(sequence, 0, 0, key, value);
  auto stored = [](std::span<const double> x) { return std::vector<double>(x.begin(), x.end()); };
  EXPECT_EQ(stored(cache.keys(sequence, 0)), (std::vector<double>{127, 64, -254, 4}));
  EXPECT_EQ(stored(cache.values(sequence, 0)), (std::vector<double>{0, 0, 0, 127}));
}

TEST(KeyValueCache, RoundsWhatItStoresAndOverwrites) {
  KeyValueCache cache(2, 1, 2, CacheRounding::BF16);
  size_t sequence = cache.addSequence();
  std::vector<double> key = {1.0 + 1.0 / 256, -3}, value = {1.0 + 3.0 / 256, 0};
  cache.store(sequence, 1, 0, key, value);
  EXPECT_EQ(cache.length(sequence, 0), 0);
  EXPECT_EQ(cache.length(sequence, 1), 1);
  // bf16 has steps of 1/128 above 1: ties go to even.
  EXPECT_EQ(cache.keys(sequence, 1)[0], 1.0);
  EXPECT_EQ(cache.values(sequence, 1)[0], 1.0 + 4.0 / 256);
  cache.store(sequence, 1, 0, value, key);
  EXPECT_EQ(cache.length(sequence, 1), 1);
  EXPECT_EQ(cache.keys(sequence, 1)[0], 1.0 + 4.0 / 256);
}
