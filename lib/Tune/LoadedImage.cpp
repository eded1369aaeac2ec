//===- LoadedImage.cpp - Kernels of a compiled image, ready to be called ----------------------===//
#include "lib/Tune/LoadedImage.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

using namespace nibble;

Result<LoadedImage> LoadedImage::load(const CompiledImage &image) {
  LoadedImage loaded;
  void *base =
      ::mmap(nullptr, image.bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED)
    return failure("no memory for the code");
  loaded.base = base;
  loaded.size = image.bytes.size();
  std::memcpy(base, image.bytes.data(), image.bytes.size());
  if (::mprotect(base, loaded.size, PROT_READ | PROT_EXEC) != 0)
    return failure("this system lets no process make memory executable that it has written");
  auto *bytes = static_cast<char *>(base);
  for (const CompiledKernel &kernel : image.kernels) {
    loaded.kernels[kernel.name] = {reinterpret_cast<NibbleKernel *>(bytes + kernel.entry),
                                   reinterpret_cast<NibbleKernelItems *>(bytes + kernel.items)};
    loaded.scratchBytes = std::max(loaded.scratchBytes, kernel.scratch);
  }
  return loaded;
}

LoadedImage &LoadedImage::operator=(LoadedImage &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  std::swap(scratchBytes, other.scratchBytes);
  std::swap(kernels, other.kernels);
  return *this;
}

LoadedImage::~LoadedImage() {
  if (base)
    ::munmap(base, size);
}

StepTable::Kernel LoadedImage::kernel(const std::string &name) const {
  auto found = kernels.find(name);
  return found == kernels.end() ? StepTable::Kernel{nullptr, nullptr} : found->second;
}
