//===- LinearCommand.cpp - nibble-bench linear ------------------------------------------------===//
#include "lib/Bench/BenchCommand.h"
#include "lib/Bench/LinearRun.h"
#include "lib/Bench/Spread.h"

#include <cstdio>

using namespace nibble;

namespace {

struct LinearBench {
  BenchOptions options;
  LinearOptions linear;
  std::vector<uint32_t> tokens = {1, 2, 4, 8, 16, 64, 512};

  Result<void> run(bool &wrongUsage) const;
};

/// One line of the result; rates are per second.
struct Line {
  uint32_t tokens;
  Spread seconds, rowsSeconds, macs, bytes, peak, bandwidth, ofPeak, ofBandwidth, f32Peak, others;

  ResultLine result() const {
    return {{{"tokens", tokens}},
            {{"seconds", seconds},
             {"activation_seconds", rowsSeconds},
             {"macs_per_second", macs},
             {"weight_bytes_per_second", bytes},
             {"fraction_of_int8_peak", ofPeak},
             {"fraction_of_read", ofBandwidth},
             {"int8_peak", peak},
             {"f32_peak", f32Peak},
             {"read_bandwidth", bandwidth},
             {"others", others}}};
  }
};

} // namespace

static Line summarize(const OneLinear &linear, const LinearOptions &options, uint32_t tokens,
                      const std::vector<LinearSample> &samples) {
  double macs = static_cast<double>(options.rows) * static_cast<double>(options.columns) * tokens;
  auto bytes = static_cast<double>(linear.weightBytes);
  using Sample = const LinearSample &;
  auto spread = [&](auto value) { return spreadOf(samples, value); };
  return {tokens,
          spread([](Sample s) { return s.seconds; }),
          spread([](Sample s) { return s.rowsSeconds; }),
          spread([&](Sample s) { return macs / s.seconds; }),
          spread([&](Sample s) { return bytes / s.seconds; }),
          spread([](Sample s) { return s.limits.int8Peak; }),
          spread([](Sample s) { return s.limits.readBandwidth; }),
          spread([&](Sample s) { return macs / s.seconds / s.limits.int8Peak; }),
          spread([&](Sample s) { return bytes / s.seconds / s.limits.readBandwidth; }),
          spread([](Sample s) { return s.limits.f32Peak; }),
          spread([](Sample s) { return s.others; })};
}

static void printTable(const std::vector<Line> &lines) {
  std::printf("%6s  %-24s %9s  %-20s %8s  %-20s %9s %9s %7s\n", "tokens", "us a linear", "GMAC/s",
              "of int8 peak", "GB/s", "of read bandwidth", "peak", "read", "others");
  std::printf("%6s  %-24s %9s  %-20s %8s  %-20s %9s %9s %7s\n", "", "(rows apart)", "", "", "", "", "GMAC/s",
              "GB/s", "");
  for (const Line &line : lines) {
    char time[64];
    std::snprintf(time, sizeof time, "%.1f (+ %.1f)", line.seconds.median * 1e6,
                  line.rowsSeconds.median * 1e6);
    std::printf("%6u  %-24s %9.1f  %-20s %8.2f  %-20s %9.1f %9.2f %6.0f%%\n", line.tokens, time,
                line.macs.median / 1e9, line.ofPeak.percent().c_str(), line.bytes.median / 1e9,
                line.ofBandwidth.percent().c_str(), line.peak.median / 1e9, line.bandwidth.median / 1e9,
                line.others.median * 100);
  }
}

static nlohmann::ordered_json describe(const OneLinear &linear, const LinearOptions &options, uint32_t rounds,
                                       const LinearRun &run) {
  return {{"rows", options.rows},
          {"columns", options.columns},
          {"format", linear.format},
          {"activations", linear.activations},
          {"target", linear.image.target.name},
          {"threads", run.threads()},
          {"rounds", rounds},
          {"weight_bytes", linear.weightBytes},
          {"copies", run.copies()}};
}

Result<void> LinearBench::run(bool &wrongUsage) const {
  uint32_t threads = options.threads ? options.threads : defaultThreads();
  NIBBLE_TRY(OneLinear compiled, compileOneLinear(linear, threads, wrongUsage));
  NIBBLE_TRY(LinearRun run,
             LinearRun::create(compiled, threads, *std::ranges::max_element(tokens), options.cacheFactor));
  if (run.copies() < run.copiesWanted())
    std::fprintf(
        stderr,
        "note: memory is short: the weights take turns among %llu copies, %llu were wanted; caches may "
        "help\n",
        static_cast<unsigned long long>(run.copies()), static_cast<unsigned long long>(run.copiesWanted()));
  std::vector<Line> lines;
  std::vector<ResultLine> results;
  for (uint32_t count : tokens) {
    run.warmUp(count);
    std::vector<LinearSample> samples;
    for (uint32_t round = 0; round < options.repeat; ++round)
      samples.push_back(run.measure(count));
    lines.push_back(summarize(compiled, linear, count, samples));
    results.push_back(lines.back().result());
  }
  if (options.json) {
    printJson(describe(compiled, linear, options.repeat, run), results);
  } else if (options.csv) {
    printCSV(results);
  } else {
    std::printf(
        "linear %lld x %lld, %s, activations %s, %s, %u %s; %llu copies of %.1f MB; median of %u rounds "
        "[least most]\n\n",
        static_cast<long long>(linear.rows), static_cast<long long>(linear.columns), compiled.format.c_str(),
        compiled.activations.c_str(), compiled.image.target.name.c_str(), threads,
        threads == 1 ? "thread" : "threads", static_cast<unsigned long long>(run.copies()),
        static_cast<double>(compiled.weightBytes) / 1e6, options.repeat);
    printTable(lines);
  }
  return {};
}

std::pair<CLI::App *, BenchCommand> nibble::addLinearCommand(CLI::App &app) {
  auto bench = std::make_shared<LinearBench>();
  CLI::App *command = app.add_subcommand("linear", "A linear of packed weights, by shape and format");
  command->add_option("--rows", bench->linear.rows, "Output channels")
      ->check(CLI::Range(1, 1 << 22))
      ->capture_default_str();
  command->add_option("--columns", bench->linear.columns, "Length of a row of the weight")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--format", bench->linear.format, "FORMAT of the weight, as nibble-compile --precision")
      ->capture_default_str();
  command->add_option("--activations", bench->linear.activations,
                      "Precision of activations; nibble-compile's default unless said");
  command->add_option("--tokens", bench->tokens, "Rows of activations")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  addCommonOptions(*command, bench->options, bench->linear.target, bench->linear.tuneFor,
                   "Copies of the weight");
  return {command, [bench](bool &wrongUsage) { return bench->run(wrongUsage); }};
}
