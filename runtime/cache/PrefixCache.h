//===- PrefixCache.h - Full pages found again by what they hold ---------------------*- C++ -*-===//
//
// A page is known by the 32 tokens in it and by the page before it, so that one known page stands for all
// that precede it. Looked up by a hash, and then compared token by token: two prompts never share a page by
// chance. Whoever holds a page holds those before it, and the least recently used page is given up first:
// both together leave no page behind whose predecessor is gone.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/KernelABI.h"
#include "runtime/cache/PageAllocator.h"
#include <array>
#include <span>

namespace nibble {

/// Stands before the first page of a sequence, and for none.
inline constexpr uint32_t kNoPage = UINT32_MAX;

using PageTokens = std::span<const int32_t, kPageSize>;

class PrefixCache {
public:
  /// Nothing is allocated later. `seed` makes hashes that nobody can foresee, so that no choice of prompts
  /// makes looking up slow.
  PrefixCache(uint32_t pages, uint64_t seed);

  /// The page that holds `tokens` behind `previous`; kNoPage: none is known.
  uint32_t find(uint32_t previous, PageTokens tokens) const;
  /// Makes `page`, which a sequence has just filled, known. If one with the same content is known already,
  /// that one is returned, and `page` is left alone.
  uint32_t add(uint32_t previous, PageTokens tokens, uint32_t page, PageAllocator &pages);
  /// The page and all before it count as used now.
  void touch(uint32_t page);
  /// Gives the least recently used idle page back to the allocator; there must be one.
  void evict(PageAllocator &pages);

  /// Tokens of a known page.
  PageTokens tokensOf(uint32_t page) const { return entries[page].tokens; }

private:
  struct Entry {
    std::array<int32_t, kPageSize> tokens;
    uint32_t previous = kNoPage;               // the page before it in its sequences
    uint32_t sameBucket = kNoPage;             // the next in its hash bucket
    uint32_t older = kNoPage, newer = kNoPage; // by last use
  };

  size_t bucketOf(uint32_t previous, PageTokens tokens) const;
  void unlink(uint32_t page);
  void linkNewest(uint32_t page);

  std::vector<Entry> entries;    // [page]
  std::vector<uint32_t> buckets; // first page of each; a power of two of them
  uint64_t seed;
  uint32_t oldest = kNoPage, newest = kNoPage;
};

} // namespace nibble
