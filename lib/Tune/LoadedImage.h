//===- LoadedImage.h - Kernels of a compiled image, ready to be called --------------*- C++ -*-===//
//
// The compiler's own way to run what it has just compiled; an artifact's images are mapped out of its file.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/CompileKernels.h"
#include "runtime/cpu/StepWalker.h"

#include <map>

namespace nibble {

class LoadedImage {
public:
  /// Copies the image's bytes into executable memory.
  static Result<LoadedImage> load(const CompiledImage &image);
  LoadedImage(LoadedImage &&other) noexcept { *this = std::move(other); }
  LoadedImage &operator=(LoadedImage &&other) noexcept;
  ~LoadedImage();

  /// Null functions where the image has no kernel of that name.
  StepTable::Kernel kernel(const std::string &name) const;
  /// The most that a kernel of the image needs of a worker, in bytes.
  uint64_t scratch() const { return scratchBytes; }

private:
  LoadedImage() = default;

  void *base = nullptr;
  size_t size = 0;
  uint64_t scratchBytes = 0;
  std::map<std::string, StepTable::Kernel> kernels;
};

} // namespace nibble
