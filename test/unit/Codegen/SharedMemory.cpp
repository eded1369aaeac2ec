//===- SharedMemory.cpp - Memory that an emulated CPU sees at the same addresses --------------===//
#include "SharedMemory.h"

#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

using namespace nibble::test;

namespace {

struct Arena {
  int file = memfd_create("kernel-tests", 0);
  uint8_t *memory = nullptr;
  std::map<size_t, size_t> blocks; // offset: size

  Arena() {
    if (file < 0 || ftruncate(file, kSharedSize) != 0)
      return;
    void *wanted = reinterpret_cast<void *>(kSharedAddress);
    void *mapped =
        mmap(wanted, kSharedSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
    if (mapped == wanted)
      memory = static_cast<uint8_t *>(mapped);
  }
};

Arena &arena() {
  static Arena instance;
  return instance;
}

} // namespace

void *nibble::test::allocateShared(size_t size, size_t alignment) {
  Arena &a = arena();
  if (!a.memory)
    return aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  size_t begin = a.blocks.empty() ? 0 : a.blocks.rbegin()->first + a.blocks.rbegin()->second;
  begin = (begin + alignment - 1) / alignment * alignment;
  if (size > kSharedSize - begin)
    abort();
  a.blocks[begin] = size;
  return a.memory + begin;
}

void nibble::test::freeShared(void *memory) {
  Arena &a = arena();
  if (!a.memory)
    free(memory);
  else if (memory)
    a.blocks.erase(static_cast<uint8_t *>(memory) - a.memory);
}

int nibble::test::sharedFile() { return arena().memory ? arena().file : -1; }
