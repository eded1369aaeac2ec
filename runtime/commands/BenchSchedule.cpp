//===- BenchSchedule.cpp - The verb that compares schedules -----------------------------------===//

#include "runtime/commands/BenchRun.h"
#include "runtime/commands/ScheduleRun.h"
#include "runtime/commands/Verb.h"
#include "runtime/load/Statistics.h"
#include <algorithm>
#include <cstdio>

using namespace nibble;
using Json = nlohmann::ordered_json;

namespace {

struct ScheduleFlags {
  RunFlags run;
  uint32_t sequences = 16, requests = 512, prompt = 32, mean = 128, cap = 512, repeat = 3, tokenBudget = 512;
  uint64_t seed = 1;
  uint32_t streams = 8, longPrompt = 2000, prompts = 3;
  bool json = false;
};

/// Rounds of one schedule under one load.
struct Row {
  std::string lengths;
  Batching batching;
  std::vector<double> rates, ratios; // tokens/s; to static batching in the same round
  uint64_t steps = 0;
};

} // namespace

static Result<std::vector<Row>> compareSchedules(Engine &engine, const ScheduleFlags &flags) {
  std::vector<Row> rows;
  for (bool varied : {true, false}) {
    ScheduleLoad load = {.prompt = flags.prompt,
                         .outputs =
                             varied ? exponentialLengths(flags.requests, flags.mean, flags.cap, flags.seed)
                                    : std::vector<uint32_t>(flags.requests, flags.mean)};
    std::string lengths =
        varied ? "exponential, mean " + std::to_string(flags.mean) + ", at most " + std::to_string(flags.cap)
               : "all " + std::to_string(flags.mean);
    size_t first = rows.size();
    for (Batching batching : {Batching::Static, Batching::StaticDropped, Batching::Continuous})
      rows.push_back({lengths, batching, {}, {}, 0});
    for (uint32_t round = 0; round < flags.repeat; ++round)
      for (size_t i = first; i < rows.size(); ++i) {
        std::fprintf(stderr, "\r\033[K%s: %s, round %u of %u", lengths.c_str(),
                     std::string(batchingName(rows[i].batching)).c_str(), round + 1, flags.repeat);
        NIBBLE_TRY(ScheduleRun run, runSchedule(engine, load, rows[i].batching));
        rows[i].rates.push_back(static_cast<double>(run.tokens) / run.seconds);
        rows[i].ratios.push_back(rows[i].rates.back() / rows[first].rates.back());
        rows[i].steps = run.steps;
      }
  }
  std::fputs("\r\033[K", stderr);
  return rows;
}

static std::string spreadText(const Spread &spread, const char *format) {
  char text[96];
  std::string whole = std::string(format) + " [" + format + " " + format + "]";
  std::snprintf(text, sizeof text, whole.c_str(), spread.median, spread.least, spread.most);
  return text;
}

static void printRows(const std::vector<Row> &rows) {
  std::printf("%-36s %-30s %-26s %-22s %8s\n", "output lengths", "batching", "tokens/s", "to static",
              "steps");
  for (const Row &row : rows)
    std::printf("%-36s %-30s %-26s %-22s %8llu\n", row.lengths.c_str(),
                std::string(batchingName(row.batching)).c_str(),
                spreadText(Spread(row.rates), "%.1f").c_str(), spreadText(Spread(row.ratios), "%.2f").c_str(),
                static_cast<unsigned long long>(row.steps));
}

static void printInterference(const Interference &result, const ScheduleFlags &flags) {
  load::Spread alone(result.alone), beside(result.beside);
  auto line = [&](const std::string &name, const load::Spread &gaps) {
    std::printf("%-40s %10.2f %10.2f %10.2f\n", name.c_str(), gaps.p50 * 1e3, gaps.p90 * 1e3, gaps.p99 * 1e3);
  };
  std::printf("\n%-40s %10s %10s %10s\n", "ms from token to token", "p50", "p90", "p99");
  std::string streams = std::to_string(flags.streams) + " streams";
  line(streams + " alone", alone);
  line(streams + " beside prompts of " + std::to_string(flags.longPrompt), beside);
  std::printf("p99 beside is %.2f times p99 alone; prompts progress at %.0f tokens/s, %.0f%% of %.0f alone\n",
              beside.p99 / alone.p99, result.promptRate, 100 * result.promptRate / result.promptRateAlone,
              result.promptRateAlone);
}

static Json spreadJson(const Spread &spread) {
  return {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
}

static void printJson(const std::vector<Row> &rows, const std::optional<Interference> &interference) {
  Json document = {{"schedules", Json::array()}};
  for (const Row &row : rows)
    document["schedules"].push_back({{"output_lengths", row.lengths},
                                     {"batching", batchingName(row.batching)},
                                     {"tokens_per_second", spreadJson(Spread(row.rates))},
                                     {"ratio_to_static", spreadJson(Spread(row.ratios))},
                                     {"steps", row.steps}});
  if (interference) {
    auto gaps = [](const load::Spread &spread) {
      return Json{{"p50", spread.p50}, {"p90", spread.p90}, {"p99", spread.p99}};
    };
    document["interference"] = {{"seconds_between_tokens_alone", gaps(load::Spread(interference->alone))},
                                {"seconds_between_tokens_beside", gaps(load::Spread(interference->beside))},
                                {"prompt_tokens_per_second_alone", interference->promptRateAlone},
                                {"prompt_tokens_per_second_beside", interference->promptRate}};
  }
  std::puts(document.dump().c_str());
}

static Result<int> runBenchSchedule(const std::string &path, const ScheduleFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = options.rowBudget = std::max(flags.sequences, flags.streams + 1);
  options.tokenBudget = std::max(flags.tokenBudget, options.sequences);
  NIBBLE_TRY(options, fitMemory(artifact, options, std::nullopt));
  std::vector<Row> rows;
  Interruptible interruptible;
  if (flags.requests > 0) {
    EngineOptions exact = options;
    exact.sequences = exact.rowBudget = flags.sequences;
    NIBBLE_TRY(exact, fitMemory(artifact, exact, std::nullopt));
    NIBBLE_TRY(auto engine, startEngine(artifact, exact, flags.run));
    NIBBLE_TRY(rows, compareSchedules(engine, flags));
    printProfile(engine);
  }
  std::optional<Interference> interference;
  if (flags.streams > 0 && flags.prompts > 0) {
    NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
    NIBBLE_TRY(interference, measureInterference(engine, flags.streams, flags.longPrompt, flags.prompts));
    printProfile(engine);
  }
  if (flags.json) {
    printJson(rows, interference);
    return kExitDone;
  }
  if (!rows.empty()) {
    std::printf("%u requests, prompts of %u, %u at a time\n", flags.requests, flags.prompt, flags.sequences);
    printRows(rows);
  }
  if (interference)
    printInterference(*interference, flags);
  return kExitDone;
}

void nibble::addBenchScheduleVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<ScheduleFlags>();
  CLI::App *verb = addVerb(app, choice, "bench-schedule", "Compares continuous batching with static batches",
                           {"bench-schedule", "bench-schedule --requests 128 --repeat 1 --json",
                            "bench-schedule --requests 0 --streams 8 --long-prompt 2000"});
  auto number = [&](const char *name, uint32_t &value, const char *text, uint32_t least, uint32_t most) {
    verb->add_option(name, value, text)->check(CLI::Range(least, most))->capture_default_str();
  };
  number("--requests", flags->requests, "Requests, all there at the start; 0: no comparison of schedules", 0,
         1 << 20);
  number("--sequences", flags->sequences, "That run at a time", 1, 4096);
  number("--prompt", flags->prompt, "Tokens of each prompt", 1, 1 << 20);
  number("--mean", flags->mean, "Mean length of the outputs", 1, 1 << 20);
  number("--cap", flags->cap, "Greatest length of the outputs", 1, 1 << 20);
  verb->add_option("--seed", flags->seed, "Of the lengths")->capture_default_str();
  number("--repeat", flags->repeat, "Rounds; the median counts", 1, 1000);
  number("--token-budget", flags->tokenBudget, "Most rows in a step", 1, 1 << 20);
  number("--streams", flags->streams, "That decode while long prompts arrive; 0: none", 0, 4096);
  number("--long-prompt", flags->longPrompt, "Tokens of those prompts", 1, 1 << 20);
  number("--prompts", flags->prompts, "Their number", 0, 1000);
  verb->add_flag("--json", flags->json, "Print the result as JSON");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runBenchSchedule(choice.artifactPath, *flags); };
  });
}
