//===- Verb.h - What the verbs of an artifact share ---------------------------------*- C++ -*-===//
//
// Each verb is a file that adds its subcommand and, when it is the one that was asked for, leaves its action
// to run.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include "nibble/runtime/TokenFile.h"
#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>

namespace nibble {

/// Exit codes of every tool.
inline constexpr int kExitDone = 0, kExitError = 1, kExitUsage = 2, kExitInterrupted = 130;

/// What the command line chose. The action gives the exit code, or why it failed.
struct Choice {
  std::string artifactPath;
  std::string command; // how the user calls a verb, for examples: "./llama" or "nibble-run llama"
  std::function<Result<int>()> action;
};

/// Flags of every verb that runs the model.
struct RunFlags {
  uint32_t threads = 0, context = 0;
  std::string device = "auto", cpu, cacheType, weights = "auto";
  bool profile = false, perfMap = false, plan = false;
};

/// Adds a verb with --help, --version and examples; an example line is what follows the command's name.
CLI::App *addVerb(CLI::App &app, const Choice &choice, const char *name, const char *summary,
                  const std::vector<const char *> &examples);
void addRunFlags(CLI::App &verb, RunFlags &flags);

/// The engine's options as the flags have them; the budgets are the verb's own.
Result<EngineOptions> engineOptions(const RunFlags &flags);
/// Creates the engine; says the memory plan on stderr first where --memory-plan asks for it.
Result<Engine> startEngine(const Artifact &artifact, const EngineOptions &options, const RunFlags &flags);
/// Prints the table of --profile on stderr; nothing without it.
void printProfile(const Engine &engine);

/// Ctrl-C sets this instead of ending the program while an Interruptible lives; a second one within it ends
/// it.
class Interruptible {
public:
  Interruptible();
  ~Interruptible();
  static bool isRequested();
  /// Whether it was requested; from now on it is not. Between this and isRequested no request gets lost.
  static bool takeRequest();
};

/// A thousand connections need more descriptors than most shells allow a program at first.
void raiseDescriptorLimit();

/// Ends the program if stdout no longer takes anything (a full disk; a closed pipe ends it by itself).
Result<void> flushOutput();

void addGenerateVerb(CLI::App &app, Choice &choice);
void addLogitsVerb(CLI::App &app, Choice &choice);
void addInfoVerb(CLI::App &app, Choice &choice);
void addVerifyVerb(CLI::App &app, Choice &choice);
void addEvalVerb(CLI::App &app, Choice &choice);
void addBenchVerb(CLI::App &app, Choice &choice);
void addBenchScheduleVerb(CLI::App &app, Choice &choice);
void addBenchServeVerb(CLI::App &app, Choice &choice);
void addChatVerb(CLI::App &app, Choice &choice);
void addTokenVerbs(CLI::App &app, Choice &choice); // tokenize, detokenize
void addTemplateVerb(CLI::App &app, Choice &choice);
void addServeVerb(CLI::App &app, Choice &choice);

} // namespace nibble
