//===- AttentionSpeed.cpp - Attention beside the machine's limits -----------------------------===//
//
// Not a test: prints what share of the read bandwidth and of the f32 FMA peak, both measured in the same
// rounds, attention reaches. Run by hand:
//   CodegenTest --gtest_also_run_disabled_tests --gtest_filter='*AttentionSpeed*'
//
//===------------------------------------------------------------------------------------------===//
#include "KernelImage.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

using namespace nibble;
using namespace nibble::test;

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that `threads` threads take for job(thread), started together.
template <typename Job> double together(unsigned threads, Job job) {
  std::atomic<unsigned> ready{0};
  std::vector<std::thread> others;
  auto meet = [&] {
    ready.fetch_add(1);
    while (ready.load() < threads)
      ;
  };
  for (unsigned t = 1; t < threads; ++t)
    others.emplace_back([&, t] {
      meet();
      job(t);
    });
  meet();
  double begin = seconds();
  job(0);
  for (std::thread &other : others)
    other.join();
  return seconds() - begin;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <int Lanes> using Floats = float __attribute__((vector_size(Lanes * 4)));

/// 2^22 x 12 multiply-adds of `Lanes` lanes whose results nobody can leave out.
template <int Lanes> inline __attribute__((always_inline)) float multiplyAdd(float start) {
  Floats<Lanes> acc[12], x = {}, y = {};
  for (int i = 0; i < Lanes; ++i)
    x[i] = 0.999f, y[i] = start;
  for (auto &a : acc)
    a = y;
  for (int n = 0; n < 1 << 22; ++n) {
#pragma unroll
    for (auto &a : acc)
      a = __builtin_elementwise_fma(a, x, y);
    asm volatile("" : "+v"(x));
  }
  Floats<Lanes> sum = {};
  for (auto &a : acc)
    sum += a;
  return sum[0];
}
__attribute__((target("avx512f"))) float multiplyAdd16(float start) { return multiplyAdd<16>(start); }
__attribute__((target("avx2,fma"))) float multiplyAdd8(float start) { return multiplyAdd<8>(start); }

struct Limits {
  double bandwidth, multiplyAdds; // bytes, and f32 multiply-adds, a second
};

Limits measureLimits(unsigned threads, int lanes, std::span<const uint64_t> memory) {
  std::atomic<uint64_t> kept{0};
  double reading = together(threads, [&](unsigned t) {
    size_t part = memory.size() / threads / 8 * 8;
    uint64_t sums[8] = {};
    for (size_t i = 0; i < part; i += 8)
      for (size_t j = 0; j < 8; ++j)
        sums[j] += memory[t * part + i + j];
    for (uint64_t sum : sums)
      kept += sum;
  });
  double multiplying = together(threads, [&](unsigned t) {
    float result = lanes == 16 ? multiplyAdd16(static_cast<float>(t)) : multiplyAdd8(static_cast<float>(t));
    kept += static_cast<uint64_t>(result);
  });
  return {static_cast<double>(memory.size()) * 8 / reading, 12.0 * (1 << 22) * lanes * threads / multiplying};
}

struct Shape {
  int64_t heads, kvHeads, headDim;
};

std::string attendText(const Shape &s) {
  auto rows = [](int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; };
  std::string q = rows(s.heads * s.headDim), k = rows(s.kvHeads * s.headDim),
              c = "!llm.cache<layers = 1, kv_heads = " + std::to_string(s.kvHeads) +
                  ", head_dim = " + std::to_string(s.headDim) + ">",
              p = "tensor<2048x" + std::to_string(s.heads * (s.headDim + 2)) + "xf32>";
  return "rt.kernel @attend(%q: " + q + ", %k: " + k + ", %v: " + k + ", %c: " + c + ") -> (" + q + ", " + p +
         ") attributes {family = #rt.family<attention>} {\n  %o, %p = rt.attend %q, %k, %v, %c {layer = 0 : "
         "i64, heads = " +
         std::to_string(s.heads) + " : i64, kv_heads = " + std::to_string(s.kvHeads) +
         " : i64, head_dim = " + std::to_string(s.headDim) + " : i64, scale = 0.125 : f32} : (" + q + ", " +
         k + ", " + k + ", " + c + ") -> (" + q + ", " + p + ")\n  rt.yield %o, %p : " + q + ", " + p +
         "\n}\n";
}

/// `sequences` sequences of `length` positions, each with `rows` new rows.
void measure(const CPUTarget &target, const Shape &shape, const std::string &cache, unsigned elementBytes,
             unsigned scaleBytes, uint32_t sequences, uint32_t length, uint32_t rows, unsigned threads,
             std::span<const uint64_t> memory) {
  KernelImage image(attendText(shape), target);
  ASSERT_TRUE(image.valid());
  uint32_t pages = (length + 31) / 32;
  size_t rowBytes = shape.headDim * elementBytes + scaleBytes;
  size_t half = size_t(sequences) * pages * shape.kvHeads * kPageSize * rowBytes;
  AlignedBytes keys(half), values(half);
  memset(keys.data(), 0x2a, half);
  memset(values.data(), 0x2a, half);
  uint32_t tokens = sequences * rows;
  std::vector<uint32_t> starts, lengths(sequences, length), table(sequences * pages);
  std::vector<int32_t> positions;
  for (uint32_t s = 0; s <= sequences; ++s)
    starts.push_back(s * rows);
  for (uint32_t t = 0; t < tokens; ++t)
    positions.push_back(length - rows + t % rows);
  for (uint32_t i = 0; i < table.size(); ++i)
    table[i] = i;
  NibbleBatch batch{};
  batch.version = kKernelABIVersion;
  batch.tokens = tokens;
  batch.sequences = sequences;
  batch.pageStride = pages;
  batch.pageCount = sequences * pages;
  batch.workers = threads;
  batch.position = positions.data();
  batch.queryStart = starts.data();
  batch.kvLength = lengths.data();
  batch.pageTable = table.data();
  size_t qBytes = tokens * shape.heads * shape.headDim * 4,
         kBytes = tokens * shape.kvHeads * shape.headDim * 4;
  AlignedBytes q(qBytes), k(kBytes), v(kBytes), out(qBytes),
      partials(2048 * ((shape.heads * (shape.headDim + 2) * 4 + 63) / 64 * 64));
  memset(q.data(), 0, qBytes);
  memset(k.data(), 0, kBytes);
  memset(v.data(), 0, kBytes);
  void *operands[] = {q.data(), k.data(), v.data(), keys.data(), values.data(), out.data(), partials.data()};
  std::string name = "attend." + cache;
  uint32_t items = image.items(name, batch);
  std::vector<AlignedBytes> scratch;
  for (unsigned t = 0; t < threads; ++t)
    scratch.emplace_back(image.scratchBytes(name));
  std::vector<double> times, bandwidths, peaks;
  for (int round = 0; round < 5; ++round) {
    Limits limits = measureLimits(threads, static_cast<int>(target.lanes()), memory);
    bandwidths.push_back(limits.bandwidth);
    peaks.push_back(limits.multiplyAdds);
    std::atomic<uint32_t> next{0};
    times.push_back(together(threads, [&](unsigned t) {
      for (uint32_t item; (item = next.fetch_add(1)) < items;)
        image.entry(name)(&batch, operands, item, item + 1, scratch[t].data());
    }));
  }
  double seen = 0;
  for (uint32_t t = 0; t < tokens; ++t)
    seen += positions[t] + 1;
  double bytes = double(sequences) * length * shape.kvHeads * rowBytes * 2;
  double multiplyAdds = seen * shape.heads * shape.headDim * 2, time = median(times);
  printf(
      "%-12s %3ld/%ld heads of %3ld  %4s  %2u x %6u rows %3u  %u threads  %8.3f ms  %6.2f GB/s = %3.0f%% of "
      "%5.1f  %6.1f Gfma/s = %3.0f%% of %5.1f\n",
      target.name.c_str(), shape.heads, shape.kvHeads, shape.headDim, cache.c_str(), sequences, length, rows,
      threads, time * 1e3, bytes / time / 1e9, bytes / time / median(bandwidths) * 100,
      median(bandwidths) / 1e9, multiplyAdds / time / 1e9, multiplyAdds / time / median(peaks) * 100,
      median(peaks) / 1e9);
  fflush(stdout);
}

TEST(AttentionSpeed, DISABLED_DecodeAndPrompt) {
  std::vector<uint64_t> memory(size_t(64) << 20, 1); // 512 MiB
  for (const CPUTarget &target : runnableTargets())
    for (unsigned threads : {1u, 2u})
      for (int64_t headDim : {64, 128}) {
        Shape shape{32, 8, headDim};
        uint32_t length = headDim == 64 ? 65536 : 32768; // 128 MiB a sequence in f16
        measure(target, shape, "f16", 2, 0, 4, length, 1, threads, memory);
        measure(target, shape, "bf16", 2, 0, 4, length, 1, threads, memory);
        measure(target, shape, "int8", 1, 4, 4, length, 1, threads, memory);
        measure(target, shape, "f16", 2, 0, 1, length, 1, threads, memory);
        measure(target, shape, "f16", 2, 0, 1, 512, 512, threads, memory);
        measure(target, shape, "f16", 2, 0, 1, 4096, 512, threads, memory);
      }
}

} // namespace
