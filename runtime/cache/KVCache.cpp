//===- KVCache.cpp - Paged keys and values of all sequences -----------------------------------===//

#include "runtime/cache/KVCache.h"
#include "nibble/runtime/KernelABI.h"

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

Result<KVCache> KVCache::create(const ModelInfo &model, CacheType type, uint32_t pages) {
  uint64_t half = (cacheBytes(model, type, pages) / 2 + 4095) / 4096 * 4096;
  NIBBLE_TRY(auto memory, AnonymousMemory::allocate(2 * half, "the KV cache"));
  return KVCache(std::move(memory), layerSize(model, type, pages), pages);
}

uint32_t nibble::missingPages(const PageList &list, uint32_t length) {
  uint32_t needed = pagesFor(length);
  auto held = static_cast<uint32_t>(list.pages.size());
  return needed > held ? needed - held : 0;
}

void nibble::growPages(PageList &list, uint32_t length, PageAllocator &allocator) {
  for (uint32_t missing = missingPages(list, length); missing > 0; --missing)
    list.pages.push_back(allocator.allocate());
}

void nibble::truncatePages(PageList &list, uint32_t length, PageAllocator &allocator) {
  for (uint32_t keep = pagesFor(length); list.pages.size() > keep; list.pages.pop_back())
    allocator.release(list.pages.back());
  list.length = std::min(list.length, length);
}
