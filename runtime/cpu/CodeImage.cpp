//===- CodeImage.cpp - Compiled kernels, mapped and callable ----------------------------------===//

#include "runtime/cpu/CodeImage.h"
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace nibble;

Result<CodeImage> CodeImage::map(const std::string &path, const SegmentInfo &segment) {
  if (segment.size == 0)
    return failure(path + ": its code for " + segment.target + " is empty");
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return failure(path + ": cannot open it: " + std::strerror(errno));
  void *address = ::mmap(nullptr, segment.size, PROT_READ | PROT_EXEC, MAP_PRIVATE, descriptor,
                         static_cast<off_t>(segment.offset));
  int code = errno;
  ::close(descriptor);
  if (address == MAP_FAILED)
    return failure(
        path + ": cannot map its code: " + std::strerror(code) +
        (code == EACCES || code == EPERM ? "; is it on a file system that was mounted noexec?" : ""));
  CodeImage image;
  image.base = address;
  image.size = segment.size;
  if (SHA256::of({static_cast<const std::byte *>(address), segment.size}) != segment.hash)
    return failure(path + ": its code for " + segment.target +
                   " does not match its hash; the file is damaged");
  return image;
}

CodeImage::CodeImage(CodeImage &&other) noexcept
    : base(std::exchange(other.base, nullptr)), size(std::exchange(other.size, 0)) {}

CodeImage &CodeImage::operator=(CodeImage &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  return *this;
}

CodeImage::~CodeImage() {
  if (base)
    ::munmap(base, size);
}

Result<void> nibble::writePerfMap(const CodeImage &image, const VariantInfo &variant) {
  std::string path = "/tmp/perf-" + std::to_string(::getpid()) + ".map";
  FILE *file = std::fopen(path.c_str(), "we");
  if (!file)
    return failure(path + ": cannot write it: " + std::strerror(errno));
  for (const KernelInfo &kernel : variant.kernels)
    std::fprintf(file, "%" PRIxPTR " %" PRIx64 " %s\n",
                 reinterpret_cast<uintptr_t>(image.at<void(void)>(kernel.entry)), kernel.size,
                 kernel.name.c_str());
  if (std::fclose(file) != 0)
    return failure(path + ": cannot write it: " + std::strerror(errno));
  return {};
}
