//===- PrefixCache.cpp - Full pages found again by what they hold -----------------------------===//

#include "runtime/cache/PrefixCache.h"
#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

using namespace nibble;

PrefixCache::PrefixCache(uint32_t pages, uint64_t seed)
    : entries(pages), buckets(std::bit_ceil(std::max<size_t>(pages, 1)), kNoPage), seed(seed) {}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of
/// `value`.
static uint64_t mix(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

size_t PrefixCache::bucketOf(uint32_t previous, PageTokens tokens) const {
  uint64_t hash = mix(seed ^ previous);
  for (int32_t token : tokens)
    hash = mix(hash + static_cast<uint32_t>(token));
  return hash & (buckets.size() - 1);
}

uint32_t PrefixCache::find(uint32_t previous, PageTokens tokens) const {
  uint32_t page = buckets[bucketOf(previous, tokens)];
  while (page != kNoPage &&
         (entries[page].previous != previous || !std::ranges::equal(entries[page].tokens, tokens)))
    page = entries[page].sameBucket;
  return page;
}

uint32_t PrefixCache::add(uint32_t previous, PageTokens tokens, uint32_t page, PageAllocator &pages) {
  uint32_t known = find(previous, tokens);
  if (known == kNoPage) {
    known = page;
    pages.keep(page);
    Entry &entry = entries[page];
    std::ranges::copy(tokens, entry.tokens.begin());
    entry.previous = previous;
    entry.sameBucket = std::exchange(buckets[bucketOf(previous, tokens)], page);
    linkNewest(page);
  }
  touch(known);
  return known;
}

/// From the last page to the first, so that a page is always newer than those behind it.
void PrefixCache::touch(uint32_t page) {
  for (; page != kNoPage; page = entries[page].previous) {
    unlink(page);
    linkNewest(page);
  }
}

void PrefixCache::evict(PageAllocator &pages) {
  uint32_t page = oldest;
  while (!pages.isIdle(page))
    page = entries[page].newer;
  unlink(page);
  uint32_t *link = &buckets[bucketOf(entries[page].previous, entries[page].tokens)];
  while (*link != page)
    link = &entries[*link].sameBucket;
  *link = entries[page].sameBucket;
  pages.drop(page);
}

void PrefixCache::unlink(uint32_t page) {
  Entry &entry = entries[page];
  (entry.older == kNoPage ? oldest : entries[entry.older].newer) = entry.newer;
  (entry.newer == kNoPage ? newest : entries[entry.newer].older) = entry.older;
}

void PrefixCache::linkNewest(uint32_t page) {
  entries[page].older = newest;
  entries[page].newer = kNoPage;
  (newest == kNoPage ? oldest : entries[newest].newer) = page;
  newest = page;
}
