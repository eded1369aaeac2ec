//===- BenchServe.cpp - The verb that drives a running server ---------------------------------===//
//
// Speaks to any server of OpenAI's completions, this program's own `serve` among them; the artifact's model
// is not loaded, only its vocabulary's size is asked for where the server does not tell its own.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/runtime/Artifact.h"
#include "nibble/runtime/Json.h"
#include "runtime/commands/Verb.h"
#include "runtime/load/Answer.h"
#include "runtime/load/Load.h"
#include "runtime/load/Report.h"
#include "runtime/load/Workload.h"
#include <cmath>
#include <cstdio>
#include <fstream>
#include <unistd.h>

using namespace nibble;
using namespace nibble::load;
using Json = nlohmann::json;

namespace {

struct LoadFlags {
  std::string url = "http://127.0.0.1:8080", model, apiKey, targets, extra;
  std::string prompt = "128", output = "128";
  std::vector<double> rates;
  std::vector<uint32_t> concurrencies;
  double burstiness = 1, timeout = 600;
  uint32_t requests = 128, warmUp = 8, seeds = 0, vocabulary = 0, sharedTokens = 0, serverProcess = 0;
  uint64_t seed = 0;
  bool chat = false, words = false, stopsEarly = false, json = false, quiet = false;
};

/// What stays the same for all loads.
struct Bench {
  const LoadFlags &flags;
  Pool pool;
  Lengths prompts, outputs;
  PromptSource source;
  std::string headers, path, model;
  Json fields; // of every request

  Bench(const LoadFlags &flags, Address address, Lengths prompts, Lengths outputs)
      : flags(flags), pool(std::move(address)), prompts(prompts), outputs(outputs) {}
};

/// A line on stderr that is written over; where stderr is a file, a line now and then.
class ProgressLine {
public:
  explicit ProgressLine(bool quiet) : quiet(quiet), terminal(::isatty(STDERR_FILENO)) {}
  ~ProgressLine() {
    if (written && terminal)
      std::fputs("\r\x1b[K", stderr);
  }

  void show(const std::string &name, const Progress &at, double secondsBefore) {
    if (quiet || at.seconds < next)
      return;
    next = at.seconds + (terminal ? 0.2 : 10);
    std::string text = name + ": " + std::to_string(at.done) + " of " + std::to_string(at.all) + " done, " +
                       std::to_string(at.running) + " running";
    if (at.failed)
      text += ", " + std::to_string(at.failed) + " failed";
    char more[96];
    std::snprintf(more, sizeof more, ", %.0f tokens/s",
                  static_cast<double>(at.chunks) / std::max(at.seconds, 1e-3));
    text += more;
    if (at.done != 0) {
      double left = at.seconds / static_cast<double>(at.done) * static_cast<double>(at.all - at.done);
      std::snprintf(more, sizeof more, ", %.0f s, about %.0f s left", secondsBefore + at.seconds, left);
      text += more;
    }
    std::fprintf(stderr, terminal ? "\r\x1b[K%s" : "%s\n", text.c_str());
    std::fflush(stderr);
    written = true;
  }

private:
  const bool quiet, terminal;
  bool written = false;
  double next = 0;
};

} // namespace

//===- The server
//-----------------------------------------------------------------------------------------===//

/// Learns the model's name and, where the server tells it, its vocabulary's size (llama-server does).
static Result<void> askModels(Bench &bench) {
  const std::string &url = bench.flags.url;
  Fetched fetched = fetch(bench.pool, "/v1/models", bench.headers, 10);
  if (!fetched.failure.empty())
    return failure(url + ": no answer (" + fetched.failure + "); is a server running there?");
  if (fetched.status == 401)
    return failure(url + ": the server wants a key; give it with --api-key");
  if (fetched.status == 403)
    return failure(url + ": the server refuses (status 403): " + errorMessage(fetched.body));
  if (fetched.status != 200) {
    if (!bench.model.empty())
      return {};
    return failure(url + "/v1/models: status " + std::to_string(fetched.status) +
                   "; name the model with --model if the server has no such route");
  }
  NIBBLE_TRY(Json document, parseJson(fetched.body, url + "/v1/models"));
  auto data = document.is_object() ? document.find("data") : document.end();
  if (!document.is_object() || data == document.end() || !data->is_array() || data->empty())
    return bench.model.empty()
               ? Result<void>(failure(url + "/v1/models: names no model; give one with --model"))
               : Result<void>();
  const Json *chosen = nullptr;
  std::string names;
  for (const Json &entry : *data) {
    if (!entry.is_object() || !entry.contains("id") || !entry["id"].is_string())
      continue;
    std::string id = entry["id"];
    names += (names.empty() ? "" : ", ") + id;
    if (!chosen && (bench.model.empty() || bench.model == id))
      chosen = &entry;
  }
  if (!chosen && bench.model.empty())
    return failure(url + "/v1/models: names no model; give one with --model");
  if (!chosen) // servers take other names than they list
    return {};
  bench.model = (*chosen)["id"];
  for (const Json *place : {chosen, chosen->contains("meta") ? &(*chosen)["meta"] : nullptr})
    for (const char *key : {"vocab_size", "n_vocab"})
      if (place && place->is_object() && place->contains(key) && (*place)[key].is_number_unsigned() &&
          bench.source.vocabulary == 0)
        bench.source.vocabulary =
            static_cast<uint32_t>(std::min<uint64_t>((*place)[key].get<uint64_t>(), uint64_t{1} << 24));
  return {};
}

/// Of the process with this id, from the system's tables.
static std::optional<uint64_t> peakMemory(uint32_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, 6, "VmHWM:") == 0)
      return std::strtoull(line.c_str() + 6, nullptr, 10) << 10;
  return std::nullopt;
}

//===- Loads
//----------------------------------------------------------------------------------------------===//

/// Lengths and arrivals depend on the seed alone, what prompts say on the number of the load too: a server
/// that keeps prefixes has seen none of them before.
static LoadPlan planOf(const Bench &bench, const LoadShape &shape, uint64_t seed, uint64_t number,
                       uint32_t requests) {
  LoadPlan plan;
  plan.path = bench.path;
  plan.headers = bench.headers;
  plan.timeout = bench.flags.timeout;
  Random lengths = randomFor(seed, 0), times = randomFor(seed, 1);
  auto prompts = std::make_shared<std::vector<uint32_t>>();
  for (uint32_t i = 0; i < requests; ++i) {
    prompts->push_back(bench.prompts.draw(lengths));
    plan.outputTokens.push_back(bench.outputs.draw(lengths));
  }
  if (shape.rate)
    plan.arrivals = arrivalTimes(requests, *shape.rate, shape.burstiness, times);
  else
    plan.concurrency = std::min(shape.concurrency, requests);
  plan.body = [&bench, prompts, outputs = plan.outputTokens, seed, number](size_t index) {
    Random random = randomFor(seed, (number << 32) + 2 + index);
    Json body = {{"model", bench.model},
                 {"max_tokens", outputs[index]},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}},
                 {"temperature", 0}};
    if (!bench.flags.stopsEarly)
      body["ignore_eos"] = true;
    body[bench.source.chat ? "messages" : "prompt"] = makePrompt(bench.source, (*prompts)[index], random);
    body.update(bench.fields);
    return body.dump();
  };
  return plan;
}

static Result<int> runLoads(Bench &bench, const std::vector<LoadShape> &shapes, BenchReport &report) {
  const LoadFlags &flags = bench.flags;
  Interruptible interruptible;
  double before = 0;
  uint64_t number = 0;
  auto run = [&](const LoadShape &shape, uint64_t seed, uint32_t requests, const std::string &name) {
    ProgressLine line(flags.quiet);
    RunResult result =
        runLoad(bench.pool, planOf(bench, shape, seed, number++, requests), [&](const Progress &progress) {
          line.show(name, progress, before);
          return !Interruptible::isRequested();
        });
    before += result.seconds;
    return result;
  };
  if (flags.warmUp) {
    // Seeds of their own: what a server remembers of these prompts helps nothing later.
    LoadShape shape{std::nullopt, 1, std::max(1u, flags.warmUp / 2)};
    RunResult result = run(shape, ~flags.seed, flags.warmUp, "warm-up");
    Summary summary = Summary::of({&result, 1}, {});
    if (summary.complete == 0 && !Interruptible::isRequested()) {
      auto &[kind, first] = *summary.failures.begin();
      return failure(flags.url + bench.path + ": every request of the warm-up failed: " + kind +
                     (first.message.empty() ? "" : ": " + first.message));
    }
  }
  for (const LoadShape &shape : shapes) {
    LoadReport load{shape, {}, {}};
    std::vector<RunResult> runs;
    for (uint64_t seed : report.seeds) {
      if (Interruptible::isRequested())
        return failure("interrupted");
      std::string name = shape.name() + (report.seeds.size() > 1 ? ", seed " + std::to_string(seed) : "");
      runs.push_back(run(shape, seed, flags.requests, name));
      load.seeds.push_back(Summary::of({&runs.back(), 1}, report.targets));
    }
    load.all = Summary::of(runs, report.targets);
    report.loads.push_back(std::move(load));
  }
  if (Interruptible::isRequested())
    return failure("interrupted");
  return kExitDone;
}

//===- The verb
//-------------------------------------------------------------------------------------------===//

static Result<int> runBenchServe(const std::string &artifactPath, const LoadFlags &flags) {
  NIBBLE_TRY(Address address, Address::parse(flags.url));
  NIBBLE_TRY(Lengths prompts, Lengths::parse(flags.prompt));
  NIBBLE_TRY(Lengths outputs, Lengths::parse(flags.output));
  Bench bench(flags, std::move(address), prompts, outputs);
  BenchReport report;
  NIBBLE_TRY(report.targets, Targets::parse(flags.targets));
  bench.fields = Json::object();
  if (!flags.extra.empty()) {
    NIBBLE_TRY(bench.fields, parseJson(flags.extra, "--extra-body"));
    if (!bench.fields.is_object())
      return failure("--extra-body: expected an object, such as '{\"top_p\": 0.9}'");
  }
  for (char c : flags.apiKey)
    if (c <= ' ' || c == 127)
      return failure("--api-key: a key has no spaces and no control characters");
  if (!flags.apiKey.empty())
    bench.headers = "Authorization: Bearer " + flags.apiKey + "\r\n";
  bench.path = flags.chat ? "/v1/chat/completions" : "/v1/completions";
  bench.model = flags.model;
  bench.source = {flags.words, flags.chat, flags.vocabulary, flags.sharedTokens};
  raiseDescriptorLimit();
  NIBBLE_CHECK(bench.pool.resolve());
  NIBBLE_CHECK(askModels(bench));
  if (bench.source.vocabulary == 0 && !flags.words && !flags.chat) {
    NIBBLE_TRY(Artifact artifact, Artifact::open(artifactPath));
    bench.source.vocabulary = artifact.manifest().model.vocabulary;
  }

  std::vector<LoadShape> shapes;
  for (double rate : flags.rates)
    shapes.push_back({rate, flags.burstiness, 0});
  for (uint32_t concurrency : flags.concurrencies)
    shapes.push_back({std::nullopt, 1, concurrency});
  if (shapes.empty())
    shapes.push_back({std::nullopt, 1, 1});
  uint32_t seeds = flags.seeds ? flags.seeds : shapes.size() > 1 ? 3 : 1;
  for (uint32_t i = 0; i < seeds; ++i)
    report.seeds.push_back(flags.seed + i);
  report.url = "http://" + bench.pool.address.hostHeader() + bench.pool.address.base;
  report.path = bench.path;
  report.model = bench.model;
  report.prompt = flags.prompt;
  report.output = flags.output;

  NIBBLE_TRY(int code, runLoads(bench, shapes, report));
  if (flags.serverProcess)
    report.peakBytes = peakMemory(flags.serverProcess);
  if (flags.json)
    std::puts(reportJson(report).dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    std::fputs(tableText(report).c_str(), stdout);
  for (const LoadReport &load : report.loads)
    if (load.all.complete != 0)
      return code;
  return failure(flags.url + ": no request was answered");
}

static std::string checkRate(std::string &text) {
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  bool good = end != text.c_str() && *end == 0 && value > 0;
  return good ? std::string() : "expected a positive number or inf, not " + text;
}

void nibble::addBenchServeVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<LoadFlags>();
  CLI::App *verb =
      addVerb(app, choice, "bench-serve", "Drives a running server and measures what its clients see",
              {"bench-serve --url http://127.0.0.1:8080 --concurrency 16 --requests 256",
               "bench-serve --rate 1,2,4,8 --prompt sharegpt-prompt --output sharegpt-output "
               "--targets ttft=500,itl=100",
               "bench-serve --rate inf --requests 1000 --output exponential:128:512 --json"});
  verb->description(
      "Drives a running server, this program's serve or any other of OpenAI's API, and measures what its\n"
      "clients see: tokens a second, the time to the first token (TTFT), between tokens (ITL), a token "
      "behind\n"
      "the first (TPOT) and of whole answers (E2E), each as p50, p90 and p99. The artifact's own model does\n"
      "not run.");
  verb->add_option("--url", flags->url, "The server (default: " + flags->url + ")")->option_text("URL");
  verb->add_option("--api-key", flags->apiKey, "Key that the server asks for")->option_text("KEY");
  verb->add_option("--model", flags->model, "Name of the model (default: the first that the server lists)")
      ->option_text("NAME");
  verb->add_flag("--chat", flags->chat,
                 "Ask /v1/chat/completions instead of /v1/completions; implies --words");

  auto *rate = verb->add_option("--rate", flags->rates,
                                "Open loop: so many requests a second are sent, however slowly answers come; "
                                "a list is measured one by one, inf sends all at once")
                   ->delimiter(',')
                   ->check(CLI::Validator(checkRate, "RATE"))
                   ->option_text("RATE,...");
  verb->add_option("--concurrency", flags->concurrencies,
                   "Closed loop: so many clients, each of which sends its next request when it has its "
                   "answer; a list is measured one by one (default: 1)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->excludes(rate)
      ->option_text("N,... (not with --rate)");
  verb->add_option("--burstiness", flags->burstiness,
                   "With --rate, shape of the gamma distribution of the intervals: 1 is a Poisson process, "
                   "less comes in bursts, more is more even (default: 1)")
      ->check(CLI::Range(0.01, 1000.0))
      ->option_text("SHAPE");
  verb->add_option("--requests", flags->requests, "Requests of each load, for each seed (default: 128)")
      ->check(CLI::Range(1, 10'000'000))
      ->option_text("N");
  verb->add_option("--warm-up", flags->warmUp, "Requests before those that count (default: 8)")
      ->check(CLI::Range(0, 100'000))
      ->option_text("N");
  verb->add_option("--seeds", flags->seeds,
                   "Runs of each load, each with other lengths and arrivals (default: 3 where several loads "
                   "are measured, else 1)")
      ->check(CLI::Range(1, 1000))
      ->option_text("N");
  verb->add_option("--seed", flags->seed,
                   "The first seed; a server that keeps prefixes may know the prompts of an earlier run with "
                   "it (default: 0)")
      ->option_text("N");

  verb->add_option("--prompt", flags->prompt,
                   "Tokens of prompts: a number, lognormal:MEAN:SIGMA, exponential:MEAN:CAP, or "
                   "sharegpt-prompt, lengths as of ShareGPT's conversations (default: 128)")
      ->option_text("LENGTHS");
  verb->add_option("--output", flags->output,
                   "Tokens of outputs: the same, or sharegpt-output (default: 128)")
      ->option_text("LENGTHS");
  verb->add_flag("--stop-at-eos", flags->stopsEarly,
                 "Answers may end before that length (else ignore_eos is sent)");
  verb->add_flag(
      "--words", flags->words,
      "Prompts are text of about a token a word instead of token ids, which not every server takes");
  verb->add_option("--vocabulary", flags->vocabulary,
                   "Token ids of prompts are below it (default: what the server tells, else this artifact's)")
      ->check(CLI::Range(16, 1 << 24))
      ->option_text("N");
  verb->add_option("--shared-prefix", flags->sharedTokens,
                   "Tokens that all prompts begin with alike (default: 0)")
      ->check(CLI::Range(0, 1 << 20))
      ->option_text("N");
  verb->add_option("--extra-body", flags->extra,
                   "Further fields of every request, as a JSON object; they replace those that are sent "
                   "anyway (temperature is 0)")
      ->option_text("JSON");
  verb->add_option("--timeout", flags->timeout, "A request that takes longer has failed (default: 600)")
      ->check(CLI::Range(0.1, 1e6))
      ->option_text("SECONDS");

  verb->add_option("--targets", flags->targets,
                   "Milliseconds that an answer must keep to, as ttft=500,itl=100; tpot and e2e are known, "
                   "too. Goodput, answers a second that keep to all, is then reported; itl is of 99 of 100 "
                   "gaps")
      ->option_text("TARGETS");
  verb->add_option("--server-pid", flags->serverProcess,
                   "Report the peak memory of this process of this machine, too")
      ->option_text("PID");
  verb->add_flag("--quiet", flags->quiet, "No progress on stderr");
  verb->add_flag("--json", flags->json, "Print the result as JSON");
  verb->callback([flags, &choice] {
    choice.action = [flags, &choice] { return runBenchServe(choice.artifactPath, *flags); };
  });
}
