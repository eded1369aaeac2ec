//===- KVCache.h - Paged keys and values of all sequences ---------------------------*- C++ -*-===//
//
// K and V, each [layer][page][kv_head] and then as KernelABI.h says, in two halves of one lazily touched
// reservation. A sequence is a list of pages; its positions 32 i .. 32 i + 31 lie in the i-th.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Manifest.h"
#include "runtime/cache/PageAllocator.h"
#include "runtime/memory/AnonymousMemory.h"
#include <span>

namespace nibble {

/// Pages that `positions` positions take.
uint32_t pagesFor(uint32_t positions);

/// Bytes of K and V together for `pages` pages in all layers.
uint64_t cacheBytes(const ModelInfo &model, CacheType type, uint32_t pages);

class KVCache {
public:
  static Result<KVCache> create(const ModelInfo &model, CacheType type, uint32_t pages);

  std::byte *keys() const { return memory.data(); }
  std::byte *values() const { return memory.data() + memory.size() / 2; }
  /// Bytes of one layer's K (or V).
  uint64_t layerBytes() const { return layerStride; }
  PageAllocator &allocator() { return pages; }
  const PageAllocator &allocator() const { return pages; }

private:
  KVCache(AnonymousMemory memory, uint64_t layerStride, uint32_t pages)
      : memory(std::move(memory)), layerStride(layerStride), pages(pages) {}

  AnonymousMemory memory;
  uint64_t layerStride;
  PageAllocator pages;
};

/// The pages of one sequence.
struct PageList {
  std::vector<uint32_t> pages;
  uint32_t length = 0; // positions stored
};

/// Pages that `list` lacks to hold `length` positions.
uint32_t missingPages(const PageList &list, uint32_t length);
/// Adds them; the allocator must have that many free.
void growPages(PageList &list, uint32_t length, PageAllocator &allocator);
/// Keeps the first `length` positions and releases the pages behind them.
void truncatePages(PageList &list, uint32_t length, PageAllocator &allocator);

} // namespace nibble
