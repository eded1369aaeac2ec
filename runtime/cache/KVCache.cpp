//===- KVCache.cpp - Paged keys and values of all sequences -----------------------------------===//

#include "runtime/cache/KVCache.h"
#include <algorithm>
#include <cstring>
#include <random>

using namespace nibble;

uint32_t nibble::pagesFor(uint32_t positions) { return positions / kPageSize + (positions % kPageSize != 0); }

/// Bytes of one layer's K.
static uint64_t layerSize(const ModelInfo &model, CacheType type, uint32_t pages) {
  // kv_heads and head_dim are below 2^20 and pages below 2^32: with 2^7 bytes a slot the product may pass 64
  // bits.
  unsigned __int128 size =
      static_cast<unsigned __int128>(pages) * model.kvHeads * kPageSize * cacheRowBytes(type, model.headDim);
  return size > UINT64_MAX / 4 ? UINT64_MAX / 4 : static_cast<uint64_t>(size);
}

uint64_t nibble::cacheBytes(const ModelInfo &model, CacheType type, uint32_t pages) {
  unsigned __int128 size = static_cast<unsigned __int128>(layerSize(model, type, pages)) * model.layers * 2;
  return size > UINT64_MAX / 2 ? UINT64_MAX / 2 : static_cast<uint64_t>(size);
}

Result<KVCache> KVCache::create(const ModelInfo &model, CacheType type, uint32_t pages, bool keepsPrefixes) {
  uint64_t half = (cacheBytes(model, type, pages) / 2 + 4095) / 4096 * 4096;
  NIBBLE_TRY(auto memory, AnonymousMemory::allocate(2 * half, "the KV cache"));
  KVCache cache(std::move(memory), layerSize(model, type, pages), model.layers, pages);
  if (keepsPrefixes) {
    std::random_device random;
    cache.prefixes.emplace(pages, uint64_t(random()) << 32 | random());
  }
  return cache;
}

uint32_t KVCache::take() {
  if (pages.freeCount() == 0)
    prefixes->evict(pages);
  return pages.allocate();
}

void KVCache::copyPage(uint32_t from, uint32_t to) {
  uint64_t size = layerStride / pages.pageCount();
  for (std::byte *half : {keys(), values()})
    for (uint32_t layer = 0; layer < layers; ++layer) {
      std::byte *base = half + layer * layerStride;
      std::memcpy(base + to * size, base + from * size, size);
    }
}

uint32_t KVCache::missingPages(const PageList &list, uint32_t length) const {
  uint32_t needed = pagesFor(length), held = static_cast<uint32_t>(list.pages.size());
  return (needed > held ? needed - held : 0) + (length > list.length && needsCopy(list));
}

void KVCache::grow(PageList &list, uint32_t length) {
  if (length > list.length && needsCopy(list)) {
    uint32_t &page = list.pages[list.length / kPageSize], copy = take();
    copyPage(page, copy);
    pages.release(page);
    page = copy;
  }
  while (list.pages.size() < pagesFor(length))
    list.pages.push_back(take());
}

void KVCache::truncate(PageList &list, uint32_t length) {
  length = std::min(length, list.length);
  // The tokens of a page that was full are in the prefix cache.
  if (prefixes && length / kPageSize < list.length / kPageSize && length % kPageSize != 0)
    std::ranges::copy(prefixes->tokensOf(list.pages[length / kPageSize]), list.last.begin());
  for (; list.pages.size() > pagesFor(length); list.pages.pop_back())
    pages.release(list.pages.back());
  list.length = length;
}

template <typename Visit> void KVCache::walkPrefix(std::span<const int32_t> prompt, Visit visit) const {
  uint32_t page = kNoPage;
  for (size_t at = 0; at + kPageSize < prompt.size(); at += kPageSize) {
    page = prefixes->find(page, prompt.subspan(at).first<kPageSize>());
    if (page == kNoPage)
      return;
    visit(page);
  }
}

PrefixMatch KVCache::match(std::span<const int32_t> prompt) const {
  PrefixMatch result;
  if (prefixes)
    walkPrefix(prompt, [&](uint32_t page) {
      ++result.pages;
      result.idlePages += pages.isIdle(page);
    });
  return result;
}

void KVCache::reuse(PageList &list, std::span<const int32_t> prompt) {
  if (!prefixes)
    return;
  counts.queried += prompt.size();
  walkPrefix(prompt, [&](uint32_t page) {
    pages.retain(page);
    list.pages.push_back(page);
    list.length += kPageSize;
  });
  prefixes->touch(list.pages.empty() ? kNoPage : list.pages.back());
  counts.found += list.length;
}

PageList KVCache::fork(const PageList &list) {
  for (uint32_t page : list.pages)
    pages.retain(page);
  return list;
}

void KVCache::append(PageList &list, std::span<const int32_t> tokens) {
  if (!prefixes) {
    list.length += static_cast<uint32_t>(tokens.size());
    return;
  }
  for (int32_t token : tokens) {
    list.last[list.length++ % kPageSize] = token;
    if (list.length % kPageSize != 0)
      continue;
    uint32_t index = list.length / kPageSize - 1, previous = index ? list.pages[index - 1] : kNoPage;
    uint32_t &page = list.pages[index], known = prefixes->add(previous, list.last, page, pages);
    if (known != page) { // the same tokens behind the same page: the same content, to the bit
      pages.retain(known);
      pages.release(page);
      page = known;
    }
  }
}
