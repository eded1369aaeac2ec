//===- KernelCall.h - What a kernel test asks of a program for another CPU ----------*- C++ -*-===//
#pragma once

#include "nibble/runtime/KernelABI.h"

namespace nibble::test {

/// Runs all items of a kernel, in ranges of `step`. Pointers are into SharedMemory.h.
struct KernelCall {
  uint64_t entry, items; // offsets in the image
  const NibbleBatch *batch;
  void *const *operands;
  void *scratch;
  uint64_t step;
};

} // namespace nibble::test
