//===- CompileKernels.cpp - Kernels of a scheduled module as machine code ---------------------===//
#include "nibble/Codegen/CPU/CompileKernels.h"

#include "dialects/RT/RT.h"
#include "nibble/Codegen/CPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <map>

using namespace mlir;
using namespace nibble;

/// A name that does not depend on the machine or the checkpoint.
static constexpr const char *kModuleName = "kernels";
static constexpr const char *kTuningAttribute = "nibble.tuning"; // of a lowered module

static std::unique_ptr<llvm::TargetMachine> createTargetMachine(const CPUTarget &target, std::string &error) {
  // Idempotent and cheap; the back end has no other way in.
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  llvm::Triple triple(target.triple());
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
                                   std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// LLVM IR to a relocatable object.
static Result<std::vector<char>> emitObject(llvm::Module &module, const CPUTarget &target) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(target, error);
  if (!machine)
    return nibble::failure("no back end for " + target.name + " in this LLVM: " + error);
  module.setTargetTriple(llvm::Triple(target.triple()));
  module.setDataLayout(machine->createDataLayout());
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return nibble::failure("this LLVM cannot emit object files for " + target.name);
  passes.run(module);
  return std::vector<char>(object.begin(), object.end());
}

/// Fills in the offsets and sizes of kernels from the image's symbols.
static Result<void> locateKernels(CompiledImage &image) {
  llvm::MemoryBufferRef buffer(llvm::StringRef(image.bytes.data(), image.bytes.size()), kModuleName);
  auto object = llvm::object::ObjectFile::createELFObjectFile(buffer);
  if (!object)
    return nibble::failure("the linked image is no ELF file: " + llvm::toString(object.takeError()));
  std::map<std::string, std::pair<uint64_t, uint64_t>> symbols; // address, size
  for (const llvm::object::SymbolRef &symbol : (*object)->symbols()) {
    auto name = symbol.getName();
    auto address = symbol.getAddress();
    if (name && address)
      symbols[name->str()] = {*address, llvm::object::ELFSymbolRef(symbol).getSize()};
    llvm::consumeError(name.takeError());
    llvm::consumeError(address.takeError());
  }
  for (CompiledKernel &kernel : image.kernels) {
    auto entry = symbols.find(kernel.name), items = symbols.find(kernel.name + "_items");
    if (entry == symbols.end() || items == symbols.end())
      return nibble::failure("the linked image lacks kernel " + kernel.name);
    std::tie(kernel.entry, kernel.size) = entry->second;
    kernel.items = items->second.first;
  }
  return {};
}

Result<OwningOpRef<ModuleOp>> nibble::lowerKernels(ModuleOp scheduled, const CPUTarget &target) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(scheduled.getLoc(), target.name);
  (*module)->setAttr(kTuningAttribute, StringAttr::get(module->getContext(), target.tuning.spelling()));
  for (Operation &op : *scheduled.getBody())
    if (isa<rt::KernelOp, func::FuncOp>(op)) // a function is a kernel that somebody wrote out
      module->push_back(op.clone());
  PassManager pm(module->getContext());
  buildCPUCodegenPipeline(pm, target);
  if (failed(pm.run(*module)))
    return nibble::failure("kernels could not be lowered for " + target.name);
  return Result<OwningOpRef<ModuleOp>>(std::move(module));
}

Result<CPUTarget> nibble::targetOfLowered(ModuleOp lowered) {
  auto tuning = lowered->getAttrOfType<StringAttr>(kTuningAttribute);
  return findCPUTarget(lowered.getName().value_or("a module without a name"),
                       tuning ? tuning.getValue() : "");
}

Result<CompiledImage> nibble::emitImage(ModuleOp module, const CPUTarget &target, EditIR edit) {
  CompiledImage image{target, {}, {}};
  MLIRContext *context = module.getContext();
  module.walk([&](LLVM::LLVMFuncOp function) {
    auto scratch = function->getAttrOfType<IntegerAttr>("nibble.scratch");
    if (!scratch)
      return;
    CompiledKernel kernel;
    kernel.name = function.getName().str();
    kernel.family = function->getAttrOfType<StringAttr>("nibble.family").str();
    if (auto cache = function->getAttrOfType<StringAttr>("nibble.cache"))
      kernel.cache = cache.str();
    kernel.scratch = scratch.getInt();
    image.kernels.push_back(std::move(kernel));
  });

  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(module, llvmContext, kModuleName);
  if (!translated)
    return nibble::failure("kernels could not be translated to LLVM IR for " + target.name);
  translated->setSourceFileName(kModuleName);
  if (edit)
    edit(*translated);

  NIBBLE_TRY(std::vector<char> object, emitObject(*translated, target));
  NIBBLE_TRY(image.bytes, linkImage(object, target.instructions));
  NIBBLE_CHECK(locateKernels(image));
  return image;
}

Result<CompiledImage> nibble::compileKernels(ModuleOp scheduled, const CPUTarget &target, EditIR edit) {
  NIBBLE_TRY(OwningOpRef<ModuleOp> lowered, lowerKernels(scheduled, target));
  return emitImage(*lowered, target, edit);
}
