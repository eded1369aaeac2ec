//===- ProgramMemory.cpp - What a tiny model runs in ------------------------------------------===//
#include "lib/Bench/ProgramMemory.h"

#include "nibble/runtime/ProbeABI.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace nibble;

Result<ProgramMemory> ProgramMemory::create(const BenchProgram &program, uint32_t workers,
                                            uint32_t maxTokens) {
  ProgramMemory memory;
  memory.program = &program;
  memory.workers = workers;
  NIBBLE_TRY(memory.code, LoadedImage::load(program.image));
  NIBBLE_CHECK(memory.makeBuffers(maxTokens));
  return memory;
}

Result<void> ProgramMemory::makeBuffers(uint32_t maxTokens) {
  for (const BufferSize &buffer : program->buffers) {
    bufferOffsets.push_back(arenaStride);
    arenaStride += llvm::alignTo(buffer.perToken * maxTokens + buffer.fixed, 4096);
  }
  scratchOffset = arenaStride;
  arenaStride += llvm::alignTo(code->scratch() + 64, 4096);
  NIBBLE_TRY(arena, AnonymousMemory::allocate(arenaStride * workers, "activations"));
  return {};
}

/// Worker 0's buffers are the shared ones.
void *ProgramMemory::address(const BenchDispatch::Operand &operand, const Turn &turn, uint32_t worker) const {
  switch (operand.kind) {
  case BenchDispatch::Operand::Kind::Weight:
    return turn.weights + operand.offset;
  case BenchDispatch::Operand::Kind::Keys:
    return turn.keys;
  case BenchDispatch::Operand::Kind::Values:
    return turn.values;
  case BenchDispatch::Operand::Kind::Buffer:
    break;
  }
  uint32_t owner = program->buffers[operand.index].isPrivate ? worker : 0;
  return arena.data() + owner * arenaStride + bufferOffsets[operand.index];
}

StepTable ProgramMemory::table(std::span<const Turn> turns) const {
  StepTable table;
  std::vector<std::string> names;
  for (const Turn &turn : turns) {
    const BenchDispatch &dispatch = *turn.dispatch;
    auto known = std::ranges::find(names, dispatch.kernel);
    auto index = static_cast<uint32_t>(known - names.begin());
    if (known == names.end()) {
      names.push_back(dispatch.kernel);
      table.kernels.push_back(code->kernel(dispatch.kernel));
    }
    table.entries.push_back({index, table.operandCount, dispatch.isPrivate, dispatch.barrier});
    table.operandCount += static_cast<uint32_t>(dispatch.operands.size());
    for (const BenchDispatch::Operand &operand : dispatch.operands)
      table.sharedOperands.push_back(address(operand, turn, 0));
  }
  for (uint32_t worker = 0; worker < workers; ++worker) {
    for (const Turn &turn : turns)
      for (const BenchDispatch::Operand &operand : turn.dispatch->operands)
        table.privateOperands.push_back(address(operand, turn, worker));
    table.scratch.push_back(arena.data() + worker * arenaStride + scratchOffset);
  }
  return table;
}

Result<MachineProbe> ProgramMemory::makeProbe(WorkerPool &pool, double cacheFactor) const {
  MachineProbe::Kernels kernels = {code->kernel(kProbeRead), code->kernel(kProbeDot4),
                                   code->kernel(kProbeFMA)};
  return MachineProbe::create(pool, kernels, cacheFactor);
}
