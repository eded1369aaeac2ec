//===- PageSizes.cpp - By which pages a mapping is mapped -------------------------------------===//

#include "runtime/memory/PageSizes.h"
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>

using namespace nibble;

/// Takes a number off the front of `text`; false, and nothing taken, if there is none.
static bool takeNumber(std::string_view &text, int base, uint64_t &number) {
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (parsed.ec != std::errc())
    return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return true;
}

/// Whether `line` begins a mapping ("7f00-7f10 r--p ..."), and which. A field's name never looks so.
static bool isHeader(std::string_view line, uint64_t &begin, uint64_t &end) {
  if (!takeNumber(line, 16, begin) || !line.starts_with('-'))
    return false;
  line.remove_prefix(1);
  return takeNumber(line, 16, end) && line.starts_with(' ');
}

/// The bytes of a field ("Rss:        12 kB"), 0 if `line` is another.
static uint64_t field(std::string_view line, std::string_view name) {
  uint64_t kilobytes = 0;
  if (!line.starts_with(name) || !line.substr(name.size()).starts_with(':'))
    return 0;
  line.remove_prefix(name.size() + 1);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return takeNumber(line, 10, kilobytes) ? kilobytes * 1024 : 0;
}

MappedPages nibble::mappedPages(std::string_view smaps, uint64_t begin, uint64_t end) {
  MappedPages pages;
  bool inside = false;
  while (!smaps.empty()) {
    std::string_view line = smaps.substr(0, smaps.find('\n'));
    smaps.remove_prefix(std::min(line.size() + 1, smaps.size()));
    uint64_t first, last;
    if (isHeader(line, first, last)) {
      inside = first >= begin && last <= end;
    } else if (inside) {
      pages.resident += field(line, "Rss");
      pages.huge += field(line, "FilePmdMapped");
    }
  }
  return pages;
}

MappedPages nibble::mappedPages(const void *begin, uint64_t size) {
  FILE *file = std::fopen("/proc/self/smaps", "re");
  if (!file)
    return {};
  std::string text;
  char part[1 << 14];
  while (size_t count = std::fread(part, 1, sizeof(part), file))
    text.append(part, count);
  std::fclose(file);
  auto address = reinterpret_cast<uintptr_t>(begin);
  return mappedPages(text, address, address + (size + 4095) / 4096 * 4096);
}
