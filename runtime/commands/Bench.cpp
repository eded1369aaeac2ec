//===- Bench.cpp - The verb that measures tokens a second -------------------------------------===//

#include "runtime/cache/KVCache.h"
#include "runtime/commands/Verb.h"
#include "runtime/cpu/WorkerPool.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace nibble;
using Clock = std::chrono::steady_clock;

namespace {

struct BenchFlags {
  RunFlags run;
  std::vector<uint32_t> prompts = {128, 512}, batches = {1, 4}, depths = {0};
  uint32_t decode = 32, repeat = 3, tokenBudget = 512;
  bool json = false;
};

struct Measurement {
  uint32_t prompt, batch, depth;
  double promptRate, decodeRate; // tokens/s of all sequences together
  double readRate;               // bytes/s: the weights, once a step of decoding
};

} // namespace

static double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Bytes a second that all workers together read from memory: the best of several passes over a buffer that
/// no cache holds.
static Result<double> readBandwidth(uint32_t threads) {
  uint64_t available = availableMemory();
  uint64_t bytes = std::min<uint64_t>(1ull << 30, available ? available / 4 : 1ull << 28) / 4096 * 4096;
  NIBBLE_TRY(auto memory, AnonymousMemory::allocate(bytes, "measuring the read bandwidth"));
  WorkerPool pool(threads);
  struct Job {
    std::byte *data;
    uint64_t part; // bytes a worker
    std::vector<uint64_t> sums;
  } job = {memory.data(), bytes / threads / 4096 * 4096, std::vector<uint64_t>(threads * 8)};
  auto touch = [](void *context, uint32_t worker) {
    Job &job = *static_cast<Job *>(context);
    std::memset(job.data + worker * job.part, 1, job.part);
  };
  auto read = [](void *context, uint32_t worker) {
    Job &job = *static_cast<Job *>(context);
    auto *words = reinterpret_cast<const uint64_t *>(job.data + worker * job.part);
    uint64_t sums[8] = {};
    for (uint64_t i = 0; i < job.part / 8; i += 8)
      for (int j = 0; j < 8; ++j)
        sums[j] += words[i + static_cast<uint64_t>(j)];
    for (uint64_t sum : sums)
      job.sums[worker * 8] += sum; // keeps the reads alive
  };
  pool.run(touch, &job);
  double best = 0;
  for (int pass = 0; pass < 4; ++pass) {
    Clock::time_point begin = Clock::now();
    pool.run(read, &job);
    best = std::max(best, static_cast<double>(job.part * threads) / secondsSince(begin));
  }
  return best;
}

/// Feeds `count` tokens to each sequence, within the token budget, the last of each with logits.
static Result<void> feed(Engine &engine, const std::vector<SequenceId> &sequences, uint32_t count) {
  std::vector<int32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>((i * 7919u + 11) % engine.model().vocabulary);
  std::vector<uint32_t> done(sequences.size(), 0);
  std::vector<StepInput> inputs;
  size_t first = 0;
  while (first < sequences.size()) {
    inputs.clear();
    uint32_t budget = engine.options().tokenBudget;
    for (size_t s = first; s < sequences.size() && budget > 0; ++s) {
      uint32_t part = std::min(count - done[s], budget);
      done[s] += part;
      inputs.push_back(
          {sequences[s], std::span(tokens).subspan(done[s] - part, part), done[s] == count ? 1u : 0u});
      budget -= part;
    }
    NIBBLE_CHECK(engine.step(inputs));
    while (first < sequences.size() && done[first] == count)
      ++first;
  }
  return {};
}

static Result<Measurement> measure(Engine &engine, const BenchFlags &flags, uint32_t prompt, uint32_t batch,
                                   uint32_t depth) {
  Measurement best = {prompt, batch, depth, 0, 0, 0};
  std::vector<SequenceId> sequences;
  for (uint32_t s = 0; s < batch; ++s) {
    NIBBLE_TRY(SequenceId id, engine.createSequence());
    sequences.push_back(id);
  }
  if (depth > 0)
    NIBBLE_CHECK(feed(engine, sequences, depth));
  std::vector<double> promptSeconds, decodeSeconds;
  for (uint32_t round = 0; round < flags.repeat; ++round) {
    for (SequenceId id : sequences)
      engine.truncate(id, depth);
    Clock::time_point begin = Clock::now();
    NIBBLE_CHECK(feed(engine, sequences, prompt));
    promptSeconds.push_back(secondsSince(begin));
    begin = Clock::now();
    for (uint32_t i = 0; i < flags.decode; ++i)
      NIBBLE_CHECK(feed(engine, sequences, 1));
    decodeSeconds.push_back(secondsSince(begin));
  }
  for (SequenceId id : sequences)
    engine.destroySequence(id);
  auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  best.promptRate = static_cast<double>(prompt) * batch / median(promptSeconds);
  double steps = flags.decode / median(decodeSeconds);
  best.decodeRate = steps * batch;
  best.readRate = steps * static_cast<double>(engine.plan().weights);
  return best;
}

static void printTable(const std::vector<Measurement> &measurements, double bandwidth, uint32_t threads) {
  std::printf("read bandwidth %.1f GB/s with %u %s\n\n", bandwidth / 1e9, threads,
              threads == 1 ? "thread" : "threads");
  std::printf("%7s %6s %7s %16s %16s %14s %9s\n", "prompt", "batch", "depth", "prompt tokens/s",
              "decode tokens/s", "weights GB/s", "of read");
  for (const Measurement &m : measurements)
    std::printf("%7u %6u %7u %16.1f %16.1f %14.2f %8.0f%%\n", m.prompt, m.batch, m.depth, m.promptRate,
                m.decodeRate, m.readRate / 1e9, m.readRate / bandwidth * 100);
}

static Result<int> runBench(const std::string &path, const BenchFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const ModelInfo &model = artifact.manifest().model;
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  auto largest = [](const std::vector<uint32_t> &values) {
    return *std::max_element(values.begin(), values.end());
  };
  uint64_t positions = static_cast<uint64_t>(largest(flags.prompts)) + largest(flags.depths) + flags.decode;
  if (positions > model.context)
    return failure("depth, prompt and decoded tokens together are " + std::to_string(positions) +
                   " positions; the model was made for " + std::to_string(model.context) +
                   "; ask for less with --depth, --prompt and --decode");
  options.context = std::max(options.context, static_cast<uint32_t>(positions));
  options.sequences = options.rowBudget = largest(flags.batches);
  options.pages = options.sequences * pagesFor(static_cast<uint32_t>(positions));
  options.tokenBudget = std::max(flags.tokenBudget, options.sequences);
  NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
  NIBBLE_TRY(double bandwidth, readBandwidth(plan.threads));
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  std::vector<Measurement> measurements;
  Interruptible interruptible;
  for (uint32_t depth : flags.depths)
    for (uint32_t batch : flags.batches)
      for (uint32_t prompt : flags.prompts) {
        if (Interruptible::isRequested())
          return kExitInterrupted;
        std::fprintf(stderr, "prompt %u, batch %u, depth %u\n", prompt, batch, depth);
        NIBBLE_TRY(Measurement measurement, measure(engine, flags, prompt, batch, depth));
        measurements.push_back(measurement);
      }
  if (flags.json) {
    nlohmann::ordered_json document = {{"target", plan.variant->target},
                                       {"threads", plan.threads},
                                       {"kv_cache_type", cacheTypeName(plan.cacheType)},
                                       {"weights", plan.weights},
                                       {"read_bandwidth", bandwidth},
                                       {"results", nlohmann::ordered_json::array()}};
    for (const Measurement &m : measurements)
      document["results"].push_back({{"prompt", m.prompt},
                                     {"batch", m.batch},
                                     {"depth", m.depth},
                                     {"prompt_tokens_per_second", m.promptRate},
                                     {"decode_tokens_per_second", m.decodeRate},
                                     {"weight_bytes_per_second", m.readRate}});
    std::puts(document.dump().c_str());
  } else {
    printTable(measurements, bandwidth, plan.threads);
  }
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
  verb->add_option("--token-budget", flags->tokenBudget, "Most rows in a step")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_flag("--json", flags->json, "Print the result as JSON");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runBench(choice.artifactPath, *flags); };
  });
}
