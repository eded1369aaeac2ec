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
  void retain(uint32_t page) { ++references[page]; }
  /// One fewer; the last gives the page back.
  void release(uint32_t page);
  uint32_t referenceCount(uint32_t page) const { return references[page]; }

private:
  std::vector<uint32_t> references; // [page]
  std::vector<uint32_t> freePages;  // a stack
};

} // namespace nibble
