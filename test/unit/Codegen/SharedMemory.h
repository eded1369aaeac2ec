//===- SharedMemory.h - Memory that an emulated CPU sees at the same addresses ------*- C++ -*-===//
//
// Operands of kernels are pointers, and a kernel for another CPU runs in another process (Emulator.h). So all
// memory of kernel tests lies in one file that both map at one address.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble::test {

/// Where the memory lies in both processes: far from where systems put programs, stacks and libraries.
constexpr uintptr_t kSharedAddress = 0x3000'0000'0000;
constexpr size_t kSharedSize = size_t(4) << 30; // of a sparse file

/// Allocates in the order of a stack, more or less: what is freed comes back when what follows it is freed.
void *allocateShared(size_t size, size_t alignment = 64);
void freeShared(void *memory);

/// The file; -1 if it could not be made (then memory is not shared).
int sharedFile();

} // namespace nibble::test
