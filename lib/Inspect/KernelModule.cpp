//===- KernelModule.cpp - The IR of an artifact, scheduled again ------------------------------===//
#include "lib/Inspect/KernelModule.h"

#include "dialects/RT/RT.h"
#include "nibble/Codegen/CPU/Target.h"
#include "nibble/Pipelines/Pipelines.h"
#include "nibble/Pipelines/Registration.h"
#include "nibble/runtime/ProbeABI.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace nibble;

std::unique_ptr<MLIRContext> nibble::inspectionContext() {
  DialectRegistry registry;
  registerAllDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

Result<OwningOpRef<ModuleOp>> nibble::scheduledModule(MLIRContext &context, const Artifact &artifact) {
  std::span<const std::byte> bytes = artifact.segment("ir");
  if (bytes.empty())
    return nibble::failure(artifact.path() +
                           ": carries no IR; compile the checkpoint again, from a phase before schedule");
  std::string problem;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && problem.empty())
      problem = ": " + diagnostic.str();
    return mlir::success();
  });
  StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(text, artifact.path());
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(buffer->getBuffer(), ParserConfig(&context));
  if (!module)
    return nibble::failure(artifact.path() + ": its IR cannot be read" + problem +
                           "; use the nibble-inspect of the version that compiled it, " +
                           artifact.manifest().compiler);
  PassManager pm(&context);
  buildSchedulePipeline(pm);
  if (mlir::failed(pm.run(*module)))
    return nibble::failure(artifact.path() + ": its IR cannot be scheduled" + problem);
  return Result<OwningOpRef<ModuleOp>>(std::move(module));
}

/// "attention_8x16_kv4.f16" to "attention_8x16_kv4".
static std::string withoutCacheType(const std::string &name) {
  StringRef base = name;
  for (StringRef type : {".f32", ".f16", ".bf16", ".int8"})
    if (base.consume_back(type))
      break;
  return base.str();
}

Result<std::string> nibble::kernelModuleText(const Artifact &artifact, const FoundKernel &found) {
  std::unique_ptr<MLIRContext> context = inspectionContext();
  NIBBLE_TRY(OwningOpRef<ModuleOp> scheduled, scheduledModule(*context, artifact));
  const std::string &name = found.kernel->name;
  auto kernel = scheduled->lookupSymbol<rt::KernelOp>(name);
  if (!kernel)
    kernel = scheduled->lookupSymbol<rt::KernelOp>(withoutCacheType(name));
  bool isProbe = found.kernel->family == kProbeFamily; // which every module gets
  if (!kernel && !isProbe)
    return nibble::failure(artifact.path() + ": its IR has no kernel '" + name +
                           "'; use the nibble-inspect of the version that compiled it, " +
                           artifact.manifest().compiler);
  OwningOpRef<ModuleOp> alone = ModuleOp::create(UnknownLoc::get(context.get()));
  if (kernel)
    alone->push_back(kernel->clone());
  std::string text;
  llvm::raw_string_ostream stream(text);
  const std::string &target = found.variant->target, &tuning = found.variant->tunedFor;
  std::string options = "target=" + target, triple;
  if (!tuning.empty() && tuning != cpuTunings().front().name)
    options = "\"" + options + " tune-for=" + tuning + "\"";
  if (Result<CPUTarget> known = findCPUTarget(target); known && known->instructions != InstructionSet::X86_64)
    triple = std::string(" -mtriple=") + known->triple();
  stream << "// Kernel " << name << ", as the phase schedule made it. Its machine code for " << target
         << " comes from this text by\n"
         << "//   nibble-opt - --nibble-codegen-cpu=" << options
         << " | mlir-translate --mlir-to-llvmir | llc -O3" << triple
         << " --relocation-model=pic -filetype=asm\n"
         << "// where mlir-translate and llc are LLVM 22's (mlir-translate-22, llc-22).\n";
  alone->print(stream);
  stream << "\n";
  return text;
}
