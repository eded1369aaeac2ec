//===- CommandLine.cpp - The command line of an artifact --------------------------------------===//

#include "nibble/runtime/Commands.h"
#include "runtime/commands/Verb.h"
#include "runtime/commands/Version.h"
#include <cstdio>
#include <cstring>
#include <iostream>
#include <unistd.h>

using namespace nibble;

static const char kUsage[] = R"(nibble-run: runs artifacts that nibble-compile has made

Usage: nibble-run FILE VERB [options]     (the same as FILE VERB [options])

Examples:
  nibble-run llama generate -p "Once upon a time"
  nibble-run llama info
  nibble-run llama --help
)";

/// Where this program's own file is.
static std::string ownPath() {
  char path[4096];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path) - 1);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string("/proc/self/exe");
}

static int reportError(const Error &error) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  return kExitError;
}

/// Other users of the machine see the words that a program was started with.
static void hideKeys(int argc, char **argv) {
  constexpr std::string_view flag = "--api-key";
  auto hide = [](char *word) { std::memset(word, '*', std::strlen(word)); };
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == flag && i + 1 < argc)
      hide(argv[++i]);
    else if (std::string_view(argv[i]).starts_with(std::string(flag) + "="))
      hide(argv[i] + flag.size() + 1);
  }
}

int nibble::runCommandLine(int argc, char **argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  hideKeys(argc, argv);
  Choice choice;
  if (Artifact::hasFooter(ownPath())) {
    choice.artifactPath = ownPath();
    choice.command = argv[0];
  } else {
    if (arguments.empty()) {
      std::fputs(kUsage, stderr);
      return kExitUsage;
    }
    if (arguments[0] == "--version") {
      std::puts(versionText().c_str());
      return kExitDone;
    }
    if (arguments[0] == "--help" || arguments[0] == "-h") {
      std::fputs(kUsage, stdout);
      return kExitDone;
    }
    if (arguments[0].empty() || arguments[0][0] == '-') {
      std::fprintf(stderr, "error: expected an artifact's file before '%s'\n\n%s", arguments[0].c_str(),
                   kUsage);
      return kExitUsage;
    }
    choice.artifactPath = arguments[0];
    choice.command = "nibble-run " + arguments[0];
    arguments.erase(arguments.begin());
  }

  CLI::App app("Runs a compiled language model", choice.command);
  app.set_version_flag("--version", versionText());
  app.require_subcommand(1);
  app.footer("Each verb has --help.");
  addGenerateVerb(app, choice);
  addChatVerb(app, choice);
  addLogitsVerb(app, choice);
  addInfoVerb(app, choice);
  addVerifyVerb(app, choice);
  addEvalVerb(app, choice);
  addBenchVerb(app, choice);
  addBenchScheduleVerb(app, choice);
  addBenchServeVerb(app, choice);
  addTokenVerbs(app, choice);
  addTemplateVerb(app, choice);
  addServeVerb(app, choice);
  try {
    std::reverse(arguments.begin(), arguments.end()); // what the library expects of a vector
    app.parse(arguments);
  } catch (const CLI::ParseError &error) {
    int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? kExitDone : kExitUsage;
  }
  Result<int> code = choice.action();
  if (!code) {
    reportError(code.error());
    return Interruptible::isRequested() ? kExitInterrupted : kExitError;
  }
  if (auto flushed = flushOutput(); !flushed)
    return reportError(flushed.error());
  return *code;
}
