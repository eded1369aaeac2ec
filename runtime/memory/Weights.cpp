//===- Weights.cpp - The weight segment, where kernels read it --------------------------------===//

#include "runtime/memory/Weights.h"
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace nibble;

static constexpr uint64_t kHugePage = 2u << 20;
static constexpr uint64_t kPieceBytes = 16u << 20;

namespace {
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0)
      ::close(value);
  }
};
} // namespace

/// Reads [offset, offset + size) of a file into `target`, several threads taking pieces in turn. 0 or an
/// errno value; -1 where the file ends early.
static int readParallel(int descriptor, uint64_t offset, uint64_t size, std::byte *target, uint32_t threads) {
  std::atomic<uint64_t> next{0};
  std::atomic<int> result{0};
  auto work = [&] {
    while (result.load() == 0) {
      uint64_t begin = next.fetch_add(kPieceBytes);
      if (begin >= size)
        return;
      uint64_t end = std::min(begin + kPieceBytes, size);
      while (begin < end) {
        ssize_t count = ::pread(descriptor, target + begin, end - begin, static_cast<off_t>(offset + begin));
        if (count < 0 && errno == EINTR)
          continue;
        if (count <= 0) {
          result = count < 0 ? errno : -1;
          return;
        }
        begin += static_cast<uint64_t>(count);
      }
    }
  };
  std::vector<std::thread> helpers;
  for (uint32_t i = 1; i < threads && i * kPieceBytes < size; ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  return result;
}

Result<Weights> Weights::copyToHugePages(const std::string &path, uint64_t offset, uint64_t size,
                                         uint32_t threads) {
  Weights weights;
  weights.size = size;
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    return failure(path + ": cannot open it: " + std::strerror(errno));
  NIBBLE_TRY(weights.memory, AnonymousMemory::allocate(size, "a copy of the weights"));
  int code = readParallel(file.value, offset, size, weights.memory.data(), threads);
  if (code != 0)
    return failure(path + ": cannot read its weights: " +
                   (code < 0 ? std::string("the file ends early") : std::strerror(code)));
  weights.base = weights.memory.data();
  return weights;
}

Result<Weights> Weights::map(const std::string &path, uint64_t offset, uint64_t size) {
  Weights weights;
  weights.size = size;
  if (size == 0)
    return weights;
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    return failure(path + ": cannot open it: " + std::strerror(errno));

  // The kernel maps by 2 MiB pages only where address and file offset agree modulo 2 MiB.
  uint64_t reserved = size + 2 * kHugePage;
  void *space = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED)
    return failure(path + ": cannot map its weights: " + std::strerror(errno));
  weights.mapping = space;
  weights.mappingSize = reserved;
  auto start = reinterpret_cast<uintptr_t>(space);
  uintptr_t address = (start + kHugePage - 1) / kHugePage * kHugePage + offset % kHugePage;
  void *mapped = ::mmap(reinterpret_cast<void *>(address), size, PROT_READ, MAP_PRIVATE | MAP_FIXED,
                        file.value, static_cast<off_t>(offset));
  if (mapped == MAP_FAILED)
    return failure(path + ": cannot map its weights: " + std::strerror(errno));
  ::madvise(mapped, size, MADV_HUGEPAGE);
  weights.base = static_cast<const std::byte *>(mapped);
  return weights;
}

Weights::Weights(Weights &&other) noexcept { *this = std::move(other); }

Weights &Weights::operator=(Weights &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  std::swap(mapping, other.mapping);
  std::swap(mappingSize, other.mappingSize);
  std::swap(memory, other.memory);
  return *this;
}

Weights::~Weights() {
  if (mapping)
    ::munmap(mapping, mappingSize);
}
