//===- CommandLine.cpp - The command line of nibble-bench -------------------------------------===//
#include "nibble/Bench/Bench.h"

#include "lib/Bench/BenchCommand.h"

#include <cstdio>

using namespace nibble;

void nibble::addCommonOptions(CLI::App &command, BenchOptions &options, std::string &target,
                              std::string &tuneFor, const std::string &turns) {
  command.add_option("--threads", options.threads, "Worker threads; one for each core unless said")
      ->check(CLI::Range(1, 1024));
  command.add_option("--target", target, "CPU to generate code for")->capture_default_str();
  command.add_option("--tune-for", tuneFor, "CPU whose timing the code is scheduled for");
  command.add_option("--repeat", options.repeat, "Rounds; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      .add_option("--cache-factor", options.cacheFactor,
                  turns + " take turns; they, and what the read bandwidth is measured on, are this many "
                          "times the last-level cache")
      ->check(CLI::Range(0.0, 64.0))
      ->capture_default_str();
  CLI::Option *json = command.add_flag("--json", options.json, "Print the result as JSON");
  command.add_flag("--csv", options.csv, "Print the result as CSV")->excludes(json);
}

int nibble::benchMain(int argc, char **argv) {
  CLI::App app("Measures one kernel beside the read bandwidth and the peaks of this machine, which are "
               "measured in turn with it.",
               "nibble-bench");
  app.set_version_flag("--version", "nibble " NIBBLE_VERSION);
  app.footer(R"(
Examples:
  nibble-bench linear
  nibble-bench linear --rows 8192 --columns 2048 --format int4-g64 --tokens 1,8,512 --threads 2
  nibble-bench linear --format bf16 --activations f32 --target x86-64-v3 --csv
  nibble-bench attention --head-dim 128 --cache int8 --context 4096
  nibble-bench attention --tokens 512 --context 512,4096)");
  app.require_subcommand(1);
  std::pair<CLI::App *, BenchCommand> commands[] = {addLinearCommand(app), addAttentionCommand(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  bool wrongUsage = false;
  for (auto &[command, run] : commands) {
    if (!command->parsed())
      continue;
    if (Result<void> done = run(wrongUsage); !done) {
      std::fprintf(stderr, "nibble-bench: error: %s\n", done.error().message.c_str());
      return wrongUsage ? 2 : 1;
    }
  }
  return 0;
}
