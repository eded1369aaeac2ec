//===- nibble-reference.cpp - The oracle, at the command line ---------------------------------===//
#include "lib/Reference/Command/Command.h"
#include "runtime/commands/Version.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

namespace cl = llvm::cl;
using namespace nibble::reference;

static constexpr int kExitDone = 0, kExitError = 1, kExitUsage = 2, kExitInterrupted = 130;

static constexpr const char *overview = R"(Runs a compiled model slowly and exactly, in double precision

  logits     writes the logits of given tokens to a .npy file
  generate   continues sequences of tokens greedily; prints JSON

The input is an artifact, a module of any phase from import to fuse (its weights come from --checkpoint), or a
checkpoint.

Examples:
  nibble-reference llama logits --tokens ids.json -o logits.npy
  nibble-reference fuse.mlir logits --checkpoint ./Llama-3.2-1B --tokens ids.json -o logits.npy --chunk 7
  nibble-reference ./Llama-3.2-1B generate --tokens ids.json -n 20
)";

namespace {

struct Options {
  cl::OptionCategory category{"nibble-reference options"};
  cl::opt<std::string> input{cl::Positional, cl::Required, cl::desc("<artifact, module or checkpoint>"),
                             cl::cat(category)};
  cl::opt<std::string> verb{cl::Positional, cl::Required, cl::desc("<logits or generate>"),
                            cl::cat(category)};
  cl::opt<std::string> tokens{"tokens", cl::Required, cl::value_desc("file.json"),
                              cl::desc("JSON [[ids...], ...]; the sequences run as one ragged batch"),
                              cl::cat(category)};
  cl::opt<std::string> output{"o", cl::value_desc("file.npy"),
                              cl::desc("logits: float32 rows in order, one a token"), cl::cat(category)};
  cl::opt<std::string> checkpoint{"checkpoint", cl::value_desc("folder or .gguf"),
                                  cl::desc("Where a module's weights come from"), cl::cat(category)};
  cl::opt<unsigned> chunk{"chunk", cl::value_desc("N"), cl::init(0),
                          cl::desc("logits: cut prompts into steps of N tokens"), cl::cat(category)};
  cl::opt<unsigned> decodeFrom{"decode-from", cl::value_desc("K"), cl::init(UINT32_MAX),
                               cl::desc("logits: feed tokens from position K on one by one"),
                               cl::cat(category)};
  cl::opt<unsigned> count{"n", cl::value_desc("N"), cl::init(32), cl::desc("generate: tokens at most (32)"),
                          cl::cat(category)};
  cl::opt<bool> ignoreStops{"ignore-eos", cl::desc("generate: go on behind end tokens"), cl::cat(category)};
  cl::opt<CacheRounding> cache{
      "kv-cache", cl::desc("What stored keys and values are rounded to:"),
      cl::values(clEnumValN(CacheRounding::None, "f32", "nothing (the default)"),
                 clEnumValN(CacheRounding::F16, "f16", ""), clEnumValN(CacheRounding::BF16, "bf16", ""),
                 clEnumValN(CacheRounding::Int8, "int8", "a scale for each position and head")),
      cl::init(CacheRounding::None), cl::cat(category)};
};

} // namespace

/// What is wrong with the options beyond their syntax; empty if nothing.
static std::string usageProblem(const Options &options) {
  bool isLogits = options.verb == "logits";
  if (!isLogits && options.verb != "generate")
    return "'" + options.verb + "' is no verb; expected logits or generate";
  if (isLogits && options.output.empty())
    return "logits needs -o FILE.npy";
  if (!isLogits && !options.output.empty())
    return "generate prints its result; -o is an option of logits";
  if (!isLogits && (options.chunk.getNumOccurrences() || options.decodeFrom.getNumOccurrences()))
    return "--chunk and --decode-from are options of logits";
  if (isLogits && (options.count.getNumOccurrences() || options.ignoreStops))
    return "-n and --ignore-eos are options of generate";
  if (options.chunk.getNumOccurrences() && options.chunk == 0)
    return "--chunk is at least 1";
  if (options.count == 0)
    return "-n is at least 1";
  return "";
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions(options.category);
  cl::SetVersionPrinter([](llvm::raw_ostream &out) { out << nibble::versionText() << '\n'; });
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &llvm::errs()))
    return kExitUsage;
  if (std::string problem = usageProblem(options); !problem.empty()) {
    llvm::errs() << "error: " << problem << "; see nibble-reference --help\n";
    return kExitUsage;
  }
  CommandOptions command;
  command.input = options.input;
  command.checkpoint = options.checkpoint;
  command.tokens = options.tokens;
  command.output = options.output;
  command.chunk = options.chunk;
  command.decodeFrom = options.decodeFrom;
  command.count = options.count;
  command.ignoreStops = options.ignoreStops;
  command.cache = options.cache;
  auto done = options.verb == "logits" ? runLogits(command) : runGenerate(command);
  if (done)
    return kExitDone;
  bool isInterrupted = done.error().message == "interrupted";
  llvm::errs() << (isInterrupted ? "" : "error: ") << done.error().message << '\n';
  return isInterrupted ? kExitInterrupted : kExitError;
}
