//===- AttentionTest.cpp - Compiled attention against double precision ------------------------===//
//
// Two sequences of fixed content over a paged cache whose pages are shuffled, fed in several ways: in long
// and short steps, for one worker and for so many that attention is split along the cache. One way is
// compared with the reference, all others with that one, to the bit.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelImage.h"

#include "nibble/Reference/Kernels.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::test;
using reference::CacheRounding;
using reference::Matrix;

namespace {

struct Case {
  const char *name;
  int64_t heads, kvHeads, headDim;
  int64_t pairs = 0; // that are rotated
  bool norm = false;
  int64_t window = 0;
  double softcap = 0;
  bool sinks = false;
};

const Case kCases[] = {
    {"plain", 4, 2, 16},
    {"rope", 6, 2, 32, 16},
    {"single", 2, 2, 64, 32},
    {"two", 4, 2, 80, 40},
    {"three", 3, 1, 96, 48},
    {"four", 8, 2, 64, 32},
    {"wide", 4, 1, 128, 64},
    {"five", 5, 1, 24, 12},
    {"seven", 7, 1, 64, 32},
    {"eight", 8, 1, 40, 20},
    {"many", 13, 1, 16, 8},
    {"norm", 4, 4, 16, 8, true},
    {"oddHead", 2, 1, 33, 5, true},
    {"partial", 2, 2, 24, 6},
    {"window", 2, 1, 64, 32, false, 16},
    {"longWindow", 4, 2, 32, 16, false, 130},
    {"softcap", 2, 1, 16, 0, false, 0, 3.0},
    {"sinks", 4, 2, 8, 0, false, 0, 0, true},
    {"everything", 6, 2, 48, 24, true, 100, 5.0, true},
};

struct CacheKind {
  const char *name;
  int64_t elementBytes, scaleBytes; // of an element, and of a slot
  CacheRounding rounding;
  double tolerance;
};

// An element at the middle of two values of the cache may be rounded to the other one than the reference's.
const CacheKind kCaches[] = {{"f32", 4, 0, CacheRounding::None, 4e-5},
                             {"f16", 2, 0, CacheRounding::F16, 6e-3},
                             {"bf16", 2, 0, CacheRounding::BF16, 5e-2},
                             {"int8", 1, 4, CacheRounding::Int8, 4e-2}};

std::vector<float> frequencies(const Case &c) {
  std::vector<float> result;
  for (int64_t i = 0; i < c.pairs; ++i)
    result.push_back(static_cast<float>(std::pow(10000.0, -1.0 * i / c.pairs)));
  return result;
}

std::string rowsType(int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; }

/// The text of a kernel that is built up line by line.
struct KernelText {
  std::string arguments, body;
  void argument(const std::string &name, const std::string &type) {
    arguments += (arguments.empty() ? "" : ", ") + name + ": " + type;
  }
  std::string finish(const std::string &name, const std::string &family, const std::string &values,
                     const std::string &types) const {
    return "rt.kernel @" + name + "(" + arguments + ")" + (types.empty() ? "" : " -> (" + types + ")") +
           " attributes {family = #rt.family<" + family + ">} {\n" + body + "  rt.yield" +
           (values.empty() ? "" : " " + values + " : " + types) + "\n}\n";
  }
};

/// Kernels NAME_angles, NAME_store, NAME_attend and NAME_merge, as the schedule makes them.
std::string kernels(const Case &c) {
  std::string q = rowsType(c.heads * c.headDim), k = rowsType(c.kvHeads * c.headDim),
              gain = "tensor<" + std::to_string(c.headDim) + "xf32>", d = std::to_string(c.headDim),
              angles = rowsType(2 * c.pairs), sinks = "tensor<" + std::to_string(c.heads) + "xf32>",
              cache = "!llm.cache<layers = 1, kv_heads = " + std::to_string(c.kvHeads) + ", head_dim = " + d +
                      ">",
              partials = "tensor<2048x" + std::to_string(c.heads * (c.headDim + 2)) + "xf32>";
  std::string keyHeads = "kv_heads = " + std::to_string(c.kvHeads) + " : i64, head_dim = " + d + " : i64";
  std::string allHeads = "heads = " + std::to_string(c.heads) + " : i64, " + keyHeads;
  if (c.window)
    allHeads += ", window = " + std::to_string(c.window) + " : i64";

  auto prepare = [&](KernelText &text, const std::string &value, const std::string &type) {
    std::string name = value;
    if (c.norm) {
      text.body += "  " + value + "n = llm.rms_norm " + name + ", %g" + value.substr(1) +
                   " {eps = 1.0e-6 : f32} : " + type + ", " + gain + "\n";
      name = value + "n";
    }
    if (c.pairs) {
      text.body += "  " + value + "r = llm.rotate " + name + ", %a {head_dim = " + d + " : i64} : " + type +
                   ", " + angles + "\n";
      name = value + "r";
    }
    return name;
  };

  std::string text;
  if (c.pairs) {
    std::string list;
    char number[64];
    for (float f : frequencies(c)) {
      snprintf(number, sizeof number, "%s%.9e", list.empty() ? "" : ", ", f);
      list += number;
    }
    KernelText kernel;
    kernel.body = "  %p = rt.batch position : tensor<?xi32>\n  %a = llm.angles %p {attention_factor = 1.25 : "
                  "f32, inverse_frequencies = array<f32: " +
                  list + ">} : tensor<?xi32> -> " + angles + "\n";
    text += kernel.finish(std::string(c.name) + "_angles", "angles", "%a", angles);
  }
  KernelText store;
  store.argument("%k", k);
  store.argument("%v", k);
  store.argument("%c", cache);
  if (c.norm)
    store.argument("%gk", gain);
  if (c.pairs)
    store.argument("%a", angles);
  std::string key = prepare(store, "%k", k);
  store.body +=
      "  rt.store_kv " + key + ", %v, %c {layer = 0 : i64, " + keyHeads + "} : " + k + ", " + cache + "\n";
  text += store.finish(std::string(c.name) + "_store", "store_kv", "", "");

  KernelText attend;
  attend.argument("%q", q);
  attend.argument("%k", k);
  attend.argument("%v", k);
  attend.argument("%c", cache);
  if (c.sinks)
    attend.argument("%s", sinks);
  if (c.norm) {
    attend.argument("%gq", gain);
    attend.argument("%gk", gain);
  }
  if (c.pairs)
    attend.argument("%a", angles);
  std::string query = prepare(attend, "%q", q);
  key = prepare(attend, "%k", k);
  char scale[64];
  snprintf(scale, sizeof scale, "%.9e", 1.5 / std::sqrt(c.headDim));
  attend.body += "  %o, %p = rt.attend " + query + ", " + key + ", %v, %c" + (c.sinks ? " sinks(%s)" : "") +
                 " {layer = 0 : i64, " + allHeads + ", scale = " + scale + " : f32" +
                 (c.softcap ? ", softcap = " + std::to_string(c.softcap) + " : f32" : "") + "} : (" + q +
                 ", " + k + ", " + k + ", " + cache + (c.sinks ? ", " + sinks : "") + ") -> (" + q + ", " +
                 partials + ")\n";
  text += attend.finish(std::string(c.name) + "_attend", "attention", "%o, %p", q + ", " + partials);

  KernelText merge;
  merge.argument("%o", q);
  merge.argument("%p", partials);
  if (c.sinks)
    merge.argument("%s", sinks);
  merge.body = "  %r = rt.merge %o, %p" + std::string(c.sinks ? " sinks(%s)" : "") + " {" + allHeads +
               "} : (" + q + ", " + partials + (c.sinks ? ", " + sinks : "") + ") -> " + q + "\n";
  return text + merge.finish(std::string(c.name) + "_merge", "merge", "%r", q);
}

constexpr int kSequences = 2;
constexpr uint32_t kLengths[kSequences] = {700, 45};
constexpr uint32_t kPageStride = 22, kPages = kSequences * kPageStride;
constexpr double kFactor = 1.25;

/// Rows that each sequence adds in a step.
struct Step {
  uint32_t rows[kSequences];
};

/// Both sequences' rows, [position][width] f32.
struct Content {
  explicit Content(const Case &c) : c(c), gains(randomFloats(256, 5)), sinks(randomFloats(64, 6)) {
    for (uint32_t s = 0; s < kSequences; ++s) {
      q[s] = randomFloats(kLengths[s] * c.heads * c.headDim, 10 + s);
      k[s] = randomFloats(kLengths[s] * c.kvHeads * c.headDim, 20 + s);
      v[s] = randomFloats(kLengths[s] * c.kvHeads * c.headDim, 30 + s);
    }
  }
  const Case &c;
  std::vector<float> q[kSequences], k[kSequences], v[kSequences];
  std::vector<float> gains, sinks; // of q, then, from 128 on, of k
};

using Outputs = std::array<std::vector<float>, kSequences>; // [position][heads * headDim]

size_t strideOf(int64_t width) { return static_cast<size_t>(width * 4 + 63) / 64 * 16; }

/// Feeds the content in `steps` to the kernels.
Outputs runSteps(const KernelImage &image, const Content &content, const CacheKind &cache,
                 const std::vector<Step> &steps, uint32_t workers) {
  const Case &c = content.c;
  size_t qWidth = c.heads * c.headDim, kWidth = c.kvHeads * c.headDim;
  size_t headBytes = kPageSize * (c.headDim * cache.elementBytes + cache.scaleBytes);
  AlignedBytes keys(kPages * c.kvHeads * headBytes), values(kPages * c.kvHeads * headBytes);
  std::vector<uint32_t> table(kPages);
  for (uint32_t i = 0; i < kPages; ++i)
    table[i] = i * 17 % kPages; // 17 and 44 have no common factor
  AlignedBytes partials(2048 * strideOf(c.heads * (c.headDim + 2)) * 4);
  auto bytesOf = [](const std::vector<float> &numbers, size_t first) {
    return AlignedBytes({reinterpret_cast<const uint8_t *>(numbers.data() + first),
                         (numbers.size() - first) * sizeof(float)});
  };
  AlignedBytes gainQ = bytesOf(content.gains, 0), gainK = bytesOf(content.gains, 128),
               sinks = bytesOf(content.sinks, 0);
  Outputs outputs;
  uint32_t lengths[kSequences] = {};
  for (const Step &step : steps) {
    std::vector<uint32_t> starts = {0}, kvLengths, pages;
    std::vector<int32_t> positions;
    std::vector<int> owners;
    for (int s = 0; s < kSequences; ++s) {
      if (step.rows[s] == 0)
        continue;
      for (uint32_t i = 0; i < step.rows[s]; ++i) {
        positions.push_back(lengths[s]++);
        owners.push_back(s);
      }
      starts.push_back(positions.size());
      kvLengths.push_back(lengths[s]);
      pages.insert(pages.end(), table.begin() + s * kPageStride, table.begin() + (s + 1) * kPageStride);
    }
    NibbleBatch batch{};
    batch.version = kKernelABIVersion;
    batch.tokens = positions.size();
    batch.sequences = kvLengths.size();
    batch.pageStride = kPageStride;
    batch.pageCount = kPages;
    batch.workers = workers;
    batch.position = positions.data();
    batch.queryStart = starts.data();
    batch.kvLength = kvLengths.data();
    batch.pageTable = pages.data();
    auto makeRows = [&](const std::vector<float>(&source)[kSequences], size_t width) {
      AlignedBytes bytes(positions.size() * strideOf(width) * 4);
      for (size_t t = 0; t < positions.size(); ++t)
        memcpy(bytes.as<float>() + t * strideOf(width), source[owners[t]].data() + positions[t] * width,
               width * 4);
      return bytes;
    };
    AlignedBytes q = makeRows(content.q, qWidth), k = makeRows(content.k, kWidth),
                 v = makeRows(content.v, kWidth);
    AlignedBytes angles(positions.size() * strideOf(2 * c.pairs) * 4),
        out(positions.size() * strideOf(qWidth) * 4);
    std::string name = c.name;
    if (c.pairs)
      image.run(name + "_angles", batch, std::vector<void *>{angles.data()});
    std::vector<void *> operands = {k.data(), v.data(), keys.data(), values.data()};
    if (c.norm)
      operands.push_back(gainK.data());
    if (c.pairs)
      operands.push_back(angles.data());
    image.run(name + "_store." + cache.name, batch, operands);
    operands = {q.data(), k.data(), v.data(), keys.data(), values.data()};
    if (c.sinks)
      operands.push_back(sinks.data());
    if (c.norm)
      operands.insert(operands.end(), {gainQ.data(), gainK.data()});
    if (c.pairs)
      operands.push_back(angles.data());
    operands.insert(operands.end(), {out.data(), partials.data()});
    image.run(name + "_attend." + cache.name, batch, operands);
    operands = {out.data(), partials.data()};
    if (c.sinks)
      operands.push_back(sinks.data());
    operands.push_back(out.data());
    image.run(name + "_merge", batch, operands);
    for (size_t t = 0; t < positions.size(); ++t) {
      const float *row = out.as<float>() + t * strideOf(qWidth);
      outputs[owners[t]].insert(outputs[owners[t]].end(), row, row + qWidth);
    }
  }
  return outputs;
}

std::vector<double> expectedOf(const Content &content, const CacheKind &cache, int s) {
  const Case &c = content.c;
  auto rows = [&](const std::vector<float> &x, int64_t heads) {
    return Matrix::fromFloats(kLengths[s], heads * c.headDim, x);
  };
  Matrix q = rows(content.q[s], c.heads), k = rows(content.k[s], c.kvHeads),
         v = rows(content.v[s], c.kvHeads);
  std::vector<int32_t> positions(kLengths[s]);
  for (uint32_t i = 0; i < kLengths[s]; ++i)
    positions[i] = i;
  if (c.norm) {
    auto gain = content.gains.begin();
    q = reference::rmsNorm(q, std::vector<double>(gain, gain + c.headDim), 1e-6f);
    k = reference::rmsNorm(k, std::vector<double>(gain + 128, gain + 128 + c.headDim), 1e-6f);
  }
  if (c.pairs) {
    q = reference::rope(q, positions, c.headDim, frequencies(c), kFactor);
    k = reference::rope(k, positions, c.headDim, frequencies(c), kFactor);
  }
  reference::AttentionShape shape{.heads = c.heads,
                                  .kvHeads = c.kvHeads,
                                  .headDim = c.headDim,
                                  .scale = 1.5 / std::sqrt(c.headDim),
                                  .window = {},
                                  .softcap = {},
                                  .sinks = {}};
  if (c.window)
    shape.window = c.window;
  if (c.softcap)
    shape.softcap = c.softcap;
  if (c.sinks)
    shape.sinks.assign(content.sinks.begin(), content.sinks.begin() + c.heads);
  reference::KeyValueCache stored(1, c.kvHeads, c.headDim, cache.rounding);
  stored.addSequence();
  reference::SequenceRows sequence{{0, static_cast<int64_t>(kLengths[s])}, {0}};
  return reference::attention(shape, q, k, v, positions, sequence, 0, stored).data;
}

/// Steps of `chunk` rows of both sequences until they are done.
std::vector<Step> chunks(uint32_t chunk, uint32_t from = 0) {
  std::vector<Step> steps;
  for (uint32_t done = from; done < kLengths[0]; done += chunk) {
    uint32_t second = done < kLengths[1] ? std::min(chunk, kLengths[1] - done) : 0;
    steps.push_back({{std::min(chunk, kLengths[0] - done), second}});
  }
  return steps;
}

struct Feeding {
  const char *name;
  std::vector<Step> steps;
  uint32_t workers;
};

std::vector<Feeding> feedings() {
  std::vector<Feeding> result = {{"at once", {{{kLengths[0], kLengths[1]}}}, 64},
                                 {"chunks of 7", chunks(7), 1},
                                 {"chunks of 64", chunks(64), 3},
                                 {"chunks of 16, split", chunks(16), 64}};
  // The second sequence joins when the first is long; both are split. A step of 10 rows, one of 81.
  result.push_back({"late company, split",
                    {{{580, 0}}, {{1, 0}}, {{9, 1}}, {{60, 21}}, {{1, 1}}, {{1, 22}}, {{48, 0}}},
                    64});
  // One by one: the blocks' ends are crossed by single rows.
  result.push_back({"one by one, split", {{{500, 44}}}, 64});
  for (uint32_t i = 500; i < kLengths[0]; ++i)
    result.back().steps.push_back({{1, i == 600 ? 1u : 0u}});
  result.push_back({"one by one", {{{630, 45}}}, 1});
  for (uint32_t i = 630; i < kLengths[0]; ++i)
    result.back().steps.push_back({{1, 0}});
  return result;
}

void check(const KernelImage &image, const Case &c, const CacheKind &cache, size_t mostFeedings = SIZE_MAX) {
  Content content(c);
  Outputs base = runSteps(image, content, cache, {{{300, 20}}, {{300, 25}}, {{100, 0}}}, 1);
  for (int s = 0; s < kSequences; ++s) {
    std::vector<double> expected = expectedOf(content, cache, s);
    ASSERT_EQ(base[s].size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(base[s][i], expected[i], cache.tolerance)
          << c.name << "." << cache.name << " sequence " << s << " position " << i / (c.heads * c.headDim)
          << " column " << i % (c.heads * c.headDim);
  }
  for (const Feeding &feeding : feedings()) {
    if (mostFeedings-- == 0)
      break;
    Outputs other = runSteps(image, content, cache, feeding.steps, feeding.workers);
    for (int s = 0; s < kSequences; ++s) {
      ASSERT_EQ(base[s].size(), other[s].size());
      for (size_t i = 0; i < base[s].size(); ++i)
        ASSERT_EQ(std::bit_cast<uint32_t>(base[s][i]), std::bit_cast<uint32_t>(other[s][i]))
            << c.name << "." << cache.name << ", " << feeding.name << ": sequence " << s << " position "
            << i / (c.heads * c.headDim) << " column " << i % (c.heads * c.headDim);
    }
  }
}

class AttentionTest : public TargetTest {};

/// Everything on the two targets that most CPUs run; elsewhere, where only the instructions differ, a part,
/// and in an emulator, which takes a hundred times as long, one case.
TEST_P(AttentionTest, SameBitsHoweverItIsFed) {
  const TestTarget &target = GetParam();
  bool whole = target.target.name == "x86-64-v3" || target.target.name == "avx512-vnni";
  bool emulated = target.machine == Machine::Emulated;
  for (size_t i = 0; i < std::size(kCases); i += whole ? 1 : emulated ? std::size(kCases) : 4) {
    KernelImage image(kernels(kCases[i]), target);
    ASSERT_TRUE(image.valid()) << kCases[i].name;
    for (const CacheKind &cache : kCaches)
      if (!emulated || &cache == &kCaches[1])
        check(image, kCases[i], cache, emulated ? 1 : SIZE_MAX);
  }
}

/// The number of items tells whether a batch is split: the merging dispatch has none where it is not.
TEST_P(AttentionTest, SplitsWhereItemsAreFew) {
  KernelImage image(kernels(kCases[0]), GetParam());
  ASSERT_TRUE(image.valid());
  if (image.emulatedBy())
    GTEST_SKIP() << "the emulator runs items and does not count them";
  // Rows and positions of each sequence.
  auto mergedOf = [&](const std::vector<std::pair<uint32_t, uint32_t>> &sequences, uint32_t workers) {
    std::vector<uint32_t> starts = {0}, lengths;
    for (auto [rows, length] : sequences) {
      starts.push_back(starts.back() + rows);
      lengths.push_back(length);
    }
    NibbleBatch batch{};
    batch.tokens = starts.back();
    batch.sequences = static_cast<uint32_t>(sequences.size());
    batch.workers = workers;
    batch.queryStart = starts.data();
    batch.kvLength = lengths.data();
    return image.items("plain_merge", batch);
  };
  auto merged = [&](uint32_t length, uint32_t workers, uint32_t sequences) {
    return mergedOf({sequences, {1, length}}, workers);
  };
  EXPECT_EQ(merged(4096, 1, 1), 0u);   // nobody to share with
  EXPECT_EQ(merged(4096, 4, 1), 2u);   // two heads for four workers
  EXPECT_EQ(merged(300, 4, 1), 0u);    // too short
  EXPECT_EQ(merged(4096, 4, 8), 0u);   // 16 items for four workers
  EXPECT_EQ(merged(4096, 16, 8), 16u); // for sixteen
  EXPECT_EQ(merged(524288, 4, 1), 2u); // 2048 spans
  EXPECT_EQ(merged(524289, 4, 1), 0u); // no room for more partials
  // A prompt's rows cost more than those of sequences that decode: it alone is split, 16 rows of two heads.
  std::vector<std::pair<uint32_t, uint32_t>> mixed(8, {1, 600});
  mixed.push_back({16, 2048});
  EXPECT_EQ(mergedOf(mixed, 4), 32u);
  EXPECT_EQ(mergedOf(mixed, 2), 0u); // each worker begins with one head of it
}

INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest, testing::ValuesIn(testTargets()), targetName);

} // namespace
