//===- Compile.cpp - From a checkpoint to an artifact, or to any phase between ----------------===//
//
// 1. Check what can be checked before any work. 2. Open the checkpoint, and build or read the module. 3. Run
// the phases up to the one that is asked for. 4. Write the module, or link: runtime, code, tokenizer,
// templates, IR, weights, manifest.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Pipelines/Compile.h"

#include "lib/Pipelines/Driver/Diagnostics.h"
#include "lib/Pipelines/Driver/ManifestJson.h"
#include "lib/Pipelines/Driver/Progress.h"
#include "lib/Pipelines/Driver/Report.h"
#include "lib/Pipelines/Driver/WeightSegment.h"
#include "lib/Pipelines/Passes.h"
#include "lib/Tune/Tune.h"
#include "nibble/Artifact/Writer.h"
#include "nibble/Codegen/CPU/CompileKernels.h"
#include "nibble/Codegen/CPU/Passes.h"
#include "nibble/Conversion/Weights.h"
#include "nibble/Import/ModelBuilder.h"
#include "nibble/Import/Tokenizer.h"
#include "nibble/Pipelines/Pipelines.h"
#include "nibble/Pipelines/PrecisionOfModule.h"
#include "nibble/Pipelines/Registration.h"
#include "nibble/runtime/ArtifactFormat.h"
#include "runtime/cpu/WorkerPool.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/ToolOutputFile.h"

#include <filesystem>
#include <iostream>
#include <sched.h>

using namespace mlir;
using namespace nibble;
namespace fs = std::filesystem;

namespace {

unsigned availableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

/// Not owned by the context: outlives it.
struct WorkerThreads {
  explicit WorkerThreads(unsigned count) : pool(llvm::hardware_concurrency(count)) {}
  llvm::DefaultThreadPool pool;
};

DialectRegistry allDialects() {
  DialectRegistry registry;
  registerAllDialects(registry);
  return registry;
}

class Compiler {
public:
  explicit Compiler(const CompileOptions &options)
      : options(options), threads(options.threads ? options.threads : availableCores()), workers(threads),
        context(allDialects(), MLIRContext::Threading::DISABLED), diagnostics(context),
        progress(options.report == ReportKind::None) {
    if (threads > 1)
      context.setThreadPool(workers.pool);
    context.loadAllAvailableDialects();
  }

  Result<void> run();
  int exitCodeOfFailure() const { return wrongUsage ? 2 : 1; }

private:
  Phase firstPhase() const { return options.from.value_or(Phase::Import); }
  /// An error of exit code 2.
  tl::unexpected<Error> usage(std::string message) {
    wrongUsage = true;
    return nibble::failure(std::move(message));
  }

  Result<void> checkOptions();
  Result<void> readTunings();
  Result<void> findTargets();
  Result<void> openInputs();
  Result<void> readModule();
  Result<void> verify(Phase phase);
  Result<void> checkContext();
  Result<void> checkFormats();
  Result<void> runPipeline(Phase phase);
  Result<void> writePlanFile();
  Result<std::string> bytecode();
  CPUTarget *tunedTarget();
  Result<void> tune();
  Result<void> generateCode();
  Result<void> emitCode(ModuleOp lowered, const CPUTarget &target);
  Result<void> writeModule();
  Result<std::vector<std::byte>> compileTokenizer();
  Result<void> link();
  void printReport(Report report);

  const CompileOptions &options;
  unsigned threads;
  WorkerThreads workers;
  MLIRContext context;
  DiagnosticCollector diagnostics;
  StageProgress progress;
  bool wrongUsage = false;

  std::vector<CPUTarget> targets;
  std::optional<Checkpoint> checkpoint;
  std::optional<ArtifactWriter> writer;
  OwningOpRef<ModuleOp> module;
  PrecisionPlan plan;
  std::map<std::string, std::string> tunings; // by target: what a plan says, or --tune found
  std::optional<TuneReport> tuned;
  std::string fusedModule; // bytecode of the fuse phase; empty where compilation starts behind it
  std::vector<CompiledImage> images;
};

} // namespace

Result<void> Compiler::checkOptions() {
  if (options.from && *options.from >= options.to)
    return usage("--compile-from=" + std::string(phaseName(*options.from)) +
                 " is not before --compile-to=" + std::string(phaseName(options.to)));
  if (!options.from && !options.checkpoint.empty())
    return usage("--checkpoint goes with --compile-from; without it the checkpoint is the first argument");
  if (options.from && options.to == Phase::Link && options.checkpoint.empty())
    return usage("--compile-from needs --checkpoint=..., which has the weights");
  bool choosesFormats = !options.precision.empty() || !options.head.empty() || !options.embedding.empty() ||
                        !options.activations.empty() || !options.plan.empty();
  if (choosesFormats && firstPhase() >= Phase::Quantize)
    return usage("formats were chosen before the phase " + std::string(phaseName(firstPhase())) +
                 "; resume from import, or leave precision, head, embedding, activations and plan out");
  if (firstPhase() == Phase::Codegen &&
      !(options.targets.empty() && options.tuneFor.empty() && !options.tune))
    return usage(
        "code was generated before the phase codegen ended; resume from schedule, or leave --target, "
        "--tune-for and --tune out");
  if (options.tune && options.to < Phase::Codegen)
    return usage("--tune needs the phase codegen");
  if (!options.writePlan.empty() && options.to < Phase::Quantize)
    return usage("--write-plan needs the phase quantize");
  if (options.output.empty() && options.to == Phase::Link)
    return usage("-o FILE is missing: the artifact to write");
  if (options.output == "-" && options.to == Phase::Link)
    return usage("an artifact cannot go to standard output; give -o the name of a file");
  std::error_code ignored;
  for (const std::string &input : {options.input, options.checkpoint})
    if (!input.empty() && input != "-" && options.output != "-" &&
        fs::equivalent(input, options.output, ignored) && !fs::is_directory(input, ignored))
      return usage(options.output + " is what is compiled; give -o another name");
  NIBBLE_CHECK(readTunings());
  return findTargets();
}

/// From the plan, also those of targets that this compilation has no use for.
Result<void> Compiler::readTunings() {
  if (options.plan.empty())
    return {};
  NIBBLE_TRY(PrecisionPlan given, readPlan(options.plan));
  for (const auto &[name, tuning] : given.tuning) {
    std::string where = options.plan + ": tuning of \"" + name + "\": ";
    auto target = findCPUTarget(name, tuning);
    if (!target)
      return nibble::failure(where + target.error().message);
    if (target->name != name)
      return nibble::failure(where + "what that is depends on the machine; name a target, here \"" +
                             target->name + "\"");
  }
  tunings = std::move(given.tuning);
  return {};
}

Result<void> Compiler::findTargets() {
  if (firstPhase() == Phase::Codegen)
    return {}; // readModule finds them
  std::vector<std::string> names = options.targets;
  if (names.empty())
    names.push_back("native");
  for (const std::string &name : names) {
    if (auto known = findCPUTarget(name); !known)
      return usage("--target: " + known.error().message);
    Result<CPUTarget> target = findCPUTarget(name, options.tuneFor);
    if (!target)
      return usage("--tune-for: " + target.error().message);
    if (auto tuned = tunings.find(target->name); tuned != tunings.end()) {
      NIBBLE_TRY(target, findCPUTarget(target->name, tuned->second));
    }
    if (llvm::none_of(targets, [&](const CPUTarget &known) { return known.name == target->name; }))
      targets.push_back(*std::move(target));
    if (targets.back().instructions != targets.front().instructions)
      return usage("an artifact holds code for one instruction set; " + targets.front().name + " and " +
                   targets.back().name + " are of two");
  }
  if (!options.tune || tunedTarget())
    return {};
  std::string all;
  for (const CPUTarget &target : targets)
    all += (all.empty() ? "" : ", ") + target.name;
  return usage("--tune measures on this machine, which does not run code for " + all +
               "; name a target that it runs, or tune where that runs");
}

/// The most capable target that this machine runs; null if it runs none of them.
CPUTarget *Compiler::tunedTarget() {
  CPUTarget *best = nullptr;
  for (CPUTarget &target : targets)
    if (runsHere(target) && (!best || target.needs.size() > best->needs.size()))
      best = &target;
  return best;
}

Result<void> Compiler::tune() {
  CPUTarget &target = *tunedTarget();
  progress.begin("tuning for " + target.name);
  constexpr double whole = 1000;
  auto report =
      tuneLinears(*module, target, options.threads ? options.threads : defaultThreads(), options.tuneSeconds,
                  [&](double share) {
                    progress.advance(static_cast<uint64_t>(share * whole), static_cast<uint64_t>(whole));
                  });
  if (!report)
    return diagnostics.take(report.error().message);
  target.tuning = report->found.best;
  tunings[target.name] = target.tuning.spelling();
  if (options.to == Phase::Codegen && options.report != ReportKind::None)
    std::cerr << tuneTable(*report);
  tuned = *std::move(report);
  return writePlanFile();
}

Result<void> Compiler::openInputs() {
  std::string path = options.from ? options.checkpoint : options.input;
  if (!path.empty()) {
    NIBBLE_TRY(checkpoint, openCheckpoint(path));
    for (const std::string &note : checkpoint->notes)
      std::cerr << "note: " << note << "\n";
  }
  if (options.from)
    return readModule();
  module = buildModel(context, *checkpoint);
  return options.verifyPhase ? verify(Phase::Import) : Result<void>();
}

Result<void> Compiler::readModule() {
  std::string error;
  auto file = openInputFile(options.input, &error);
  if (!file)
    return nibble::failure(options.input + ": " + error);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  module = parseSourceFile<ModuleOp>(sources, ParserConfig(&context));
  if (!module)
    return diagnostics.take(options.input + ": no module of MLIR, text or bytecode");
  if (auto verified = verify(*options.from); !verified)
    return nibble::failure(options.input + ": not a module of the phase " +
                           std::string(phaseName(*options.from)) + "; " + verified.error().message);
  for (ModuleOp lowered : module->getOps<ModuleOp>()) {
    NIBBLE_TRY(CPUTarget target, targetOfLowered(lowered));
    targets.push_back(std::move(target));
  }
  return {};
}

/// Checks the contract of a phase that is said to be done.
Result<void> Compiler::verify(Phase phase) {
  PassManager pm(&context);
  pm.addPass(createVerifyPhasePass({std::string(phaseName(phase))}));
  if (failed(pm.run(*module)))
    return diagnostics.take("the contract of the phase " + std::string(phaseName(phase)) + " is broken");
  return {};
}

Result<void> Compiler::checkContext() {
  auto model = modelJson(*module, options.context);
  if (!model)
    return options.to == Phase::Link ? Result<void>(tl::unexpected(model.error())) : Result<void>();
  int64_t most = (*model)["model"]["context"].get<int64_t>();
  if (options.context && *options.context > most)
    return usage("--context=" + std::to_string(*options.context) + ": the model was made for " +
                 std::to_string(most) + " positions");
  return {};
}

/// Wrong usage is told apart from other errors before the pass would report it.
Result<void> Compiler::checkFormats() {
  auto weights = weightUses(*module);
  if (failed(weights))
    return diagnostics.take("the module's weights cannot be listed");
  FormatOptions formats{options.precision, options.head, options.embedding, options.activations, {}};
  if (!options.plan.empty()) {
    NIBBLE_TRY(formats.plan, readPlan(options.plan));
    std::vector<std::string> names;
    for (const WeightUse &weight : *weights)
      names.push_back(weight.name);
    NIBBLE_CHECK(checkPlanTensors(formats.plan, names, options.plan));
  }
  if (auto chosen = chooseFormats(*weights, formats); !chosen)
    return usage(chosen.error().message);
  return {};
}

Result<void> Compiler::runPipeline(Phase phase) {
  PassManager pm(&context);
  if (phase == Phase::Quantize) {
    NIBBLE_CHECK(checkFormats());
    QuantizeOptions formats;
    formats.precision = options.precision;
    formats.head = options.head;
    formats.embedding = options.embedding;
    formats.activations = options.activations;
    formats.plan = options.plan;
    buildQuantizePipeline(pm, formats, options.verifyPhase);
  } else if (phase == Phase::Fuse) {
    buildFusePipeline(pm, options.verifyPhase);
  } else {
    buildSchedulePipeline(pm, options.verifyPhase);
  }
  if (failed(pm.run(*module)))
    return diagnostics.take("the phase " + std::string(phaseName(phase)) + " failed");
  return {};
}

Result<void> Compiler::writePlanFile() {
  plan = precisionOfModule(*module);
  if (options.writePlan.empty())
    return {};
  PrecisionPlan written = plan;
  written.tuning = tunings;
  return writePlan(written, options.writePlan);
}

/// Without locations, which may name files of this machine.
Result<std::string> Compiler::bytecode() {
  OwningOpRef<ModuleOp> copy(module->clone());
  PassManager pm(&context);
  pm.addPass(createStripDebugInfoPass());
  if (failed(pm.run(*copy)))
    return diagnostics.take("locations cannot be removed");
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  if (failed(writeBytecodeToFile(*copy, stream, BytecodeWriterConfig("nibble " NIBBLE_VERSION))))
    return diagnostics.take("the module cannot be written as bytecode");
  return bytes;
}

Result<void> Compiler::generateCode() {
  for (const CPUTarget &target : targets) {
    progress.begin("code for " + target.name);
    if (firstPhase() == Phase::Codegen) {
      NIBBLE_CHECK(emitCode(module->lookupSymbol<ModuleOp>(target.name), target));
      continue;
    }
    Result<OwningOpRef<ModuleOp>> lowered = lowerKernels(*module, target);
    if (!lowered)
      return diagnostics.take(lowered.error().message);
    if (options.to == Phase::Link)
      NIBBLE_CHECK(emitCode(**lowered, target));
    if (options.to == Phase::Codegen || options.verifyPhase)
      module->push_back(lowered->release());
  }
  return options.verifyPhase ? verify(Phase::Codegen) : Result<void>();
}

Result<void> Compiler::emitCode(ModuleOp lowered, const CPUTarget &target) {
  Result<CompiledImage> image = emitImage(lowered, target);
  if (!image)
    return diagnostics.take(image.error().message);
  images.push_back(*std::move(image));
  return {};
}

Result<void> Compiler::writeModule() {
  std::string name = options.output.empty() ? "-" : options.output, error;
  auto file = openOutputFile(name, &error);
  if (!file)
    return nibble::failure(name + ": cannot be written: " + error);
  module->print(file->os());
  file->os() << "\n";
  file->os().flush();
  if (file->os().has_error()) {
    std::string why = file->os().error().message();
    file->os().clear_error();
    return nibble::failure(name + ": cannot be written: " + why);
  }
  file->keep();
  return {};
}

/// The flat segment; nothing where the checkpoint has no tokenizer, which is said.
Result<std::vector<std::byte>> Compiler::compileTokenizer() {
  if (!options.tokenizer)
    return std::vector<std::byte>();
  TokenizerSpec spec;
  std::error_code ignored;
  if (checkpoint->gguf && checkpoint->gguf->has("tokenizer.ggml.model")) {
    NIBBLE_TRY(auto metadata, readGGUFTokenizerMetadata(*checkpoint->gguf));
    NIBBLE_TRY(spec, importGGUFTokenizer(metadata));
  } else if (!checkpoint->gguf &&
             fs::exists(fs::path(checkpoint->tokenizerFolder) / "tokenizer.json", ignored)) {
    NIBBLE_TRY(spec, importHuggingFaceTokenizer(checkpoint->tokenizerFolder));
  } else {
    std::cerr << "note: " << checkpoint->path
              << " has no tokenizer; the artifact takes and gives token ids\n";
    return std::vector<std::byte>();
  }
  return serializeTokenizer(spec);
}

/// The fewest surprises at run time: what is slow to fail comes last, the weights; the manifest needs all
/// offsets.
Result<void> Compiler::link() {
  rt::ProgramOp program = *module->getOps<rt::ProgramOp>().begin();
  NIBBLE_TRY(WeightSegment weights, WeightSegment::plan(program));
  NIBBLE_CHECK(weights.checkAgainst(checkpoint->parameters));
  NIBBLE_TRY(nlohmann::json manifest, modelJson(*module, options.context));
  manifest["nibble"] = NIBBLE_VERSION;

  progress.begin("tokenizer");
  NIBBLE_TRY(auto tokenizer, compileTokenizer());
  auto add = [&](const char *name, std::span<const std::byte> bytes, const std::string &target = "") {
    return writer->addSegment({name, target, kSegmentAlignment}, bytes);
  };
  nlohmann::json variants = nlohmann::json::array();
  for (const CompiledImage &image : images) {
    NIBBLE_TRY(uint32_t segment, add("code", std::as_bytes(std::span(image.bytes)), image.target.name));
    NIBBLE_TRY(nlohmann::json variant, variantJson(program, weights, image, segment));
    variants.push_back(std::move(variant));
  }
  if (!tokenizer.empty())
    NIBBLE_CHECK(add("tokenizer", tokenizer));
  if (!checkpoint->templates.empty())
    NIBBLE_CHECK(add("templates", std::as_bytes(std::span(checkpoint->templates))));
  if (!fusedModule.empty())
    NIBBLE_CHECK(add("ir", std::as_bytes(std::span(fusedModule))));

  progress.begin("weights");
  NIBBLE_TRY(uint32_t weightSegment,
             writer->addSegment({"weights", "", kWeightAlignment}, [&](const auto &sink) {
               return weights.write(checkpoint->parameters, threads, sink,
                                    [&](uint64_t done) { progress.advance(done, weights.size); });
             }));

  bool isFloat32 =
      llvm::all_of(plan.tensors, [](auto &entry) { return entry.second.format.element == Element::F32; });
  std::string cacheType = isFloat32 ? "f32" : "f16";
  manifest["cache"] = {{"types", {"f32", "f16", "bf16", "int8"}}, {"default", cacheType}};
  manifest["variants"] = std::move(variants);
  manifest["tensors"] = tensorsJson(weights, plan);
  manifest["plan"] = nlohmann::json::parse(printPlan(plan));
  Report report;
  report.output = options.output;
  report.model = manifest["model"];
  report.weights = weights.weights;
  report.plan = plan;
  report.weightBytes = weights.size;
  report.fileBytes = writer->segmentOffset(weightSegment) + weights.size;
  for (const CompiledImage &image : images)
    report.variants.push_back(
        {image.target.name, image.target.tuning.spelling(), image.kernels.size(), image.bytes.size()});
  report.tuned = std::move(tuned);
  report.arena.assign(program.getArena()->begin(), program.getArena()->end());
  report.privateBytes = *program.getPrivateBytes();
  report.dispatches = static_cast<size_t>(llvm::range_size(program.getBody().getOps<rt::DispatchOp>()));
  report.cacheType = cacheType;
  NIBBLE_CHECK(writer->finish(std::move(manifest)));
  progress.end();
  printReport(std::move(report));
  return {};
}

void Compiler::printReport(Report report) {
  report.stages = progress.stages();
  std::error_code error;
  if (uint64_t size = fs::file_size(options.output, error); !error)
    report.fileBytes = size;
  if (options.report == ReportKind::Table)
    std::cout << reportTable(report) << std::flush;
  else if (options.report == ReportKind::Json)
    std::cout << reportJson(report).dump(2) << std::endl;
}

Result<void> Compiler::run() {
  NIBBLE_CHECK(checkOptions());
  progress.begin("import");
  NIBBLE_CHECK(openInputs());
  NIBBLE_CHECK(checkContext());
  if (options.to == Phase::Link) {
    std::string runtime = options.runtime;
    if (runtime.empty()) {
      auto anchor = reinterpret_cast<void *>(&nibble::compile);
      fs::path self = llvm::sys::fs::getMainExecutable(options.program.c_str(), anchor);
      runtime = (self.parent_path() / "nibble-run").string();
    }
    NIBBLE_TRY(writer, ArtifactWriter::create(options.output, runtime));
  }
  if (firstPhase() >= Phase::Quantize)
    NIBBLE_CHECK(writePlanFile());
  for (Phase phase : {Phase::Quantize, Phase::Fuse, Phase::Schedule}) {
    if (phase > options.to)
      break;
    if (phase > firstPhase()) {
      progress.begin(std::string(phaseName(phase)));
      NIBBLE_CHECK(runPipeline(phase));
      if (phase == Phase::Quantize)
        NIBBLE_CHECK(writePlanFile());
    }
    if (phase == Phase::Fuse && phase >= firstPhase() && options.to == Phase::Link) {
      NIBBLE_TRY(fusedModule, bytecode());
    }
  }
  if (options.tune)
    NIBBLE_CHECK(tune());
  if (options.to >= Phase::Codegen)
    NIBBLE_CHECK(generateCode());
  if (options.to == Phase::Link)
    return link();
  NIBBLE_CHECK(writeModule());
  progress.end();
  return {};
}

int nibble::compile(const CompileOptions &options) {
  Compiler compiler(options);
  Result<void> done = compiler.run();
  if (done)
    return 0;
  std::cerr << "nibble-compile: error: " << done.error().message << "\n";
  return compiler.exitCodeOfFailure();
}
