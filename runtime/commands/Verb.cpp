//===- Verb.cpp - What the verbs of an artifact share -----------------------------------------===//

#include "runtime/commands/Verb.h"
#include "nibble/runtime/Json.h"
#include "runtime/commands/Version.h"
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/resource.h>
#include <unistd.h>

using namespace nibble;

CLI::App *nibble::addVerb(CLI::App &app, const Choice &choice, const char *name, const char *summary,
                          const std::vector<const char *> &examples) {
  CLI::App *verb = app.add_subcommand(name, summary);
  verb->set_version_flag("--version", versionText());
  std::string footer = "Examples:\n";
  for (const char *example : examples)
    footer += "  " + choice.command + " " + example + "\n";
  verb->footer(footer);
  return verb;
}

void nibble::addRunFlags(CLI::App &verb, RunFlags &flags) {
  auto *group = &verb;
  group->add_option("--threads", flags.threads, "Worker threads (default: one for each core)")
      ->check(CLI::Range(1, 1024));
  group->add_option("--device", flags.device, "auto, cpu or cuda[:N]");
  group->add_option("--cpu", flags.cpu, "Force the variant compiled for this target (see info)");
  group->add_option("--kv-cache", flags.cacheType,
                    "Type of the KV cache: f32, f16, bf16 or int8 (default: see info)");
  group->add_option("--context", flags.context, "Most positions of a sequence (default: see info)")
      ->check(CLI::PositiveNumber);
  group
      ->add_option("--weights", flags.weights,
                   "map the weights from the file, copy them to huge pages, or auto")
      ->check(CLI::IsMember({"auto", "map", "huge"}));
  group->add_flag("--profile", flags.profile, "Print how long each dispatch took");
  group->add_flag("--perf-map", flags.perfMap, "Name the kernels for perf in /tmp/perf-PID.map");
  group->add_flag("--memory-plan", flags.plan, "Print the memory plan before anything is allocated");
}

Result<EngineOptions> nibble::engineOptions(const RunFlags &flags) {
  EngineOptions options;
  options.threads = flags.threads;
  options.cpu = flags.cpu;
  options.context = flags.context;
  options.profile = flags.profile;
  options.perfMap = flags.perfMap;
  if (!flags.cacheType.empty()) {
    NIBBLE_TRY(options.cacheType, parseCacheType(flags.cacheType));
  }
  options.weights = flags.weights == "huge"  ? WeightsMode::Huge
                    : flags.weights == "map" ? WeightsMode::Map
                                             : WeightsMode::Auto;
  if (flags.device.substr(0, 4) == "cuda")
    return failure("--device=" + flags.device + ": this artifact has no code for GPUs; use --device=cpu");
  if (flags.device != "auto" && flags.device != "cpu")
    return failure("--device=" + flags.device + ": expected auto, cpu or cuda[:N]");
  return options;
}

Result<Engine> nibble::startEngine(const Artifact &artifact, const EngineOptions &options,
                                   const RunFlags &flags) {
  if (flags.plan) {
    NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
    std::fprintf(stderr, "memory plan (%s):\n%s", plan.variant->target.c_str(), describe(plan).c_str());
  }
  return Engine::create(artifact, options);
}

void nibble::printProfile(const Engine &engine) {
  std::vector<DispatchTime> times = engine.profile();
  if (times.empty())
    return;
  // The same dispatch of all layers is one line: names differ in the layer's number only.
  auto family = [](const std::string &name) {
    std::string result;
    for (char c : name)
      if (c >= '0' && c <= '9') {
        if (result.empty() || result.back() != '*')
          result += '*';
      } else {
        result += c;
      }
    return result;
  };
  std::vector<std::pair<std::string, DispatchTime>> lines;
  double total = 0;
  for (const DispatchTime &time : times) {
    std::string name = family(time.name);
    auto found = std::find_if(lines.begin(), lines.end(), [&](auto &line) { return line.first == name; });
    if (found == lines.end())
      found = lines.insert(lines.end(), {name, {}});
    found->second.runs += time.runs;
    found->second.seconds += time.seconds;
    total += time.seconds;
  }
  std::sort(lines.begin(), lines.end(), [](auto &a, auto &b) {
    return std::pair(-a.second.seconds, a.first) < std::pair(-b.second.seconds, b.first);
  });
  std::fprintf(stderr, "\n%-40s %10s %12s %10s %7s\n", "dispatch", "runs", "total ms", "us a run", "share");
  for (const auto &[name, time] : lines)
    std::fprintf(stderr, "%-40s %10llu %12.3f %10.2f %6.1f%%\n", name.c_str(),
                 static_cast<unsigned long long>(time.runs), time.seconds * 1e3,
                 time.runs ? time.seconds * 1e6 / static_cast<double>(time.runs) : 0.0,
                 total > 0 ? time.seconds / total * 100 : 0.0);
  std::fprintf(stderr, "weights %s\n",
               engine.weightsPlace() == WeightsPlace::Mapped ? "mapped from the file"
                                                             : "copied to huge pages");
}

//===- Interrupts ---------------------------------------------------------------------------------------===//

static std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free); // a signal's handler may use it

static void onInterrupt(int) {
  if (interrupted.exchange(true)) { // the program does not listen: end as if the signal had not been caught
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

Interruptible::Interruptible() {
  interrupted = false;
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  action.sa_flags =
      SA_RESTART; // an answer on its way to the terminal is not a failed write; poll returns all the same
  ::sigaction(SIGINT, &action, nullptr);
}
Interruptible::~Interruptible() { std::signal(SIGINT, SIG_DFL); }
bool Interruptible::isRequested() { return interrupted; }
bool Interruptible::takeRequest() { return interrupted.exchange(false); }

void nibble::raiseDescriptorLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

Result<void> nibble::flushOutput() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return failure(std::string("standard output: cannot write: ") + std::strerror(errno));
  return {};
}
