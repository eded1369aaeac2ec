//===- PageAllocator.h - Pages of the KV cache, counted -----------------------------*- C++ -*-===//
//
// A page may belong to several sequences (a shared prefix), so pages are counted rather than owned. Free
// pages are reused last in, first out: what was touched lately is likely still mapped and warm.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <vector>

namespace nibble {

class PageAllocator {
public:
  explicit PageAllocator(uint32_t pages);

  uint32_t pageCount() const { return static_cast<uint32_t>(references.size()); }
  uint32_t freeCount() const { return static_cast<uint32_t>(freePages.size()); }

  /// Takes a free page with one reference; there must be one.
  uint32_t allocate();
  /// One more sequence holds the page.
  void retain(uint32_t page);
  /// One fewer; the last gives the page back, unless it is kept.
  void release(uint32_t page);
  /// Sequences that hold the page.
  uint32_t referenceCount(uint32_t page) const { return references[page]; }

  /// A kept page is not free when nobody holds it: it is idle. A prefix cache keeps pages.
  void keep(uint32_t page);
  /// An idle page becomes free.
  void drop(uint32_t page);
  bool isKept(uint32_t page) const { return kept[page]; }
  bool isIdle(uint32_t page) const { return kept[page] && references[page] == 0; }
  uint32_t idleCount() const { return idlePages; }

private:
  std::vector<uint32_t> references; // [page]
  std::vector<bool> kept;           // [page]
  std::vector<uint32_t> freePages;  // a stack
  uint32_t idlePages = 0;
};

} // namespace nibble
