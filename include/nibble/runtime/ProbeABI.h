//===- ProbeABI.h - Kernels that measure the machine --------------------------------*- C++ -*-===//
//
// Every image has three, compiled for its target like all others, because what a machine can do is only known
// in the instructions that the kernels use. They have a kernel's signature, and as many items as the batch
// has tokens.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>

namespace nibble {

/// Their family in the manifest.
inline constexpr const char *kProbeFamily = "probe";

/// Reads memory in full vectors, forwards. operands[0]: the memory, 64-byte aligned, of which item i is the
/// bytes from i * kProbeReadBytes; operands[1]: 64 bytes for what keeps the reads alive.
inline constexpr const char *kProbeRead = "probe_read";
inline constexpr uint64_t kProbeReadBytes = 1 << 16;

/// Multiplies in registers, with as many independent sums as hide the latency; an item is so many
/// multiplications. operands[0]: kProbeOperandBytes of small numbers, 64-byte aligned; operands[1]: 64 bytes.
/// kProbeDot4 is `lowbit.dot4` on bytes, by whatever instructions the target has for it; `lowbit.dot_tile`
/// where the target has matrix tiles.
inline constexpr const char *kProbeDot4 = "probe_dot4";
/// f32 multiply-adds.
inline constexpr const char *kProbeFMA = "probe_fma";
inline constexpr uint64_t kProbeMultiplications = 1 << 22;
inline constexpr uint64_t kProbeOperandBytes = 4096;

} // namespace nibble
