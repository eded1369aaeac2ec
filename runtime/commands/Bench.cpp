//===- Bench.cpp - The verb that measures tokens a second -------------------------------------===//
//
// Every round measures the machine's read bandwidth and then the row, so that a fraction compares what was
// measured in the same moments. With --requests another program decides what is measured when: that is how
// python/bench takes turns between Nibble and its peers.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/runtime/Json.h"
#include "runtime/cache/KVCache.h"
#include "runtime/commands/Verb.h"
#include "runtime/cpu/WorkerPool.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>

using namespace nibble;
using Clock = std::chrono::steady_clock;

namespace {

struct BenchFlags {
  RunFlags run;
  std::vector<uint32_t> prompts = {128, 512}, batches = {1, 4}, depths = {0};
  uint32_t decode = 32, repeat = 3, warmUp = 1, tokenBudget = 512;
  bool json = false, csv = false, requests = false;
};

/// What is measured: `batch` sequences that hold `depth` tokens each are given `prompt` tokens each, and then
/// `decode` tokens one by one.
struct Row {
  uint32_t prompt, batch, depth, decode;
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

struct Measurement {
  Row row;
  Spread prompt, decode; // tokens/s of all sequences together
  Spread weights,
      fraction;     // bytes/s of weights while decoding, and that over the bandwidth of the same round
  Spread bandwidth; // bytes/s
};

} // namespace

static double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

namespace {

/// Measures what all workers together read from memory, in bytes a second, out of a buffer that no cache
/// holds.
class BandwidthProbe {
public:
  static Result<BandwidthProbe> create(uint32_t threads) {
    uint64_t available = availableMemory();
    uint64_t bytes = std::min<uint64_t>(1ull << 30, available ? available / 4 : 1ull << 28);
    NIBBLE_TRY(auto memory, AnonymousMemory::allocate(bytes, "measuring the read bandwidth"));
    BandwidthProbe probe(std::move(memory), threads);
    probe.pool->run(
        [](void *context, uint32_t worker) {
          auto &probe = *static_cast<BandwidthProbe *>(context);
          std::memset(probe.memory.data() + worker * probe.part, 1, probe.part);
        },
        &probe);
    return probe;
  }

  /// The better of two passes: a neighbour that woke up once is not the machine's limit.
  double measure() {
    double best = 0;
    for (int pass = 0; pass < 2; ++pass) {
      Clock::time_point begin = Clock::now();
      pool->run([](void *context, uint32_t worker) { static_cast<BandwidthProbe *>(context)->read(worker); },
                this);
      best = std::max(best, static_cast<double>(part) * pool->size() / secondsSince(begin));
    }
    return best;
  }

private:
  BandwidthProbe(AnonymousMemory memory, uint32_t threads)
      : memory(std::move(memory)), pool(std::make_unique<WorkerPool>(threads)),
        part(this->memory.size() / threads / 4096 * 4096), sums(threads * 8) {}

  void read(uint32_t worker) {
    auto *words = reinterpret_cast<const uint64_t *>(memory.data() + worker * part);
    uint64_t local[8] = {};
    for (uint64_t i = 0; i < part / 8; i += 8)
      for (int j = 0; j < 8; ++j)
        local[j] += words[i + static_cast<uint64_t>(j)];
    for (uint64_t sum : local)
      sums[worker * 8] += sum; // keeps the reads alive
  }

  AnonymousMemory memory;
  std::unique_ptr<WorkerPool> pool;
  uint64_t part; // bytes a worker
  std::vector<uint64_t> sums;
};

/// The sequences that rows are measured on. They keep what they hold from row to row: a deep context is
/// stored once.
class Subject {
public:
  Subject(Engine &engine, uint32_t tokenBudget) : engine(engine), tokenBudget(tokenBudget) {}

  struct Seconds {
    double prompt = 0, decode = 0;
  };
  Result<Seconds> measure(const Row &row) {
    while (sequences.size() < row.batch) {
      NIBBLE_TRY(SequenceId id, engine.createSequence());
      sequences.push_back(id);
    }
    std::span<const SequenceId> taken = std::span(sequences).first(row.batch);
    for (SequenceId id : taken) {
      engine.truncate(id, std::min(engine.length(id), row.depth));
      if (engine.length(id) < row.depth)
        NIBBLE_CHECK(feed({&id, 1}, row.depth - engine.length(id)));
    }
    Seconds seconds;
    Clock::time_point begin = Clock::now();
    if (row.prompt > 0)
      NIBBLE_CHECK(feed(taken, row.prompt));
    seconds.prompt = secondsSince(begin);
    begin = Clock::now();
    for (uint32_t i = 0; i < row.decode; ++i)
      NIBBLE_CHECK(feed(taken, 1));
    seconds.decode = secondsSince(begin);
    return seconds;
  }

private:
  /// Feeds `count` tokens to each sequence, within the token budget, the last of each with logits. Ctrl-C
  /// ends it between two steps.
  Result<void> feed(std::span<const SequenceId> taken, uint32_t count) {
    std::vector<int32_t> tokens(count);
    for (uint32_t i = 0; i < count; ++i)
      tokens[i] = static_cast<int32_t>((i * 7919u + 11) % engine.model().vocabulary);
    std::vector<uint32_t> done(taken.size(), 0);
    std::vector<StepInput> inputs;
    size_t first = 0;
    while (first < taken.size()) {
      if (Interruptible::isRequested())
        return failure("interrupted");
      inputs.clear();
      uint32_t budget = tokenBudget;
      for (size_t s = first; s < taken.size() && budget > 0; ++s) {
        uint32_t part = std::min(count - done[s], budget);
        done[s] += part;
        inputs.push_back(
            {taken[s], std::span(tokens).subspan(done[s] - part, part), done[s] == count ? 1u : 0u});
        budget -= part;
      }
      NIBBLE_CHECK(engine.step(inputs));
      while (first < taken.size() && done[first] == count)
        ++first;
    }
    return {};
  }

  Engine &engine;
  const uint32_t tokenBudget;
  std::vector<SequenceId> sequences;
};

} // namespace

static Result<Measurement> measure(Subject &subject, BandwidthProbe &probe, const BenchFlags &flags,
                                   const Row &row, uint64_t weights) {
  for (uint32_t round = 0; round < flags.warmUp; ++round)
    NIBBLE_CHECK(subject.measure(row));
  std::vector<double> prompt, decode, read, fraction, bandwidth;
  for (uint32_t round = 0; round < flags.repeat; ++round) {
    bandwidth.push_back(probe.measure());
    NIBBLE_TRY(Subject::Seconds seconds, subject.measure(row));
    prompt.push_back(static_cast<double>(row.prompt) * row.batch / seconds.prompt);
    double steps = row.decode / seconds.decode;
    decode.push_back(steps * row.batch);
    read.push_back(steps * static_cast<double>(weights));
    fraction.push_back(read.back() / bandwidth.back());
  }
  return Measurement{row, Spread(prompt), Spread(decode), Spread(read), Spread(fraction), Spread(bandwidth)};
}

static void printTable(const std::vector<Measurement> &measurements, const MemoryPlan &plan,
                       uint32_t repeat) {
  std::printf("%s, %u %s; median of %u rounds, least and most of them in brackets\n\n",
              plan.variant->target.c_str(), plan.threads, plan.threads == 1 ? "thread" : "threads", repeat);
  std::printf("%7s %6s %7s   %-26s %-26s %12s %12s %8s\n", "prompt", "batch", "depth", "prompt tokens/s",
              "decode tokens/s", "weights GB/s", "read GB/s", "of read");
  auto cell = [](const Spread &spread) {
    char text[64];
    std::snprintf(text, sizeof text, "%.1f [%.1f %.1f]", spread.median, spread.least, spread.most);
    return std::string(text);
  };
  for (const Measurement &m : measurements)
    std::printf("%7u %6u %7u   %-26s %-26s %12.2f %12.2f %7.0f%%\n", m.row.prompt, m.row.batch, m.row.depth,
                cell(m.prompt).c_str(), cell(m.decode).c_str(), m.weights.median / 1e9,
                m.bandwidth.median / 1e9, m.fraction.median * 100);
}

static void printCSV(const std::vector<Measurement> &measurements) {
  std::puts("prompt,batch,depth,decode,prompt_tokens_per_second,prompt_least,prompt_most,"
            "decode_tokens_per_second,decode_least,decode_most,weight_bytes_per_second,read_bandwidth,"
            "fraction_of_read");
  for (const Measurement &m : measurements)
    std::printf("%u,%u,%u,%u,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n", m.row.prompt, m.row.batch,
                m.row.depth, m.row.decode, m.prompt.median, m.prompt.least, m.prompt.most, m.decode.median,
                m.decode.least, m.decode.most, m.weights.median, m.bandwidth.median, m.fraction.median);
}

static nlohmann::ordered_json toJson(const Spread &spread) {
  return {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
}

static nlohmann::ordered_json describeRun(const MemoryPlan &plan) {
  return {{"target", plan.variant->target},
          {"threads", plan.threads},
          {"kv_cache_type", cacheTypeName(plan.cacheType)},
          {"weights", plan.weights}};
}

static void printJson(const std::vector<Measurement> &measurements, const MemoryPlan &plan) {
  nlohmann::ordered_json document = describeRun(plan);
  std::vector<double> bandwidths;
  for (const Measurement &m : measurements)
    bandwidths.push_back(m.bandwidth.median);
  document["read_bandwidth"] = Spread(bandwidths).median;
  document["results"] = nlohmann::ordered_json::array();
  for (const Measurement &m : measurements)
    document["results"].push_back({{"prompt", m.row.prompt},
                                   {"batch", m.row.batch},
                                   {"depth", m.row.depth},
                                   {"decode", m.row.decode},
                                   {"prompt_tokens_per_second", toJson(m.prompt)},
                                   {"decode_tokens_per_second", toJson(m.decode)},
                                   {"weight_bytes_per_second", toJson(m.weights)},
                                   {"read_bandwidth", toJson(m.bandwidth)},
                                   {"fraction_of_read", toJson(m.fraction)}});
  std::puts(document.dump().c_str());
}

/// One line of --requests: {"prompt": 512, "batch": 1, "depth": 0, "decode": 0}, or {"probe": true}.
static Result<nlohmann::ordered_json> answer(const std::string &line, Subject &subject, BandwidthProbe &probe,
                                             const Row &most) {
  NIBBLE_TRY(auto document, parseJson(line, "the request"));
  JsonProblem problem;
  JsonCursor request(&document, "the request", problem);
  if (request.has("probe"))
    return nlohmann::ordered_json{{"read_bandwidth", probe.measure()}};
  auto number = [&](const char *key, uint32_t limit) {
    return static_cast<uint32_t>(request[key].number(limit));
  };
  Row row = {number("prompt", most.prompt), number("batch", most.batch), number("depth", most.depth),
             number("decode", most.decode)};
  if (problem.first)
    return failure(problem.first->message);
  NIBBLE_TRY(Subject::Seconds seconds, subject.measure(row));
  return nlohmann::ordered_json{{"prompt_seconds", seconds.prompt}, {"decode_seconds", seconds.decode}};
}

static Result<int> serveRequests(Subject &subject, BandwidthProbe &probe, const MemoryPlan &plan,
                                 const Row &most) {
  nlohmann::ordered_json ready = describeRun(plan);
  std::puts(ready.dump().c_str());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    NIBBLE_TRY(auto reply, answer(line, subject, probe, most));
    std::puts(reply.dump().c_str());
    NIBBLE_CHECK(flushOutput());
  }
  return kExitDone;
}

static Result<int> runBench(const std::string &path, const BenchFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const ModelInfo &model = artifact.manifest().model;
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  auto largest = [](const std::vector<uint32_t> &values) {
    return *std::max_element(values.begin(), values.end());
  };
  Row most = {largest(flags.prompts), largest(flags.batches), largest(flags.depths), flags.decode};
  uint64_t positions = static_cast<uint64_t>(most.prompt) + most.depth + most.decode;
  if (positions > model.context)
    return failure("depth, prompt and decoded tokens together are " + std::to_string(positions) +
                   " positions; the model was made for " + std::to_string(model.context) +
                   "; ask for less with --depth, --prompt and --decode");
  options.context = std::max(options.context, static_cast<uint32_t>(positions));
  options.sequences = options.rowBudget = most.batch;
  options.pages = options.sequences * pagesFor(static_cast<uint32_t>(positions));
  options.tokenBudget = std::max(flags.tokenBudget, options.sequences);
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  const MemoryPlan &plan = engine.plan();
  NIBBLE_TRY(auto probe, BandwidthProbe::create(plan.threads));
  Subject subject(engine, options.tokenBudget);
  if (flags.requests) // Ctrl-C ends it as it is: nothing would be left to print
    return serveRequests(subject, probe, plan, most);
  Interruptible interruptible;
  std::vector<Measurement> measurements;
  for (uint32_t depth : flags.depths)
    for (uint32_t batch : flags.batches)
      for (uint32_t prompt : flags.prompts) {
        std::fprintf(stderr, "prompt %u, batch %u, depth %u\n", prompt, batch, depth);
        Row row = {prompt, batch, depth, flags.decode};
        NIBBLE_TRY(Measurement measurement, measure(subject, probe, flags, row, plan.weights));
        measurements.push_back(measurement);
      }
  if (flags.json)
    printJson(measurements, plan);
  else if (flags.csv)
    printCSV(measurements);
  else
    printTable(measurements, plan, flags.repeat);
  printProfile(engine);
  return kExitDone;
}

void nibble::addBenchVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App *verb = addVerb(app, choice, "bench", "Measures prompt and decode tokens a second",
                           {"bench", "bench --prompt 512 --batch 1,4,16 --depth 0,4096 --json"});
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
  CLI::Option *json = verb->add_flag("--json", flags->json, "Print the result as JSON");
  verb->add_flag("--csv", flags->csv, "Print the result as CSV")->excludes(json);
  verb->add_flag("--requests", flags->requests,
                 "Measure what stdin asks for, a line of JSON each, and answer with seconds; --prompt, "
                 "--batch, --depth and --decode are then the most of each");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runBench(choice.artifactPath, *flags); };
  });
}
