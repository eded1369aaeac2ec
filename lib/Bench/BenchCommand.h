//===- BenchCommand.h - Commands of nibble-bench ------------------------------------*- C++ -*-===//
#pragma once

#include "nibble/runtime/Result.h"

#include <CLI/CLI.hpp>
#include <functional>

namespace nibble {

/// What all commands know.
struct BenchOptions {
  uint32_t threads = 0, repeat = 5;
  double cacheFactor = 4;
  bool json = false, csv = false;
};

/// Measures and prints. Where it fails with `wrongUsage` set, the options are at fault.
using BenchCommand = std::function<Result<void>(bool &wrongUsage)>;

/// --threads, --target, --tune-for, --repeat, --cache-factor, --json and --csv. `turns`: what takes turns.
void addCommonOptions(CLI::App &command, BenchOptions &options, std::string &target, std::string &tuneFor,
                      const std::string &turns);

// Each adds its command; what is returned runs it once the command line is read.
std::pair<CLI::App *, BenchCommand> addLinearCommand(CLI::App &app);
std::pair<CLI::App *, BenchCommand> addAttentionCommand(CLI::App &app);

} // namespace nibble
