//===- AttentionCommand.cpp - nibble-bench attention ------------------------------------------===//
#include "lib/Bench/AttentionRun.h"
#include "lib/Bench/BenchCommand.h"
#include "lib/Bench/Spread.h"

#include <cstdio>

using namespace nibble;

namespace {

struct AttentionBench {
  BenchOptions options;
  AttentionOptions attention;
  std::vector<uint32_t> tokens = {1}, contexts = {1024, 4096, 16384}, sequences = {1};

  Result<std::vector<AttentionBatch>> batches() const;
  Result<void> run(bool &wrongUsage) const;
};

/// One line of the result; rates are per second.
struct Line {
  AttentionBatch batch;
  uint32_t layers;
  Spread seconds, store, attend, merge, fmas, bytes, peak, bandwidth, ofPeak, ofBandwidth, others;

  ResultLine result() const {
    return {{{"sequences", batch.sequences},
             {"context", batch.context},
             {"tokens", batch.tokens},
             {"layers", layers}},
            {{"seconds", seconds},
             {"attention_seconds", attend},
             {"store_seconds", store},
             {"merge_seconds", merge},
             {"multiply_adds_per_second", fmas},
             {"cache_bytes_per_second", bytes},
             {"fraction_of_f32_peak", ofPeak},
             {"fraction_of_read", ofBandwidth},
             {"f32_peak", peak},
             {"read_bandwidth", bandwidth},
             {"others", others}}};
  }
};

} // namespace

Result<std::vector<AttentionBatch>> AttentionBench::batches() const {
  std::vector<AttentionBatch> all;
  for (uint32_t count : sequences)
    for (uint32_t context : contexts)
      for (uint32_t rows : tokens) {
        if (rows > context)
          return failure("--context " + std::to_string(context) + " has no room for --tokens " +
                         std::to_string(rows) + ", which are among its positions");
        // The engine's page numbers and rows have 32 bits; a million of each is more than any step has.
        if (static_cast<uint64_t>(count) * std::max(context / kPageSize, rows) > 1 << 20)
          return failure("--sequences " + std::to_string(count) + " of --context " + std::to_string(context) +
                         " and --tokens " + std::to_string(rows) + " make too large a step; name fewer");
        all.push_back({count, context, rows});
      }
  return all;
}

static Line summarize(const AttentionRun &run, const AttentionBatch &batch,
                      const std::vector<AttentionSample> &samples) {
  double fmas = run.multiplyAdds(), bytes = run.cacheBytes();
  using Sample = const AttentionSample &;
  auto spread = [&](auto value) { return spreadOf(samples, value); };
  return {batch,
          run.layers(),
          spread([](Sample s) { return s.seconds; }),
          spread([](Sample s) { return s.storeSeconds; }),
          spread([](Sample s) { return s.attendSeconds; }),
          spread([](Sample s) { return s.mergeSeconds; }),
          spread([&](Sample s) { return fmas / s.seconds; }),
          spread([&](Sample s) { return bytes / s.seconds; }),
          spread([](Sample s) { return s.limits.f32Peak; }),
          spread([](Sample s) { return s.limits.readBandwidth; }),
          spread([&](Sample s) { return fmas / s.seconds / s.limits.f32Peak; }),
          spread([&](Sample s) { return bytes / s.seconds / s.limits.readBandwidth; }),
          spread([](Sample s) { return s.others; })};
}

static void printTable(const std::vector<Line> &lines) {
  const char *form = "%9s %7s %6s  %-34s %8s  %-20s %8s  %-20s %8s %8s %7s\n";
  std::printf(form, "sequences", "context", "tokens", "us a layer", "GFMA/s", "of f32 peak", "GB/s",
              "of read bandwidth", "peak", "read", "others");
  std::printf(form, "", "", "", "= attention + store + merge", "", "", "of cache", "", "GFMA/s", "GB/s", "");
  for (const Line &line : lines) {
    char time[96];
    std::snprintf(time, sizeof time, "%.1f = %.1f + %.1f + %.1f", line.seconds.median * 1e6,
                  line.attend.median * 1e6, line.store.median * 1e6, line.merge.median * 1e6);
    std::printf("%9u %7u %6u  %-34s %8.1f  %-20s %8.2f  %-20s %8.1f %8.2f %6.0f%%\n", line.batch.sequences,
                line.batch.context, line.batch.tokens, time, line.fmas.median / 1e9,
                line.ofPeak.percent().c_str(), line.bytes.median / 1e9, line.ofBandwidth.percent().c_str(),
                line.peak.median / 1e9, line.bandwidth.median / 1e9, line.others.median * 100);
  }
}

static nlohmann::ordered_json describe(const OneAttention &compiled, const AttentionOptions &options,
                                       uint32_t threads, uint32_t rounds) {
  return {{"heads", options.heads},      {"kv_heads", options.kvHeads},
          {"head_dim", options.headDim}, {"cache", cacheTypeName(compiled.cache)},
          {"window", options.window},    {"target", compiled.image.target.name},
          {"threads", threads},          {"rounds", rounds}};
}

Result<void> AttentionBench::run(bool &wrongUsage) const {
  uint32_t threads = options.threads ? options.threads : defaultThreads();
  wrongUsage = true;
  NIBBLE_TRY(std::vector<AttentionBatch> all, batches());
  NIBBLE_TRY(OneAttention compiled, compileOneAttention(attention, threads, wrongUsage));
  uint32_t rows = 0;
  for (const AttentionBatch &batch : all)
    rows = std::max(rows, batch.sequences * batch.tokens);
  NIBBLE_TRY(AttentionRun run, AttentionRun::create(compiled, attention, threads, rows, options.cacheFactor));
  std::vector<Line> lines;
  std::vector<ResultLine> results;
  for (const AttentionBatch &batch : all) {
    NIBBLE_CHECK(run.prepare(batch));
    if (run.layers() < run.layersWanted())
      std::fprintf(stderr, "note: memory is short: %u layers take turns, %llu were wanted; caches may help\n",
                   run.layers(), static_cast<unsigned long long>(run.layersWanted()));
    std::vector<AttentionSample> samples;
    for (uint32_t round = 0; round < options.repeat; ++round)
      samples.push_back(run.measure());
    lines.push_back(summarize(run, batch, samples));
    results.push_back(lines.back().result());
  }
  if (options.json) {
    printJson(describe(compiled, attention, threads, options.repeat), results);
  } else if (options.csv) {
    printCSV(results);
  } else {
    std::string window = attention.window ? ", window " + std::to_string(attention.window) : "";
    std::printf(
        "attention of %u heads, %u of K and V, of %u%s, %s cache, %s, %u %s; layers take turns; median "
        "of %u rounds [least most]\n\n",
        attention.heads, attention.kvHeads, attention.headDim, window.c_str(), attention.cache.c_str(),
        compiled.image.target.name.c_str(), threads, threads == 1 ? "thread" : "threads", options.repeat);
    printTable(lines);
  }
  return {};
}

std::pair<CLI::App *, BenchCommand> nibble::addAttentionCommand(CLI::App &app) {
  auto bench = std::make_shared<AttentionBench>();
  CLI::App *command = app.add_subcommand(
      "attention", "Attention of one layer over its cache, by shape: storing K and V, reducing, merging");
  command->footer(R"(
A decoder's step brings one token a sequence (--tokens 1), a prompt many; --context counts a sequence's positions with
those of the step. Shares of the peaks are those of the whole layer: attention, store and merge together. Positions
that a token does not see do not count.

Examples:
  nibble-bench attention
  nibble-bench attention --head-dim 128 --cache int8 --context 4096 --sequences 1,8
  nibble-bench attention --tokens 512 --context 512,4096
  nibble-bench attention --heads 16 --kv-heads 16 --window 1024 --context 8192 --json)");
  AttentionOptions &attention = bench->attention;
  command->add_option("--heads", attention.heads, "Heads of queries")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--kv-heads", attention.kvHeads, "Heads of K and V")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--head-dim", attention.headDim, "Elements of a head")
      ->check(CLI::Range(2, 1024))
      ->capture_default_str();
  command->add_option("--cache", attention.cache, "Type of the cache: f32, f16, bf16 or int8")
      ->capture_default_str();
  command->add_option("--window", attention.window, "Positions that a token sees; 0: all")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command->add_option("--context", bench->contexts, "Positions of a sequence")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command->add_option("--tokens", bench->tokens, "New tokens of a sequence")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--sequences", bench->sequences, "Sequences of the step")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  addCommonOptions(*command, bench->options, attention.target, attention.tuneFor, "Caches of layers");
  return {command, [bench](bool &wrongUsage) { return bench->run(wrongUsage); }};
}
