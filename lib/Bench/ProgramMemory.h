//===- ProgramMemory.h - What a tiny model runs in ----------------------------------*- C++ -*-===//
//
// The code, mapped, and the buffers of all workers. Dispatches run by the runtime's own worker pool and
// walker.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Bench/BenchProgram.h"
#include "lib/Tune/LoadedImage.h"
#include "runtime/cpu/MachineProbe.h"

namespace nibble {

class ProgramMemory {
public:
  /// `program` must outlive it. Buffers have room for `maxTokens` tokens.
  static Result<ProgramMemory> create(const BenchProgram &program, uint32_t workers, uint32_t maxTokens);

  /// A dispatch, with what differs from one of its turns to the next.
  struct Turn {
    const BenchDispatch *dispatch = nullptr;
    std::byte *weights = nullptr;                 // the segment
    std::byte *keys = nullptr, *values = nullptr; // of a layer
  };
  StepTable table(std::span<const Turn> turns) const;

  Result<MachineProbe> makeProbe(WorkerPool &pool, double cacheFactor) const;

private:
  ProgramMemory() = default;
  Result<void> makeBuffers(uint32_t maxTokens);
  void *address(const BenchDispatch::Operand &operand, const Turn &turn, uint32_t worker) const;

  const BenchProgram *program = nullptr;
  uint32_t workers = 0;
  std::optional<LoadedImage> code;
  AnonymousMemory arena; // [worker][buffer]
  std::vector<uint64_t> bufferOffsets;
  uint64_t arenaStride = 0, scratchOffset = 0; // of a worker
};

} // namespace nibble
