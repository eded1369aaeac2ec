//===- Bench.cpp - The verb that measures tokens a second -------------------------------------===//
//
// With --requests another program decides what is measured when: that is how python/bench takes turns between
// Nibble and its peers.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/runtime/Json.h"
#include "runtime/cache/KVCache.h"
#include "runtime/commands/BenchRun.h"
#include "runtime/commands/Verb.h"
#include <algorithm>
#include <cstdio>
#include <iostream>

using namespace nibble;
using Json = nlohmann::ordered_json;

namespace {

struct BenchFlags {
  RunFlags run;
  std::vector<uint32_t> prompts = {128, 512}, batches = {1, 4}, depths = {0};
  uint32_t decode = 32, repeat = 5, warmUp = 1, tokenBudget = 512;
  double cacheFactor = 4;
  bool json = false, csv = false, requests = false;
};

/// A row's result: name and what the rounds gave, the same for table, JSON and CSV. Fractions are of what the
/// machine's limits of the same round allow.
struct Measurement {
  BenchRow row;
  uint32_t threads;
  std::vector<std::pair<const char *, Spread>> columns;

  const Spread *find(std::string_view name) const {
    for (auto &[column, spread] : columns)
      if (column == name)
        return &spread;
    return nullptr;
  }
};

/// Everything that belongs to one number of threads.
struct Bench {
  Engine engine;
  ArtifactProbe probe;
  BenchSubject subject;
  LinearWork work;

  Bench(Engine &&started, ArtifactProbe &&newProbe, const Artifact &artifact, uint32_t tokenBudget)
      : engine(std::move(started)), probe(std::move(newProbe)), subject(engine, tokenBudget),
        work(LinearWork::of(artifact.manifest(), engine.plan().variant->program,
                            engine.plan().variant->kernels)) {}
};

/// The rounds of a row.
class Rounds {
public:
  Rounds(const Bench &bench, const BenchRow &row) : bench(bench), row(row) {}

  void add(const BenchSubject::Seconds &seconds, const std::optional<MachineLimits> &limits) {
    double tokens = static_cast<double>(row.prompt) * row.batch, decoded = double(row.decode) * row.batch;
    put("prompt_tokens_per_second", tokens / seconds.prompt);
    put("decode_tokens_per_second", decoded / seconds.decode);
    put("read_bytes_per_second", readBytes() / seconds.decode);
    if (!limits)
      return;
    put("prompt_fraction_of_peak", work(tokens, row.batch).seconds(*limits) / seconds.prompt);
    put("decode_fraction_of_peak", work(decoded, decoded).seconds(*limits) / seconds.decode);
    put("decode_fraction_of_read", readBytes() / limits->readBandwidth / seconds.decode);
    put("read_bandwidth", limits->readBandwidth);
    put("int8_peak", limits->int8Peak);
    put("f32_peak", limits->f32Peak);
  }

  Measurement finish() const {
    Measurement result = {row, bench.engine.plan().threads, {}};
    for (auto &[name, values] : columns)
      result.columns.emplace_back(name, Spread(values));
    return result;
  }

private:
  void put(const char *name, double value) {
    for (auto &[column, values] : columns)
      if (column == name)
        return values.push_back(value);
    columns.push_back({name, {value}});
  }

  /// In all steps of decoding.
  double readBytes() const {
    const MemoryPlan &plan = bench.engine.plan();
    double positions = row.depth + row.prompt + (row.decode + 1) / 2.0; // on average
    double cache = static_cast<double>(plan.pageBytes) / kPageSize * positions * row.batch;
    return row.decode * (static_cast<double>(plan.weights) + cache);
  }

  BenchWork work(double tokens, double rows) const {
    const LinearWork &linear = bench.work;
    return {0, linear.everyToken.int8 * tokens + linear.everyLogitsRow.int8 * rows,
            linear.everyToken.f32 * tokens + linear.everyLogitsRow.f32 * rows};
  }

  const Bench &bench;
  const BenchRow row;
  std::vector<std::pair<const char *, std::vector<double>>> columns;
};

} // namespace

static Result<Measurement> measure(Bench &bench, const BenchFlags &flags, const BenchRow &row) {
  for (uint32_t round = 0; round < flags.warmUp; ++round)
    NIBBLE_CHECK(bench.subject.measure(row));
  Rounds rounds(bench, row);
  for (uint32_t round = 0; round < flags.repeat; ++round) {
    std::optional<MachineLimits> limits = bench.probe.measure();
    NIBBLE_TRY(BenchSubject::Seconds seconds, bench.subject.measure(row));
    rounds.add(seconds, limits);
  }
  return rounds.finish();
}

//===- Output -------------------------------------------------------------------------------------------===//

static Json describeRun(const MemoryPlan &plan) {
  return {{"target", plan.variant->target},
          {"threads", plan.threads},
          {"kv_cache_type", cacheTypeName(plan.cacheType)},
          {"weights", plan.weights}};
}

static void printTable(const std::vector<Measurement> &measurements, const Json &run, uint32_t repeat) {
  std::printf("%s, KV cache %s; median of %u rounds, least and most of them in brackets\n\n",
              run["target"].get<std::string>().c_str(), run["kv_cache_type"].get<std::string>().c_str(),
              repeat);
  std::printf("%7s %7s %6s %7s   %-25s %8s   %-25s %8s %8s %9s %12s\n", "threads", "prompt", "batch", "depth",
              "prompt tokens/s", "of peak", "decode tokens/s", "of peak", "of read", "read GB/s",
              "int8 GMAC/s");
  auto rate = [](const Spread &spread) {
    char text[64];
    std::snprintf(text, sizeof text, "%.1f [%.1f %.1f]", spread.median, spread.least, spread.most);
    return std::string(text);
  };
  for (const Measurement &m : measurements) {
    auto scaled = [&](const char *name, double factor, const char *format) {
      char text[32];
      const Spread *spread = m.find(name);
      std::snprintf(text, sizeof text, format, spread ? spread->median * factor : 0.0);
      return std::string(spread ? text : "-");
    };
    std::printf("%7u %7u %6u %7u   %-25s %8s   %-25s %8s %8s %9s %12s\n", m.threads, m.row.prompt,
                m.row.batch, m.row.depth, rate(*m.find("prompt_tokens_per_second")).c_str(),
                scaled("prompt_fraction_of_peak", 100, "%.0f%%").c_str(),
                rate(*m.find("decode_tokens_per_second")).c_str(),
                scaled("decode_fraction_of_peak", 100, "%.0f%%").c_str(),
                scaled("decode_fraction_of_read", 100, "%.0f%%").c_str(),
                scaled("read_bandwidth", 1e-9, "%.1f").c_str(), scaled("int8_peak", 1e-9, "%.0f").c_str());
  }
}

static void printCSV(const std::vector<Measurement> &measurements) {
  std::string header = "threads,prompt,batch,depth,decode";
  for (auto &[name, spread] : measurements.front().columns)
    header += std::string(",") + name + "," + name + "_least," + name + "_most";
  std::puts(header.c_str());
  for (const Measurement &m : measurements) {
    std::printf("%u,%u,%u,%u,%u", m.threads, m.row.prompt, m.row.batch, m.row.depth, m.row.decode);
    for (auto &[name, spread] : m.columns)
      std::printf(",%.6g,%.6g,%.6g", spread.median, spread.least, spread.most);
    std::puts("");
  }
}

static void printJson(const std::vector<Measurement> &measurements, Json run) {
  run["results"] = Json::array();
  for (const Measurement &m : measurements) {
    Json entry = {{"threads", m.threads},
                  {"prompt", m.row.prompt},
                  {"batch", m.row.batch},
                  {"depth", m.row.depth},
                  {"decode", m.row.decode}};
    for (auto &[name, spread] : m.columns)
      entry[name] = {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
    run["results"].push_back(std::move(entry));
  }
  std::puts(run.dump().c_str());
}

//===- On request ---------------------------------------------------------------------------------------===//

/// One line of --requests: {"prompt": 512, "batch": 1, "depth": 0, "decode": 0}, or {"probe": true}.
static Result<Json> answer(const std::string &line, Bench &bench, const BenchRow &most) {
  NIBBLE_TRY(auto document, parseJson(line, "the request"));
  JsonProblem problem;
  JsonCursor request(&document, "the request", problem);
  if (request.has("probe")) {
    std::optional<MachineLimits> limits = bench.probe.measure();
    if (!limits)
      return Json::object();
    return Json{{"read_bandwidth", limits->readBandwidth},
                {"int8_peak", limits->int8Peak},
                {"f32_peak", limits->f32Peak}};
  }
  auto number = [&](const char *key, uint32_t limit) {
    return static_cast<uint32_t>(request[key].number(limit));
  };
  BenchRow row = {number("prompt", most.prompt), number("batch", most.batch), number("depth", most.depth),
                  number("decode", most.decode)};
  if (problem.first)
    return failure(problem.first->message);
  NIBBLE_TRY(BenchSubject::Seconds seconds, bench.subject.measure(row));
  return Json{{"prompt_seconds", seconds.prompt}, {"decode_seconds", seconds.decode}};
}

static Result<int> serveRequests(Bench &bench, const BenchRow &most) {
  std::puts(describeRun(bench.engine.plan()).dump().c_str());
  NIBBLE_CHECK(flushOutput());
  std::string line;
  while (std::getline(std::cin, line)) {
    NIBBLE_TRY(auto reply, answer(line, bench, most));
    std::puts(reply.dump().c_str());
    NIBBLE_CHECK(flushOutput());
  }
  return kExitDone;
}

//===- The verb -----------------------------------------------------------------------------------------===//

static Result<std::unique_ptr<Bench>> start(const Artifact &artifact, const EngineOptions &options,
                                            const BenchFlags &flags) {
  NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
  NIBBLE_TRY(auto probe, ArtifactProbe::create(artifact, plan, flags.cacheFactor));
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  return std::make_unique<Bench>(std::move(engine), std::move(probe), artifact, options.tokenBudget);
}

static Result<int> runBench(const std::string &path, const BenchFlags &flags,
                            std::vector<uint32_t> threadCounts) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const ModelInfo &model = artifact.manifest().model;
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  auto largest = [](const std::vector<uint32_t> &values) {
    return *std::max_element(values.begin(), values.end());
  };
  BenchRow most = {largest(flags.prompts), largest(flags.batches), largest(flags.depths), flags.decode};
  uint64_t positions = static_cast<uint64_t>(most.prompt) + most.depth + most.decode;
  if (positions > model.context)
    return failure("depth, prompt and decoded tokens together are " + std::to_string(positions) +
                   " positions; the model was made for " + std::to_string(model.context) +
                   "; ask for less with --depth, --prompt and --decode");
  options.context = std::max(options.context, static_cast<uint32_t>(positions));
  options.sequences = options.rowBudget = most.batch;
  options.pages = options.sequences * pagesFor(static_cast<uint32_t>(positions));
  options.tokenBudget = std::max(flags.tokenBudget, options.sequences);
  if (threadCounts.empty())
    threadCounts = {0}; // as many as there are cores
  std::optional<Interruptible> interruptible;
  if (!flags.requests) // there, Ctrl-C ends it as it is: nothing would be left to print
    interruptible.emplace();
  std::vector<Measurement> measurements;
  Json run;
  for (uint32_t threads : threadCounts) {
    options.threads = threads;
    NIBBLE_TRY(auto bench, start(artifact, options, flags));
    if (flags.requests)
      return serveRequests(*bench, most);
    run = describeRun(bench->engine.plan());
    for (uint32_t depth : flags.depths)
      for (uint32_t batch : flags.batches)
        for (uint32_t prompt : flags.prompts) {
          std::fprintf(stderr, "threads %u, prompt %u, batch %u, depth %u\n", bench->engine.plan().threads,
                       prompt, batch, depth);
          NIBBLE_TRY(Measurement measurement, measure(*bench, flags, {prompt, batch, depth, flags.decode}));
          measurements.push_back(std::move(measurement));
        }
    printProfile(bench->engine);
  }
  if (flags.json)
    printJson(measurements, run);
  else if (flags.csv)
    printCSV(measurements);
  else
    printTable(measurements, run, flags.repeat);
  return kExitDone;
}

void nibble::addBenchVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<BenchFlags>();
  auto threads = std::make_shared<std::vector<uint32_t>>();
  CLI::App *verb =
      addVerb(app, choice, "bench", "Measures prompt and decode tokens a second",
              {"bench", "bench --prompt 512 --batch 1,4,16 --depth 0,4096 --threads 1,2 --json"});
  verb->add_option("--prompt", flags->prompts, "Prompt lengths")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--batch", flags->batches, "Sequences at a time")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--depth", flags->depths, "Tokens that each sequence stores before")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--decode", flags->decode, "Steps of decoding")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--repeat", flags->repeat, "Rounds; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--warm-up", flags->warmUp, "Rounds before those that count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  verb->add_option("--token-budget", flags->tokenBudget, "Most rows in a step")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--cache-factor", flags->cacheFactor,
                   "The read bandwidth is measured on this many times the last-level cache")
      ->check(CLI::Range(0.0, 64.0))
      ->capture_default_str();
  CLI::Option *json = verb->add_flag("--json", flags->json, "Print the result as JSON");
  verb->add_flag("--csv", flags->csv, "Print the result as CSV")->excludes(json);
  verb->add_flag("--requests", flags->requests,
                 "Measure what stdin asks for, a line of JSON each, and answer with seconds; --prompt, "
                 "--batch, --depth and --decode are then the most of each");
  addRunFlags(*verb, flags->run);
  // In place of the one number that other verbs take.
  verb->remove_option(verb->get_option("--threads"));
  verb->add_option("--threads", *threads,
                   "Worker threads, several numbers one after the other (default: one for each core)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  verb->callback([&choice, flags, threads] {
    choice.action = [&choice, flags, threads] { return runBench(choice.artifactPath, *flags, *threads); };
  });
}
