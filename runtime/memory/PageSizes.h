//===- PageSizes.h - By which pages a mapping is mapped -----------------------------*- C++ -*-===//
//
// Whether a mapped file got 2 MiB pages depends on the file system and the kernel, and shows only once it was
// read: /proc/self/smaps tells (man 5 proc).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string_view>

namespace nibble {

/// Bytes of a stretch of address space that are in memory, and those of them that are mapped by huge pages.
struct MappedPages {
  uint64_t resident = 0, huge = 0;
  /// Most of it is there, by small pages.
  bool areSmall() const { return huge < resident / 2; }
};

/// Adds up the mappings in `smaps` (the text of /proc/PID/smaps) that lie inside of [begin, end).
MappedPages mappedPages(std::string_view smaps, uint64_t begin, uint64_t end);
/// The same of this process, now; zeros where the system does not say.
MappedPages mappedPages(const void *begin, uint64_t size);

} // namespace nibble
