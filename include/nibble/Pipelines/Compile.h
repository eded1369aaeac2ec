//===- Compile.h - From a checkpoint to an artifact, or to any phase between --------*- C++ -*-===//
//
// What nibble-compile does, as a function of a struct.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Pipelines/Phases.h"

#include <optional>
#include <string>
#include <vector>

namespace nibble {

#ifdef NDEBUG
inline constexpr bool kIsDebugBuild = false;
#else
inline constexpr bool kIsDebugBuild = true;
#endif

enum class ReportKind : uint8_t { Table, Json, None };

/// Spellings are those of the command line (DESIGN section 10); empty where nothing was said.
struct CompileOptions {
  std::string input;  // a checkpoint; with `from`, a module in that phase ("-": standard input)
  std::string output; // "-": standard output, for every phase but link
  std::optional<Phase> from;
  Phase to = Phase::Link;
  std::string checkpoint; // with `from`: where the weights and the tokenizer are
  std::string precision, head, embedding, activations;
  std::string plan, writePlan;      // files
  std::vector<std::string> targets; // of CPUs; empty: native, or those that `from` generated code for
  std::string tuneFor;
  bool tune = false; // measures on this machine
  double tuneSeconds = 60;
  std::optional<int64_t> context; // positions of a sequence at run time, unless a run says otherwise
  unsigned threads = 0;           // 0: all cores that this process may use
  ReportKind report = ReportKind::Table;
  bool tokenizer = true;
  bool verifyPhase = kIsDebugBuild; // check every phase's contract when it ends
  std::string runtime; // the executable in front of the artifact; empty: nibble-run beside this program
  std::string program; // this program's path
};

/// Compiles. The report goes to standard output, all else to standard error; nothing is left behind on an
/// error. Gives the exit code: 0 done, 1 a clear error, 2 wrong usage.
int compile(const CompileOptions &options);

/// Reads the command line, then compiles.
int compileMain(int argc, char **argv);

} // namespace nibble
