//===- AnonymousMemory.cpp - Large zeroed memory on huge pages --------------------------------===//

#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
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

/// The number behind the first line of a file that is "NAME NUMBER" (NUMBER alone where there is no name);
/// none if there is no such line.
static std::optional<uint64_t> numberIn(const char *path, const char *name) {
  FILE *file = std::fopen(path, "re");
  if (!file)
    return std::nullopt;
  std::optional<uint64_t> result;
  char line[256];
  size_t skipped = std::strlen(name);
  while (!result && std::fgets(line, sizeof(line), file)) {
    unsigned long long number;
    if (std::strncmp(line, name, skipped) == 0 && std::sscanf(line + skipped, "%llu", &number) == 1)
      result = number;
  }
  std::fclose(file);
  return result;
}

uint64_t nibble::availableMemory() {
  uint64_t system = numberIn("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  // A container's limit. What it uses includes pages of files, which the system takes back when it must.
  auto limit = numberIn("/sys/fs/cgroup/memory.max", ""); // none for "max" as well
  auto used = numberIn("/sys/fs/cgroup/memory.current", "");
  if (!limit || !used)
    return system;
  uint64_t files = numberIn("/sys/fs/cgroup/memory.stat", "active_file ").value_or(0) +
                   numberIn("/sys/fs/cgroup/memory.stat", "inactive_file ").value_or(0);
  uint64_t taken = *used - std::min(*used, files);
  return std::min(system, *limit - std::min(*limit, taken));
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
