//===- KVCache.h - Paged keys and values of all sequences ---------------------------*- C++ -*-===//
//
// K and V, each [layer][page][kv_head] and then as KernelABI.h says, in two halves of one lazily touched
// reservation. A sequence is a list of pages; its positions 32 i .. 32 i + 31 lie in the i-th. Sequences
// share pages of equal beginnings: what a page holds depends on its tokens and those before them alone.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Manifest.h"
#include "nibble/runtime/PrefixStatistics.h"
#include "runtime/cache/PrefixCache.h"
#include "runtime/memory/AnonymousMemory.h"
#include <optional>

namespace nibble {

/// Pages that `positions` positions take.
uint32_t pagesFor(uint32_t positions);

/// Bytes of K and V together for `pages` pages in all layers.
uint64_t cacheBytes(const ModelInfo &model, CacheType type, uint32_t pages);

/// The pages of one sequence. A page that others hold too, or that is known by its content, is only read:
/// before the sequence writes to it, it gets a page of its own.
struct PageList {
  std::vector<uint32_t> pages;
  uint32_t length = 0;                   // positions stored
  std::array<int32_t, kPageSize> last{}; // tokens of the page that is begun: the first length % 32 count
};

class KVCache {
public:
  /// With `keepsPrefixes`, full pages stay after their sequences, for prompts that begin with the same
  /// tokens, until their place is needed.
  static Result<KVCache> create(const ModelInfo &model, CacheType type, uint32_t pages,
                                bool keepsPrefixes = false);

  std::byte *keys() const { return memory.data(); }
  std::byte *values() const { return memory.data() + memory.size() / 2; }
  /// Bytes of one layer's K (or V).
  uint64_t layerBytes() const { return layerStride; }

  /// Pages that sequences may still take: free ones, and those kept that nobody holds.
  uint32_t freeCount() const { return pages.freeCount() + pages.idleCount(); }
  /// Those of them that hold known prefixes.
  uint32_t idleCount() const { return pages.idleCount(); }

  /// Pages that `list` must take to hold `length` positions, if it grows at all.
  uint32_t missingPages(const PageList &list, uint32_t length) const;
  /// Takes them; so many must be free.
  void grow(PageList &list, uint32_t length);
  /// Keeps the first `length` positions and releases the pages behind them.
  void truncate(PageList &list, uint32_t length);
  /// The known pages of a prompt's beginning; at least one token of it stays to be computed.
  PrefixMatch match(std::span<const int32_t> prompt) const;
  /// Begins an empty list with them.
  void reuse(PageList &list, std::span<const int32_t> prompt);
  /// A list that holds the same positions in the same pages.
  PageList fork(const PageList &list);
  /// Notes that `tokens` were stored behind the `length` positions of the list, whose pages have grown for
  /// them, and makes pages known that they filled.
  void append(PageList &list, std::span<const int32_t> tokens);

  const PrefixStatistics &statistics() const { return counts; }

private:
  KVCache(AnonymousMemory memory, uint64_t layerStride, uint32_t layers, uint32_t pages)
      : memory(std::move(memory)), layerStride(layerStride), layers(layers), pages(pages) {}

  /// Calls visit(page) for each known page of the prompt's beginning, in order.
  template <typename Visit> void walkPrefix(std::span<const int32_t> prompt, Visit visit) const;
  uint32_t take();
  void copyPage(uint32_t from, uint32_t to);
  bool isPrivate(uint32_t page) const { return pages.referenceCount(page) == 1 && !pages.isKept(page); }
  /// The list's next position lies in a page that it may not write to.
  bool needsCopy(const PageList &list) const {
    return list.length % kPageSize != 0 && !isPrivate(list.pages[list.length / kPageSize]);
  }

  AnonymousMemory memory;
  uint64_t layerStride;
  uint32_t layers;
  PageAllocator pages;
  std::optional<PrefixCache> prefixes;
  PrefixStatistics counts;
};

} // namespace nibble
