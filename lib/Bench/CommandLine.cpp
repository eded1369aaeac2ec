//===- CommandLine.cpp - Options and output of nibble-bench -----------------------------------===//
#include "nibble/Bench/Bench.h"

#include "lib/Bench/LinearRun.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

using namespace nibble;

namespace {

struct BenchOptions {
  LinearOptions linear;
  std::vector<uint32_t> tokens = {1, 2, 4, 8, 16, 64, 512};
  uint32_t threads = 0, repeat = 5;
  double cacheFactor = 4;
  bool json = false, csv = false;
};

/// Median and extremes of what the rounds gave.
struct Spread {
  double median = 0, least = 0, most = 0;
  explicit Spread(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    size_t half = values.size() / 2;
    median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
    least = values.front();
    most = values.back();
  }
};

/// One line of the result; rates are per second.
struct Line {
  uint32_t tokens;
  Spread seconds, rowsSeconds, macs, bytes, peak, bandwidth, ofPeak, ofBandwidth, f32Peak, others;
};

} // namespace

static Line summarize(const OneLinear &linear, const BenchOptions &options, uint32_t tokens,
                      const std::vector<LinearSample> &samples) {
  double macs =
      static_cast<double>(options.linear.rows) * static_cast<double>(options.linear.columns) * tokens;
  auto bytes = static_cast<double>(linear.weightBytes);
  auto spread = [&](auto value) {
    std::vector<double> values;
    for (const LinearSample &sample : samples)
      values.push_back(value(sample));
    return Spread(std::move(values));
  };
  using Sample = const LinearSample &;
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
    auto cell = [](const Spread &spread) {
      char text[64];
      std::snprintf(text, sizeof text, "%.1f%% [%.1f %.1f]", spread.median * 100, spread.least * 100,
                    spread.most * 100);
      return std::string(text);
    };
    char time[64];
    std::snprintf(time, sizeof time, "%.1f (+ %.1f)", line.seconds.median * 1e6,
                  line.rowsSeconds.median * 1e6);
    std::printf("%6u  %-24s %9.1f  %-20s %8.2f  %-20s %9.1f %9.2f %6.0f%%\n", line.tokens, time,
                line.macs.median / 1e9, cell(line.ofPeak).c_str(), line.bytes.median / 1e9,
                cell(line.ofBandwidth).c_str(), line.peak.median / 1e9, line.bandwidth.median / 1e9,
                line.others.median * 100);
  }
}

/// Name and values of each column, for CSV and JSON.
static std::vector<std::pair<const char *, const Spread *>> columns(const Line &line) {
  return {{"seconds", &line.seconds},
          {"activation_seconds", &line.rowsSeconds},
          {"macs_per_second", &line.macs},
          {"weight_bytes_per_second", &line.bytes},
          {"fraction_of_int8_peak", &line.ofPeak},
          {"fraction_of_read", &line.ofBandwidth},
          {"int8_peak", &line.peak},
          {"f32_peak", &line.f32Peak},
          {"read_bandwidth", &line.bandwidth},
          {"others", &line.others}};
}

static void printCSV(const std::vector<Line> &lines) {
  std::string header = "tokens";
  for (auto [name, spread] : columns(lines.front()))
    header += std::string(",") + name + "," + name + "_least," + name + "_most";
  std::puts(header.c_str());
  for (const Line &line : lines) {
    std::printf("%u", line.tokens);
    for (auto [name, spread] : columns(line))
      std::printf(",%.6g,%.6g,%.6g", spread->median, spread->least, spread->most);
    std::puts("");
  }
}

static void printJson(const std::vector<Line> &lines, const OneLinear &linear, const BenchOptions &options,
                      const LinearRun &run) {
  nlohmann::ordered_json document = {{"rows", options.linear.rows},
                                     {"columns", options.linear.columns},
                                     {"format", linear.format},
                                     {"activations", linear.activations},
                                     {"target", linear.image.target.name},
                                     {"threads", run.threads()},
                                     {"rounds", options.repeat},
                                     {"weight_bytes", linear.weightBytes},
                                     {"copies", run.copies()},
                                     {"results", nlohmann::ordered_json::array()}};
  for (const Line &line : lines) {
    nlohmann::ordered_json entry = {{"tokens", line.tokens}};
    for (auto [name, spread] : columns(line))
      entry[name] = {{"median", spread->median}, {"least", spread->least}, {"most", spread->most}};
    document["results"].push_back(std::move(entry));
  }
  std::puts(document.dump().c_str());
}

static Result<void> benchLinear(const BenchOptions &options, bool &wrongUsage) {
  uint32_t threads = options.threads ? options.threads : defaultThreads();
  NIBBLE_TRY(OneLinear linear, compileOneLinear(options.linear, threads, wrongUsage));
  uint32_t most = *std::max_element(options.tokens.begin(), options.tokens.end());
  NIBBLE_TRY(LinearRun run, LinearRun::create(linear, threads, most, options.cacheFactor));
  if (run.copies() < run.copiesWanted())
    std::fprintf(
        stderr,
        "note: memory is short: the weights take turns among %llu copies, %llu were wanted; caches may "
        "help\n",
        static_cast<unsigned long long>(run.copies()), static_cast<unsigned long long>(run.copiesWanted()));
  std::vector<Line> lines;
  for (uint32_t tokens : options.tokens) {
    run.warmUp(tokens);
    std::vector<LinearSample> samples;
    for (uint32_t round = 0; round < options.repeat; ++round)
      samples.push_back(run.measure(tokens));
    lines.push_back(summarize(linear, options, tokens, samples));
  }
  if (options.json) {
    printJson(lines, linear, options, run);
  } else if (options.csv) {
    printCSV(lines);
  } else {
    std::printf(
        "linear %lld x %lld, %s, activations %s, %s, %u %s; %llu copies of %.1f MB; median of %u rounds "
        "[least most]\n\n",
        static_cast<long long>(options.linear.rows), static_cast<long long>(options.linear.columns),
        linear.format.c_str(), linear.activations.c_str(), linear.image.target.name.c_str(), threads,
        threads == 1 ? "thread" : "threads", static_cast<unsigned long long>(run.copies()),
        static_cast<double>(linear.weightBytes) / 1e6, options.repeat);
    printTable(lines);
  }
  return {};
}

int nibble::benchMain(int argc, char **argv) {
  BenchOptions options;
  CLI::App app("Measures one kernel beside the read bandwidth and the int8 peak of this machine, which are "
               "measured in turn with it.",
               "nibble-bench");
  app.set_version_flag("--version", "nibble " NIBBLE_VERSION);
  app.footer(R"(
Examples:
  nibble-bench linear
  nibble-bench linear --rows 8192 --columns 2048 --format int4-g64 --tokens 1,8,512 --threads 2
  nibble-bench linear --format bf16 --activations f32 --target x86-64-v3 --csv)");
  app.require_subcommand(1);
  CLI::App *linear = app.add_subcommand("linear", "A linear of packed weights, by shape and format");
  linear->add_option("--rows", options.linear.rows, "Output channels")
      ->check(CLI::Range(1, 1 << 22))
      ->capture_default_str();
  linear->add_option("--columns", options.linear.columns, "Length of a row of the weight")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  linear->add_option("--format", options.linear.format, "FORMAT of the weight, as nibble-compile --precision")
      ->capture_default_str();
  linear->add_option("--activations", options.linear.activations,
                     "Precision of activations; nibble-compile's default unless said");
  linear->add_option("--tokens", options.tokens, "Rows of activations")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  linear->add_option("--threads", options.threads, "Worker threads; one for each core unless said")
      ->check(CLI::Range(1, 1024));
  linear->add_option("--target", options.linear.target, "CPU to generate code for")->capture_default_str();
  linear->add_option("--tune-for", options.linear.tuneFor, "CPU whose timing the code is scheduled for");
  linear->add_option("--repeat", options.repeat, "Rounds; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  linear
      ->add_option(
          "--cache-factor", options.cacheFactor,
          "Copies of the weight take turns; they, and what the read bandwidth is measured on, are this many "
          "times the last-level cache")
      ->check(CLI::Range(0.0, 64.0))
      ->capture_default_str();
  CLI::Option *json = linear->add_flag("--json", options.json, "Print the result as JSON");
  linear->add_flag("--csv", options.csv, "Print the result as CSV")->excludes(json);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  bool wrongUsage = false;
  Result<void> done = benchLinear(options, wrongUsage);
  if (done)
    return 0;
  std::fprintf(stderr, "nibble-bench: error: %s\n", done.error().message.c_str());
  return wrongUsage ? 2 : 1;
}
