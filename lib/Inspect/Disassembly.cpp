//===- Disassembly.cpp - A kernel's machine code as text --------------------------------------===//
//
// 1. Decode every instruction. 2. Number the targets of jumps. 3. Replace addresses relative to the program
// counter by symbols, and print.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Inspect/Disassembly.h"

#include "lib/Inspect/Names.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCExpr.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrAnalysis.h"
#include "llvm/MC/MCInstrDesc.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/TargetSelect.h"

#include <map>

using namespace nibble;

Result<FoundKernel> nibble::findKernel(const Artifact &artifact, const std::string &name,
                                       const std::string &target) {
  const Manifest &manifest = artifact.manifest();
  FoundKernel found;
  std::vector<std::string> known;
  for (const VariantInfo &variant : manifest.variants) {
    known.push_back(variant.target);
    if (!found.variant && (target.empty() || variant.target == target))
      found.variant = &variant;
  }
  if (!found.variant)
    return failure(artifact.path() + ": has no code for the target '" + target + "'" +
                   nearestNames(target, known));
  known.clear();
  std::string withCache = name + "." + std::string(cacheTypeName(manifest.defaultCache));
  for (const KernelInfo &kernel : found.variant->kernels) {
    known.push_back(kernel.name);
    if (kernel.name == name || (!found.kernel && kernel.name == withCache))
      found.kernel = &kernel;
  }
  if (!found.kernel)
    return failure(artifact.path() + ": has no kernel '" + name + "' for " + found.variant->target +
                   nearestNames(name, known));
  return found;
}

namespace {

struct Decoded {
  llvm::MCInst instruction;
  uint64_t size = 0; // bytes
  bool isValid = false;
};

class Disassembler {
public:
  Result<void> create(llvm::StringRef image);
  std::string print(const MachineCode &code);

private:
  void decode(const MachineCode &code);
  void numberTargets();
  void symbolize(llvm::MCInst &instruction, uint64_t address, uint64_t size);
  const llvm::MCExpr *reference(const std::string &name) {
    return llvm::MCSymbolRefExpr::create(context->getOrCreateSymbol(name), *context);
  }

  llvm::Triple triple;
  llvm::MCTargetOptions options;
  std::unique_ptr<llvm::MCRegisterInfo> registers;
  std::unique_ptr<llvm::MCAsmInfo> assembly;
  std::unique_ptr<llvm::MCInstrInfo> instructions;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget;
  std::unique_ptr<llvm::MCContext> context;
  std::unique_ptr<llvm::MCDisassembler> decoder;
  std::unique_ptr<llvm::MCInstPrinter> printer;
  std::unique_ptr<llvm::MCInstrAnalysis> analysis;

  std::map<uint64_t, Decoded> decoded;    // by address in the image
  std::map<uint64_t, std::string> labels; // of addresses inside of the code
  std::map<uint64_t, std::string> constants;
  std::vector<uint64_t> constantOrder;
};

} // namespace

Result<void> Disassembler::create(llvm::StringRef image) {
  auto file = llvm::object::ELF64LEFile::create(image);
  if (!file)
    return failure("the image of code is no ELF file: " + llvm::toString(file.takeError()));
  bool isArm = file->getHeader().e_machine == llvm::ELF::EM_AARCH64;
  if (!isArm && file->getHeader().e_machine != llvm::ELF::EM_X86_64)
    return failure("the image of code is for ELF machine " + std::to_string(file->getHeader().e_machine) +
                   "; x86-64 and AArch64 can be disassembled");
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllDisassemblers();
  triple = llvm::Triple(isArm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failure("this LLVM cannot disassemble " + triple.str() + ": " + error);
  registers.reset(target->createMCRegInfo(triple));
  assembly.reset(target->createMCAsmInfo(*registers, triple, options));
  instructions.reset(target->createMCInstrInfo());
  // An x86 decoder knows all instructions; AArch64's goes by features.
  subtarget.reset(target->createMCSubtargetInfo(triple, "", isArm ? "+all" : ""));
  context = std::make_unique<llvm::MCContext>(triple, assembly.get(), registers.get(), subtarget.get());
  decoder.reset(target->createMCDisassembler(*subtarget, *context));
  printer.reset(target->createMCInstPrinter(triple, assembly->getAssemblerDialect(), *assembly, *instructions,
                                            *registers));
  if (printer)
    printer->setPrintBranchImmAsAddress(true);
  analysis.reset(target->createMCInstrAnalysis(instructions.get()));
  if (!decoder || !printer || !analysis)
    return failure("this LLVM cannot disassemble " + triple.str());
  return {};
}

void Disassembler::decode(const MachineCode &code) {
  llvm::ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(code.image.data()), code.image.size());
  for (uint64_t at = code.begin; at < code.begin + code.size;) {
    Decoded entry;
    auto status = decoder->getInstruction(entry.instruction, entry.size,
                                          bytes.slice(at, code.begin + code.size - at), at, llvm::nulls());
    entry.isValid = status == llvm::MCDisassembler::Success && entry.size > 0;
    if (!entry.isValid)
      entry.size = 1;
    at += entry.size;
    decoded.emplace(at - entry.size, std::move(entry));
  }
}

void Disassembler::numberTargets() {
  for (const auto &[address, entry] : decoded) {
    uint64_t target = 0;
    if (entry.isValid && analysis->evaluateBranch(entry.instruction, address, entry.size, target) &&
        decoded.contains(target))
      labels[target] = "";
  }
  size_t number = 0;
  for (auto &[address, name] : labels)
    name = ".L" + std::to_string(++number);
}

/// Puts symbols in the place of a jump's distance, or of a displacement from the program counter.
void Disassembler::symbolize(llvm::MCInst &instruction, uint64_t address, uint64_t size) {
  llvm::ArrayRef<llvm::MCOperandInfo> operands = instructions->get(instruction.getOpcode()).operands();
  uint64_t target = 0;
  if (analysis->evaluateBranch(instruction, address, size, target)) {
    auto label = labels.find(target);
    for (unsigned i = 0; label != labels.end() && i < operands.size() && i < instruction.getNumOperands();
         ++i)
      if (operands[i].OperandType == llvm::MCOI::OPERAND_PCREL)
        instruction.getOperand(i) = llvm::MCOperand::createExpr(reference(label->second));
    return;
  }
  auto place = analysis->evaluateMemoryOperandAddress(instruction, subtarget.get(), address, size);
  if (!place || !triple.isX86())
    return;
  // An x86 memory operand is base, scale, index, displacement, segment.
  for (unsigned i = 0; i < operands.size() && i + 4 < instruction.getNumOperands(); ++i) {
    if (operands[i].OperandType != llvm::MCOI::OPERAND_MEMORY)
      continue;
    const llvm::MCOperand &base = instruction.getOperand(i);
    if (!base.isReg() || llvm::StringRef(registers->getName(base.getReg())) != "RIP")
      return;
    auto [entry, isNew] = constants.try_emplace(*place, ".C" + std::to_string(constants.size() + 1));
    if (isNew)
      constantOrder.push_back(*place);
    instruction.getOperand(i + 3) = llvm::MCOperand::createExpr(reference(entry->second));
    return;
  }
}

std::string Disassembler::print(const MachineCode &code) {
  decode(code);
  numberTargets();
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (auto &[address, entry] : decoded) {
    if (auto label = labels.find(address); label != labels.end())
      stream << label->second << ":\n";
    stream << llvm::format_hex_no_prefix(address - code.begin, 6) << ":  ";
    if (!entry.isValid) {
      stream << ".byte   " << llvm::format_hex(static_cast<uint8_t>(code.image[address]), 4) << "\n";
      continue;
    }
    symbolize(entry.instruction, address, entry.size);
    std::string line;
    llvm::raw_string_ostream lineStream(line);
    // The x86 printer counts the distance of a jump from the address that it is given.
    uint64_t origin = triple.isX86() ? address + entry.size : address;
    printer->printInst(&entry.instruction, origin, "", *subtarget, lineStream);
    auto [mnemonic, operands] = llvm::StringRef(line).trim().split('\t');
    stream << mnemonic;
    if (!operands.empty())
      stream.indent(mnemonic.size() < 16 ? 16 - mnemonic.size() : 1) << operands.trim();
    stream << "\n";
  }
  for (uint64_t place : constantOrder)
    stream << "# " << constants[place] << " is at " << llvm::format_hex(place, 1) << " of the image\n";
  return text;
}

Result<std::string> nibble::disassemble(const MachineCode &code) {
  if (code.begin > code.image.size() || code.size > code.image.size() - code.begin)
    return failure("the code lies outside of its image");
  Disassembler disassembler;
  NIBBLE_CHECK(disassembler.create(
      llvm::StringRef(reinterpret_cast<const char *>(code.image.data()), code.image.size())));
  return disassembler.print(code);
}

Result<std::string> nibble::disassembleKernel(const Artifact &artifact, const FoundKernel &found) {
  const KernelInfo &kernel = *found.kernel;
  const SegmentInfo &segment = artifact.manifest().segments[found.variant->segment];
  Result<std::string> text = disassemble({artifact.bytes(segment), kernel.entry, kernel.size});
  if (!text)
    return failure(artifact.path() + ": kernel '" + kernel.name + "': " + text.error().message);
  std::string heading;
  llvm::raw_string_ostream(heading) << "# " << kernel.name << " for " << found.variant->target << ": "
                                    << kernel.size << " bytes at " << llvm::format_hex(kernel.entry, 1)
                                    << " of the image\n";
  return heading + *text;
}
