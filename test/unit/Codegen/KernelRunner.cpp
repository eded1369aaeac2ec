//===- KernelRunner.cpp - Calls kernels on an emulated CPU ------------------------------------===//
//
// Cross-compiled for that CPU's instruction set, linked statically, and run by Emulator.h. Arguments: the
// file of the shared memory, the file of the image and its size. Tells the CPU's features, a line, then
// answers each call with its number of items.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelCall.h"
#include "SharedMemory.h"

#include "nibble/runtime/Artifact.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace nibble;
using namespace nibble::test;

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  size_t imageSize = strtoull(argv[3], nullptr, 10);
  void *shared = mmap(reinterpret_cast<void *>(kSharedAddress), kSharedSize, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, atoi(argv[1]), 0);
  void *image = mmap(nullptr, imageSize, PROT_READ | PROT_EXEC, MAP_PRIVATE, atoi(argv[2]), 0);
  if (shared == MAP_FAILED || image == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  for (const std::string &feature : cpuFeatures())
    printf("%s ", feature.c_str());
  printf("\n");
  fflush(stdout);

  KernelCall call;
  while (read(STDIN_FILENO, &call, sizeof call) == sizeof call) {
    char *code = static_cast<char *>(image);
    auto *entry = reinterpret_cast<NibbleKernel *>(code + call.entry);
    auto *items = reinterpret_cast<NibbleKernelItems *>(code + call.items);
    uint32_t count = items(call.batch), step = static_cast<uint32_t>(call.step);
    for (uint32_t begin = 0; begin < count; begin += step)
      entry(call.batch, call.operands, begin, std::min(begin + step, count), call.scratch);
    if (write(STDOUT_FILENO, &count, sizeof count) != sizeof count)
      return 1;
  }
  return 0;
}
