//===- CodeImage.h - Compiled kernels, mapped and callable --------------------------*- C++ -*-===//
//
// A code segment is one position-independent image whose file offsets equal its addresses and that needs no
// relocation: it is mapped read-only and executable straight out of the file; no dlopen, no temporary file,
// no writable code.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Artifact.h"

namespace nibble {

class CodeImage {
public:
  CodeImage() = default;
  /// Maps the segment and checks its hash in the mapping that will run.
  static Result<CodeImage> map(const std::string &path, const SegmentInfo &segment);
  CodeImage(CodeImage &&other) noexcept;
  CodeImage &operator=(CodeImage &&other) noexcept;
  ~CodeImage();

  /// The function at an offset of the image.
  template <typename Function> Function *at(uint64_t offset) const {
    return reinterpret_cast<Function *>(reinterpret_cast<uintptr_t>(base) + offset);
  }

private:
  void *base = nullptr;
  uint64_t size = 0;
};

/// Writes /tmp/perf-PID.map, from which `perf` learns the kernels' names.
Result<void> writePerfMap(const CodeImage &image, const VariantInfo &variant);

} // namespace nibble
