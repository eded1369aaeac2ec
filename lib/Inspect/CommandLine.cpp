//===- CommandLine.cpp - Options of nibble-inspect --------------------------------------------===//
#include "nibble/Inspect/Inspect.h"

#include "lib/Inspect/Diff.h"
#include "lib/Inspect/Graph.h"
#include "lib/Inspect/KernelModule.h"
#include "lib/Inspect/Output.h"
#include "lib/Inspect/Summary.h"
#include "lib/Inspect/Tensor.h"

#include "llvm/Support/CommandLine.h"

using namespace nibble;
namespace cl = llvm::cl;

static constexpr const char *kOverview =
    "looks into an artifact or a checkpoint: precision, sizes, kernels, memory, code, weights\n";

static constexpr const char *kExamples = R"(
EXAMPLES:
  nibble-inspect llama                                    tables of an artifact
  nibble-inspect ./Llama-3.2-1B-Instruct                  tables of a checkpoint (a folder, or a .gguf file)
  nibble-inspect llama --json | jq .weights.total
  nibble-inspect llama --asm=rows_norm_2048_int8 --target=avx512-vnni
  nibble-inspect llama --ir=rows_norm_2048_int8
  nibble-inspect llama --tensor=model.layers.0.mlp.up_proj.weight --codes -o codes.npy
  nibble-inspect diff llama-int4 llama-int8
  nibble-inspect graph llama --layer=0 -o layer.svg
A file that is called diff or graph is written ./diff or ./graph.
)";

namespace {

/// Registers the options while it lives; values are there after parsing.
struct CommandLine {
  cl::OptionCategory category{"Options of nibble-inspect"};
  cl::SubCommand diff{"diff", "What differs between two artifacts or checkpoints, A B"};
  cl::SubCommand graph{"graph", "Draws the dispatches of an artifact as SVG"};
  cl::SubCommand &top = cl::SubCommand::getTopLevel();

  cl::opt<std::string> input{cl::Positional, cl::Required, cl::desc("FILE|CHECKPOINT"), cl::cat(category)};
  cl::opt<bool> json{"json", cl::desc("Print the tables as JSON"), cl::cat(category), cl::sub(top),
                     cl::sub(diff)};
  cl::opt<bool> all{"all", cl::desc("Print every layer, also where several are alike"), cl::cat(category)};
  cl::opt<bool> manifest{"manifest", cl::desc("Print the artifact's manifest as it is stored"),
                         cl::cat(category)};
  cl::opt<std::string> assembly{"asm", cl::value_desc("KERNEL"), cl::desc("Disassemble a kernel"),
                                cl::cat(category)};
  cl::opt<std::string> ir{"ir", cl::value_desc("KERNEL"),
                          cl::desc("Print the module of a kernel, and how its code comes from it"),
                          cl::cat(category)};
  cl::opt<std::string> target{"target", cl::value_desc("TARGET"),
                              cl::desc("With --asm and --ir: the variant of the code; the first unless said"),
                              cl::cat(category)};
  cl::opt<std::string> tensor{"tensor", cl::value_desc("NAME"),
                              cl::desc("Write a weight, by its Hugging Face name, to -o as .npy"),
                              cl::cat(category)};
  cl::opt<bool> codes{"codes", cl::desc("With --tensor: codes, int8 or uint8 [N, K]"), cl::cat(category)};
  cl::opt<bool> scales{"scales", cl::desc("With --tensor: scales, float16 [N, groups]"), cl::cat(category)};
  cl::opt<bool> zeros{"zeros", cl::desc("With --tensor: minima (float16) or zero points (uint8) [N, groups]"),
                      cl::cat(category)};
  cl::opt<bool> values{"values", cl::desc("With --tensor: values, float32 [N, K] (the default)"),
                       cl::cat(category)};
  cl::opt<std::string> output{"o",
                              cl::value_desc("FILE"),
                              cl::desc("Write to this file; - is standard output"),
                              cl::cat(category),
                              cl::sub(top),
                              cl::sub(diff),
                              cl::sub(graph)};

  cl::opt<std::string> a{cl::Positional, cl::Required, cl::desc("A"), cl::cat(category), cl::sub(diff)};
  cl::opt<std::string> b{cl::Positional, cl::Required, cl::desc("B"), cl::cat(category), cl::sub(diff)};

  cl::opt<std::string> artifact{cl::Positional, cl::Required, cl::desc("FILE"), cl::cat(category),
                                cl::sub(graph)};
  cl::opt<std::string> layer{
      "layer",       cl::value_desc("N|all"), cl::desc("The layer to draw; 0 unless said"),
      cl::init("0"), cl::cat(category),       cl::sub(graph)};
  cl::extrahelp examples{kExamples};

  std::string outputOr(const char *other) const { return output.empty() ? other : output.getValue(); }
};

/// Wrong usage is told apart from an error, by the exit code.
struct Outcome {
  Result<void> result;
  bool isUsage = false;
  Outcome(Result<void> result) : result(std::move(result)) {}
  static Outcome usage(std::string message) {
    Outcome outcome{Result<void>(failure(std::move(message)))};
    outcome.isUsage = true;
    return outcome;
  }
};

} // namespace

static Result<void> writeText(const std::string &path, const std::string &text) {
  return writeOutput(path, [&](llvm::raw_ostream &stream) -> Result<void> {
    stream << text;
    return {};
  });
}

static Result<void> writeJson(const std::string &path, const nlohmann::ordered_json &json) {
  return writeText(path, json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

static Result<void> printTables(const CommandLine &options) {
  NIBBLE_TRY(Input input, openInput(options.input));
  nlohmann::ordered_json description = describe(input);
  if (options.json)
    return writeJson(options.outputOr("-"), description);
  return writeOutput(options.outputOr("-"), [&](llvm::raw_ostream &stream) -> Result<void> {
    printSummary(stream, description, options.all);
    return {};
  });
}

static Result<void> printManifest(const CommandLine &options) {
  NIBBLE_TRY(Artifact artifact, openArtifact(options.input, "--manifest"));
  return writeText(options.outputOr("-"), std::string(artifact.manifestText()) + "\n");
}

static Result<void> printAssembly(const CommandLine &options) {
  NIBBLE_TRY(Artifact artifact, openArtifact(options.input, "--asm"));
  NIBBLE_TRY(FoundKernel kernel, findKernel(artifact, options.assembly, options.target));
  NIBBLE_TRY(std::string text, disassembleKernel(artifact, kernel));
  return writeText(options.outputOr("-"), text);
}

static Result<void> printIR(const CommandLine &options) {
  NIBBLE_TRY(Artifact artifact, openArtifact(options.input, "--ir"));
  NIBBLE_TRY(FoundKernel kernel, findKernel(artifact, options.ir, options.target));
  NIBBLE_TRY(std::string text, kernelModuleText(artifact, kernel));
  return writeText(options.outputOr("-"), text);
}

static Outcome dumpTensor(const CommandLine &options) {
  if (options.codes + options.scales + options.zeros + options.values > 1)
    return Outcome::usage("--codes, --scales, --zeros and --values exclude each other: each makes a file");
  if (options.output.empty())
    return Outcome::usage("--tensor needs -o FILE.npy, the file to write");
  TensorPart part = options.codes    ? TensorPart::Codes
                    : options.scales ? TensorPart::Scales
                    : options.zeros  ? TensorPart::Zeros
                                     : TensorPart::Values;
  Result<Input> input = openInput(options.input);
  if (!input)
    return Result<void>(tl::unexpected(input.error()));
  return writeTensor(*input, options.tensor, part, options.output);
}

static Outcome runTop(const CommandLine &options) {
  bool hasPart = options.codes || options.scales || options.zeros || options.values;
  int verbs = (options.assembly.getNumOccurrences() > 0) + (options.ir.getNumOccurrences() > 0) +
              (options.tensor.getNumOccurrences() > 0) + options.manifest + options.json;
  if (verbs > 1)
    return Outcome::usage("--json, --manifest, --asm, --ir and --tensor exclude each other");
  if (hasPart && !options.tensor.getNumOccurrences())
    return Outcome::usage("--codes, --scales, --zeros and --values go with --tensor=NAME");
  if (options.target.getNumOccurrences() && !options.assembly.getNumOccurrences() &&
      !options.ir.getNumOccurrences())
    return Outcome::usage("--target goes with --asm or --ir");
  if (options.assembly.getNumOccurrences())
    return printAssembly(options);
  if (options.ir.getNumOccurrences())
    return printIR(options);
  if (options.tensor.getNumOccurrences())
    return dumpTensor(options);
  return options.manifest ? printManifest(options) : printTables(options);
}

static Result<void> runDiff(const CommandLine &options) {
  NIBBLE_TRY(Input a, openInput(options.a));
  NIBBLE_TRY(Input b, openInput(options.b));
  nlohmann::ordered_json differences = describeDifferences(describe(a), describe(b));
  if (options.json)
    return writeJson(options.outputOr("-"), differences);
  return writeOutput(options.outputOr("-"), [&](llvm::raw_ostream &stream) -> Result<void> {
    printDifferences(stream, differences);
    return {};
  });
}

static Result<void> drawLayer(const CommandLine &options, std::optional<uint64_t> layer) {
  NIBBLE_TRY(Artifact artifact, openArtifact(options.artifact, "graph"));
  auto context = inspectionContext();
  NIBBLE_TRY(auto module, scheduledModule(*context, artifact));
  Graph graph = graphOf(*module, layer);
  const ModelInfo &model = artifact.manifest().model;
  if (graph.nodes.empty())
    return failure(artifact.path() + ": has no dispatches of layer " + std::to_string(layer.value_or(0)) +
                   "; it has layers 0 to " + std::to_string(model.layers - 1));
  std::string title = model.name.empty() ? model.architecture : model.name;
  title += layer ? ", layer " + std::to_string(*layer) : ", all dispatches of a step";
  return writeText(options.output, drawGraph(graph, title));
}

static Outcome runGraph(const CommandLine &options) {
  uint64_t layer = 0;
  if (options.layer != "all" && llvm::StringRef(options.layer).getAsInteger(10, layer))
    return Outcome::usage("--layer=" + options.layer + ": expected a number, or all");
  if (options.output.empty())
    return Outcome::usage("graph needs -o FILE.svg, the file to write");
  return drawLayer(options, options.layer == "all" ? std::nullopt : std::optional(layer));
}

int nibble::inspectMain(int argc, char **argv) {
  CommandLine options;
  cl::HideUnrelatedOptions(options.category);
  cl::HideUnrelatedOptions(options.category, options.diff);
  cl::HideUnrelatedOptions(options.category, options.graph);
  cl::SetVersionPrinter([](llvm::raw_ostream &stream) { stream << "nibble " NIBBLE_VERSION "\n"; });
  if (!cl::ParseCommandLineOptions(argc, argv, kOverview, &llvm::errs(), nullptr, nullptr, true))
    return 2;
  Outcome outcome = options.diff    ? Outcome(runDiff(options))
                    : options.graph ? runGraph(options)
                                    : runTop(options);
  if (outcome.result)
    return 0;
  llvm::errs() << "nibble-inspect: error: " << outcome.result.error().message << "\n";
  return outcome.isUsage ? 2 : 1;
}
