//===- CommandLine.cpp - Options of nibble-compile --------------------------------------------===//
#include "nibble/Pipelines/Compile.h"

#include <CLI/CLI.hpp>

using namespace nibble;

static constexpr const char *kExamples = R"(
Examples:
  nibble-compile ./Llama-3.2-1B-Instruct -o llama             int4 weights, code for this machine
  nibble-compile SmolLM2-135M-Instruct.Q4_1.gguf -o smol      a quantized checkpoint keeps its codes and scales
  nibble-compile ./model -o model --precision=int8 --target=cpu:x86-64-v3,cpu:avx512-vnni
  nibble-compile ./model -o model --write-plan=plan.json      then edit the plan, and feed it back with --plan=plan.json
  nibble-compile ./model -o model --tune --write-plan=plan.json      the fastest code for this machine; a minute
  nibble-compile ./model --compile-to=fuse -o - | nibble-opt --nibble-schedule
  nibble-compile model.mlir --compile-from=fuse --checkpoint=./model -o model
  nibble-compile ./model --compile-to=codegen --target=cpu:x86-64-v3,cpu:avx512-vnni -o code.mlir
  nibble-compile code.mlir --compile-from=codegen --checkpoint=./model -o model

FORMAT: f32, f16, bf16, int8[-g32|-g64|-g128|-channel][-zero],
int4[-g32|-g64|-g128][-zero|-min], nf4, fp4, e2m1 or iq4[-g32|-g64|-g128], keep.
PHASE: import, quantize, fuse, schedule, codegen, link.)";

/// "cpu:avx512-vnni" and "avx512-vnni" are the same.
static std::string checkTarget(std::string &target) {
  size_t colon = target.find(':');
  if (colon == std::string::npos)
    return "";
  if (target.substr(0, colon) != "cpu")
    return "'" + target + "' is no target of this version; expected cpu:NAME";
  target.erase(0, colon + 1);
  return "";
}

static std::string checkPhase(std::string &name) {
  Result<Phase> phase = parsePhase(name);
  return phase ? "" : phase.error().message;
}

int nibble::compileMain(int argc, char **argv) {
  CompileOptions options;
  options.program = argc > 0 ? argv[0] : "";
  std::string to = "link", from, report = "table";

  CLI::App app("Compiles a checkpoint of a language model (a Hugging Face folder, or a GGUF file) into one "
               "file that runs.",
               "nibble-compile");
  app.set_version_flag("--version", "nibble " NIBBLE_VERSION);
  app.footer(kExamples);
  app.add_option("CHECKPOINT", options.input,
                 "Folder or .gguf file; a module with --compile-from (-: standard input)")
      ->required();
  app.add_option("-o,--output", options.output,
                 "The file to write; - is standard output (for phases before link)");
  app.add_option("--precision", options.precision,
                 "FORMAT of weights; the default is keep for a quantized checkpoint, else int4");
  app.add_option("--head", options.head, "FORMAT of the head; int8 with a quantized precision unless said");
  app.add_option("--embedding", options.embedding, "FORMAT of the embedding table; likewise");
  app.add_option("--activations", options.activations,
                 "int8, int16, bf16 or f32; int8 with integer weights and f32 with float ones unless said");
  app.add_option(
      "--plan", options.plan,
      "Precision plan (JSON): overrides the above for the tensors that it names, and --tune-for for "
      "the targets whose tuning it has");
  app.add_option("--write-plan", options.writePlan, "Writes the precision plan to this file");
  app.add_option(
         "--target", options.targets,
         "CPUs to generate code for: cpu:native; cpu:x86-64, x86-64-v3, avx-vnni, avx512, avx512-vnni, "
         "avx512-bf16, amx; cpu:neon, dotprod, i8mm")
      ->delimiter(',')
      ->transform(CLI::Validator(checkTarget, "TARGET"));
  app.add_option("--tune-for", options.tuneFor,
                 "Kind of CPU whose speed decides tiles and schedule: generic, znver4, cascadelake, "
                 "sapphirerapids; this machine's with the target native. Choices may follow: "
                 "znver4,tile-tokens=4,near-prefetch=0");
  CLI::Option *tune = app.add_flag(
      "--tune", options.tune,
      "Measures the code generator's choices on this machine, for this model's linears and the most "
      "capable target that runs here; --write-plan keeps what it finds, so that --plan gives the "
      "same artifact again");
  app.add_option("--tune-seconds", options.tuneSeconds, "How long --tune may take; 60 unless said")
      ->check(CLI::Range(1.0, 86400.0))
      ->needs(tune);
  app.add_option("--context", options.context,
                 "Positions of a sequence at run time unless a run says otherwise; at most the model's")
      ->check(CLI::PositiveNumber);
  app.add_option("--compile-to", to, "The PHASE to stop after")->check(CLI::Validator(checkPhase, "PHASE"));
  app.add_option("--compile-from", from, "CHECKPOINT is a module that this PHASE ended with")
      ->check(CLI::Validator(checkPhase, "PHASE"));
  app.add_option("--checkpoint", options.checkpoint,
                 "With --compile-from: the checkpoint that has the weights");
  app.add_option("--threads", options.threads, "Threads to use; all cores unless said")
      ->check(CLI::Range(1u, 1024u));
  app.add_option("--report", report, "What to print at the end: table, json or none")
      ->check(CLI::IsMember({"table", "json", "none"}));
  app.add_option("--runtime", options.runtime,
                 "The runtime to put in front; nibble-run beside this program unless said");
  app.add_flag("--verify-phase,!--no-verify-phase", options.verifyPhase,
               std::string("Checks after every phase that the module is in the state in which the phase ends "
                           "(pass nibble-verify-phase); ") +
                   (kIsDebugBuild ? "on" : "off") + " in this build unless said");
  app.add_flag("!--no-tokenizer", options.tokenizer,
               "Leaves the tokenizer out: the artifact takes and gives token ids");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.to = *parsePhase(to);
  if (!from.empty())
    options.from = *parsePhase(from);
  options.report = report == "json"   ? ReportKind::Json
                   : report == "none" ? ReportKind::None
                                      : ReportKind::Table;
  return compile(options);
}
