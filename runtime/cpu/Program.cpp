//===- Program.cpp - A variant's program, resolved to addresses -------------------------------===//

#include "runtime/cpu/Program.h"
#include <algorithm>

using namespace nibble;

static uint64_t budgetBytes(const BudgetSize &size, uint32_t tokenBudget, uint32_t rowBudget) {
  // The manifest's bounds (2^32 a unit, 2^46 in all) and 32-bit budgets stay inside 64 bits only up to here.
  return size.perToken * tokenBudget + size.perRow * rowBudget + size.bytes;
}

uint64_t nibble::arenaBytes(const ProgramInfo &program, uint32_t tokenBudget, uint32_t rowBudget) {
  return budgetBytes(program.arena, tokenBudget, rowBudget);
}

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

uint64_t nibble::workerBytes(const VariantInfo &variant) {
  uint64_t scratch = 0;
  for (const KernelInfo &kernel : variant.kernels)
    scratch = std::max(scratch, kernel.scratch);
  // Never 0: a kernel without scratch still gets a valid address.
  return roundUp(roundUp(variant.program.privateBytes, 64) + scratch + 64, 4096);
}

StepTable nibble::resolveProgram(const VariantInfo &variant, const CodeImage &image, CacheType cache,
                                 const ProgramMemory &memory, uint32_t threads, uint32_t tokenBudget,
                                 uint32_t rowBudget) {
  StepTable table;
  for (const KernelInfo &kernel : variant.kernels)
    table.kernels.push_back(
        {image.at<NibbleKernel>(kernel.entry), image.at<NibbleKernelItems>(kernel.items)});

  std::vector<const OperandInfo *> operands;
  for (const DispatchInfo &dispatch : variant.program.dispatches) {
    StepTable::Entry entry;
    entry.kernel = dispatch.kernel[static_cast<size_t>(cache)];
    entry.operand = static_cast<uint32_t>(operands.size());
    entry.isPrivate = dispatch.isPrivate;
    entry.barrier = dispatch.barrier;
    table.entries.push_back(entry);
    for (const OperandInfo &operand : dispatch.operands) {
      operands.push_back(&operand);
      if (operand.kind == OperandInfo::Kind::Cache) // K, then V
        operands.push_back(nullptr);
    }
  }
  table.operandCount = static_cast<uint32_t>(operands.size());

  // One row of addresses; `privateMemory` is null for a step whose private operands lie in the arena.
  auto resolveRow = [&](std::byte *privateMemory, std::vector<void *> &row) {
    for (size_t i = 0; i < operands.size(); ++i) {
      const OperandInfo &operand = *operands[i];
      switch (operand.kind) {
      case OperandInfo::Kind::Private:
        if (privateMemory) {
          row.push_back(privateMemory + operand.offset);
          break;
        }
        [[fallthrough]];
      case OperandInfo::Kind::Arena:
        row.push_back(memory.arena + budgetBytes(operand.arena, tokenBudget, rowBudget));
        break;
      case OperandInfo::Kind::Weights:
        row.push_back(const_cast<std::byte *>(memory.weights) + operand.offset);
        break;
      case OperandInfo::Kind::Cache:
        row.push_back(memory.keys + operand.offset * memory.layerStride);
        row.push_back(memory.values + operand.offset * memory.layerStride);
        ++i;
        break;
      }
    }
  };
  resolveRow(nullptr, table.sharedOperands);
  uint64_t scratchOffset = roundUp(variant.program.privateBytes, 64);
  for (uint32_t worker = 0; worker < threads; ++worker) {
    std::byte *own = memory.workers + worker * memory.workerStride;
    resolveRow(own, table.privateOperands);
    table.scratch.push_back(own + scratchOffset);
  }
  return table;
}

float *nibble::resolveLogits(const ProgramInfo &program, const ProgramMemory &memory, uint32_t tokenBudget,
                             uint32_t rowBudget) {
  return reinterpret_cast<float *>(memory.arena + budgetBytes(program.logits.arena, tokenBudget, rowBudget));
}
