//===- Program.h - A variant's program, resolved to addresses -----------------------*- C++ -*-===//
//
// Turns the manifest's dispatches into a StepTable once, when budgets, threads and cache are known, so that a
// step has nothing left to look up.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/cpu/CodeImage.h"
#include "runtime/cpu/StepWalker.h"

namespace nibble {

/// The memory that operands point into. All of it is 64-byte aligned.
struct ProgramMemory {
  std::byte *arena;         // arenaBytes() of it
  std::byte *workers;       // [worker][workerStride]: private memory, then scratch
  uint64_t workerStride;    // bytes, of workerBytes()
  const std::byte *weights; // the segment
  std::byte *keys, *values; // [layer][page][kv_head]; KernelABI.h says what lies in a page
  uint64_t layerStride;     // bytes of one layer's K (or V)
};

/// Bytes of the arena under these budgets.
uint64_t arenaBytes(const ProgramInfo &program, uint32_t tokenBudget, uint32_t rowBudget);
/// Bytes that a worker needs for its private buffers and the scratch of any kernel, a multiple of 4096.
uint64_t workerBytes(const VariantInfo &variant);

StepTable resolveProgram(const VariantInfo &variant, const CodeImage &image, CacheType cache,
                         const ProgramMemory &memory, uint32_t threads, uint32_t tokenBudget,
                         uint32_t rowBudget);

/// Where the step leaves the logits, f32 [R, vocabulary], rows at multiples of 64 bytes.
float *resolveLogits(const ProgramInfo &program, const ProgramMemory &memory, uint32_t tokenBudget,
                     uint32_t rowBudget);

} // namespace nibble
