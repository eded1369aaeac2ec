//===- AnonymousMemory.h - Large zeroed memory on huge pages ------------------------*- C++ -*-===//
//
// Weights, cache and arena are read in long streams, where 4 KiB pages cost about 15%
// (reference/KERNELS-CPU.md). The memory starts at a multiple of 2 MiB, asks for huge pages and costs nothing
// until it is touched.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstddef>
#include <cstdint>

namespace nibble {

class AnonymousMemory {
public:
  AnonymousMemory() = default;
  /// `what` ("the KV cache") is for the message where the system refuses.
  static Result<AnonymousMemory> allocate(uint64_t bytes, const std::string &what);

  AnonymousMemory(AnonymousMemory &&other) noexcept;
  AnonymousMemory &operator=(AnonymousMemory &&other) noexcept;
  ~AnonymousMemory();

  std::byte *data() const { return base; }
  uint64_t size() const { return bytes; }

private:
  AnonymousMemory(std::byte *base, uint64_t bytes) : base(base), bytes(bytes) {}

  std::byte *base = nullptr;
  uint64_t bytes = 0;
};

/// Bytes that the system could still give out (MemAvailable, and within a container's limit); 0 if it does
/// not say.
uint64_t availableMemory();
/// The largest resident size of this process so far, in bytes.
uint64_t peakResidentMemory();
/// "1.5 GiB", "12.0 MiB", "512 B".
std::string formatBytes(uint64_t bytes);

} // namespace nibble
