//===- Weights.h - The weight segment, where kernels read it ------------------------*- C++ -*-===//
//
// Mapped from the file (starts at once, shared between processes, may have 4 KiB pages) or copied once into
// anonymous huge pages.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/memory/AnonymousMemory.h"
#include <span>
#include <utility>

namespace nibble {

class Weights {
public:
  Weights() = default;
  /// Maps `size` bytes of the file at `offset`, a multiple of 4096.
  static Result<Weights> map(const std::string &path, uint64_t offset, uint64_t size);
  /// Copies them into huge pages; `threads` read together.
  static Result<Weights> copyToHugePages(const std::string &path, uint64_t offset, uint64_t size,
                                         uint32_t threads);
  /// Memory that already holds them.
  explicit Weights(AnonymousMemory memory, uint64_t size)
      : base(memory.data()), size(size), memory(std::move(memory)) {}
  Weights(Weights &&other) noexcept;
  Weights &operator=(Weights &&other) noexcept;
  ~Weights();

  std::span<const std::byte> bytes() const { return {base, size}; }
  bool isMapped() const { return mapping != nullptr; }

private:
  const std::byte *base = nullptr;
  uint64_t size = 0;
  void *mapping = nullptr; // of the file
  uint64_t mappingSize = 0;
  AnonymousMemory memory; // of a copy
};

} // namespace nibble
