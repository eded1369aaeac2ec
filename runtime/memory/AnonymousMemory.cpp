//===- AnonymousMemory.cpp - Large zeroed memory on huge pages --------------------------------===//

#include "runtime/memory/AnonymousMemory.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <sys/resource.h>

using namespace nibble;

static constexpr uint64_t kHugePage = 2u << 20;

Result<AnonymousMemory> AnonymousMemory::allocate(uint64_t bytes, const std::string &what) {
  if (bytes == 0)
    return AnonymousMemory();
  auto refused = [&](int code) {
    return failure("cannot reserve " + formatBytes(bytes) + " for " + what + ": " + std::strerror(code) +
                   "; a smaller --context needs less");
  };
  if (bytes > 1ull << 46)
    return refused(ENOMEM);
  uint64_t size = (bytes + 4095) / 4096 * 4096;
  void *address = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    return refused(errno);
  // Cut the reservation down to the part that starts on a huge page.
  auto start = reinterpret_cast<uintptr_t>(address);
  uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > start)
    ::munmap(address, aligned - start);
  uintptr_t end = start + size + kHugePage;
  if (end > aligned + size)
    ::munmap(reinterpret_cast<void *>(aligned + size), end - aligned - size);
  auto *base = reinterpret_cast<std::byte *>(aligned);
  ::madvise(base, size, MADV_HUGEPAGE); // a wish: small pages work too
  return AnonymousMemory(base, size);
}

AnonymousMemory::AnonymousMemory(AnonymousMemory &&other) noexcept
    : base(std::exchange(other.base, nullptr)), bytes(std::exchange(other.bytes, 0)) {}

AnonymousMemory &AnonymousMemory::operator=(AnonymousMemory &&other) noexcept {
  std::swap(base, other.base);
  std::swap(bytes, other.bytes);
  return *this;
}

AnonymousMemory::~AnonymousMemory() {
  if (base)
    ::munmap(base, bytes);
}

uint64_t nibble::availableMemory() {
  FILE *file = std::fopen("/proc/meminfo", "re");
  if (!file)
    return 0;
  char line[256];
  unsigned long long kilobytes = 0;
  while (std::fgets(line, sizeof(line), file))
    if (std::sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
      break;
  std::fclose(file);
  return kilobytes * 1024;
}

uint64_t nibble::peakResidentMemory() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

std::string nibble::formatBytes(uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}
