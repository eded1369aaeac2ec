//===- AttentionTest.cpp - Compiled attention against double precision ------------------------===//
//
// Ragged batches over a paged cache whose pages are shuffled, in two steps, with and without rotary
// embedding, norms of q and k, a window, a softcap and sinks, in every type of cache.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelImage.h"

#include "nibble/Reference/Kernels.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::test;

namespace {

struct Case {
  const char *name;
  int64_t heads, kvHeads, headDim;
  bool rope = false, norm = false;
  int64_t window = 0;
  double softcap = 0;
  bool sinks = false;
};

const Case kCases[] = {
    {"plain", 4, 2, 16},
    {"rope", 6, 2, 32, true},
    {"norm", 4, 4, 16, true, true},
    {"window", 2, 1, 64, true, false, 16},
    {"oddHead", 2, 2, 24, true},
    {"softcap", 2, 1, 16, false, false, 0, 3.0},
    {"sinks", 4, 2, 8, false, false, 0, 0, true},
};

std::vector<float> frequencies(int64_t headDim) {
  std::vector<float> result;
  for (int64_t i = 0; i < headDim / 2; ++i)
    result.push_back(static_cast<float>(std::pow(10000.0, -2.0 * i / headDim)));
  return result;
}

std::string kernelText(const Case &c) {
  std::string q = "tensor<?x" + std::to_string(c.heads * c.headDim) + "xf32>";
  std::string k = "tensor<?x" + std::to_string(c.kvHeads * c.headDim) + "xf32>";
  std::string gain = "tensor<" + std::to_string(c.headDim) + "xf32>", d = std::to_string(c.headDim);
  std::string cache =
      "!llm.cache<layers = 1, kv_heads = " + std::to_string(c.kvHeads) + ", head_dim = " + d + ">";
  std::string sinks = "tensor<" + std::to_string(c.heads) + "xf32>";
  std::string text =
      std::string("rt.kernel @") + c.name + "(%q: " + q + ", %k: " + k + ", %v: " + k + ", %c: " + cache;
  if (c.sinks)
    text += ", %s: " + sinks;
  if (c.norm)
    text += ", %gq: " + gain + ", %gk: " + gain;
  text += ") -> " + q + " attributes {family = #rt.family<attention>} {\n";
  std::string query = "%q", key = "%k";
  if (c.norm) {
    text += "  %qn = llm.rms_norm %q, %gq {eps = 1.0e-6 : f32} : " + q + ", " + gain + "\n";
    text += "  %kn = llm.rms_norm %k, %gk {eps = 1.0e-6 : f32} : " + k + ", " + gain + "\n";
    query = "%qn", key = "%kn";
  }
  if (c.rope) {
    std::string list;
    char number[64];
    for (float f : frequencies(c.headDim)) {
      snprintf(number, sizeof number, "%s%.9e", list.empty() ? "" : ", ", f);
      list += number;
    }
    std::string attributes =
        " {head_dim = " + d +
        " : i64, attention_factor = 1.25 : f32, inverse_frequencies = array<f32: " + list + ">} : ";
    text += "  %p = rt.batch position : tensor<?xi32>\n";
    text += "  %qr = llm.rope " + query + ", %p" + attributes + q + ", tensor<?xi32>\n";
    text += "  %kr = llm.rope " + key + ", %p" + attributes + k + ", tensor<?xi32>\n";
    query = "%qr", key = "%kr";
  }
  text += "  %o = llm.attention " + query + ", " + key + ", %v, %c";
  if (c.sinks)
    text += " sinks(%s : " + sinks + ")";
  text += " {layer = 0 : i64, heads = " + std::to_string(c.heads) + " : i64, scale = 3.000000e-01 : f32";
  if (c.window)
    text += ", window = " + std::to_string(c.window) + " : i64";
  if (c.softcap)
    text += ", softcap = 3.0 : f32";
  return text + "} : " + q + ", " + k + ", " + cache + "\n  rt.yield %o : " + q + "\n}\n";
}

/// Two sequences; what each adds in the first and the second step.
constexpr uint32_t kAdded[2][2] = {{70, 3}, {5, 1}};
constexpr uint32_t kPageStride = 5;

class AttentionTest : public TargetTest {};

void check(const KernelImage &image, const Case &c, const std::string &type, int64_t elementBytes,
           reference::CacheRounding rounding, double tolerance) {
  int64_t qWidth = c.heads * c.headDim, kWidth = c.kvHeads * c.headDim;
  auto stride = [](int64_t width) { return (width * 4 + 63) / 64 * 16; };
  const uint32_t pages[2 * kPageStride] = {7, 2, 9, 0, 4, 1, 8, 3, 6, 5};
  AlignedBytes keys(10 * 32 * kWidth * elementBytes), values(10 * 32 * kWidth * elementBytes);
  reference::KeyValueCache cache(1, c.kvHeads, c.headDim, rounding);
  cache.addSequence();
  cache.addSequence();
  std::vector<float> gains = randomFloats(2 * 64, 5), sinks = randomFloats(64, 6);
  AlignedBytes gainQ({reinterpret_cast<uint8_t *>(gains.data()), 256}),
      gainK({reinterpret_cast<uint8_t *>(gains.data() + 64), 256}),
      sinkBytes({reinterpret_cast<uint8_t *>(sinks.data()), 256});

  std::vector<uint32_t> lengths = {0, 0};
  for (int step = 0; step < 2; ++step) {
    std::vector<uint32_t> starts = {0};
    std::vector<int32_t> positions;
    for (int s = 0; s < 2; ++s) {
      for (uint32_t i = 0; i < kAdded[s][step]; ++i)
        positions.push_back(lengths[s]++);
      starts.push_back(positions.size());
    }
    uint32_t tokens = positions.size();
    NibbleBatch batch{};
    batch.version = kKernelABIVersion;
    batch.tokens = tokens;
    batch.sequences = 2;
    batch.pageStride = kPageStride;
    batch.pageCount = 10;
    batch.position = positions.data();
    batch.queryStart = starts.data();
    batch.kvLength = lengths.data();
    batch.pageTable = pages;
    auto makeRows = [&](int64_t width, uint32_t seed, AlignedBytes &bytes) {
      std::vector<float> x = randomFloats(tokens * width, seed + step, 2);
      for (uint32_t t = 0; t < tokens; ++t)
        memcpy(bytes.as<float>() + t * stride(width), x.data() + t * width, width * 4);
      return reference::Matrix::fromFloats(tokens, width, x);
    };
    AlignedBytes q(tokens * stride(qWidth) * 4), k(tokens * stride(kWidth) * 4),
        v(tokens * stride(kWidth) * 4), out(tokens * stride(qWidth) * 4);
    reference::Matrix rq = makeRows(qWidth, 10, q), rk = makeRows(kWidth, 20, k),
                      rv = makeRows(kWidth, 30, v);
    std::vector<void *> operands = {q.data(), k.data(), v.data(), keys.data(), values.data()};
    if (c.sinks)
      operands.push_back(sinkBytes.data());
    if (c.norm)
      operands.insert(operands.end(), {gainQ.data(), gainK.data()});
    operands.push_back(out.data());
    image.run(c.name + ("." + type), batch, operands);

    if (c.norm) {
      rq = reference::rmsNorm(rq, std::vector<double>(gains.begin(), gains.begin() + c.headDim), 1e-6f);
      rk = reference::rmsNorm(rk, std::vector<double>(gains.begin() + 64, gains.begin() + 64 + c.headDim),
                              1e-6f);
    }
    if (c.rope) {
      rq = reference::rope(rq, positions, c.headDim, frequencies(c.headDim), 1.25f);
      rk = reference::rope(rk, positions, c.headDim, frequencies(c.headDim), 1.25f);
    }
    reference::AttentionShape shape{.heads = c.heads,
                                    .kvHeads = c.kvHeads,
                                    .headDim = c.headDim,
                                    .scale = 0.3f,
                                    .window = {},
                                    .softcap = {},
                                    .sinks = {}};
    if (c.window)
      shape.window = c.window;
    if (c.softcap)
      shape.softcap = c.softcap;
    if (c.sinks)
      shape.sinks.assign(sinks.begin(), sinks.begin() + c.heads);
    reference::SequenceRows rows{{starts.begin(), starts.end()}, {0, 1}};
    reference::Matrix expected = reference::attention(shape, rq, rk, rv, positions, rows, 0, cache);
    for (uint32_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < qWidth; ++i)
        ASSERT_NEAR(out.as<float>()[t * stride(qWidth) + i], expected.row(t)[i], tolerance)
            << c.name << "." << type << " step " << step << " row " << t << " column " << i;
  }
}

TEST_P(AttentionTest, RaggedBatchesOverAPagedCache) {
  std::string module;
  for (const Case &c : kCases)
    module += kernelText(c);
  KernelImage image(module, GetParam());
  ASSERT_TRUE(image.valid());
  for (const Case &c : kCases) {
    check(image, c, "f32", 4, reference::CacheRounding::None, 2e-5);
    // An element at the middle of two f16 (bf16) values may be rounded to the other one than the reference's.
    check(image, c, "f16", 2, reference::CacheRounding::F16, 6e-3);
    check(image, c, "bf16", 2, reference::CacheRounding::BF16, 5e-2);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest, testing::ValuesIn(testTargets()), targetName);

} // namespace
