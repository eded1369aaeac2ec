//===- CacheTest.cpp - Pages and their counts -------------------------------------------------===//

#include "runtime/cache/KVCache.h"
#include <gtest/gtest.h>
#include <set>

using namespace nibble;

TEST(PageAllocatorTest, GivesEachPageOnceAndTakesItBackAtZero) {
  PageAllocator pages(4);
  std::set<uint32_t> taken;
  for (int i = 0; i < 4; ++i)
    taken.insert(pages.allocate());
  EXPECT_EQ(taken, (std::set<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(pages.freeCount(), 0u);
  pages.retain(2);
  pages.release(2);
  EXPECT_EQ(pages.freeCount(), 0u);
  EXPECT_EQ(pages.referenceCount(2), 1u);
  pages.release(2);
  EXPECT_EQ(pages.freeCount(), 1u);
  EXPECT_EQ(pages.allocate(), 2u);
}

TEST(PageListTest, GrowsAndShrinksByPages) {
  PageAllocator pages(10);
  PageList list;
  EXPECT_EQ(missingPages(list, 0), 0u);
  EXPECT_EQ(missingPages(list, 1), 1u);
  EXPECT_EQ(missingPages(list, 32), 1u);
  EXPECT_EQ(missingPages(list, 33), 2u);
  growPages(list, 70, pages);
  list.length = 70;
  EXPECT_EQ(list.pages.size(), 3u);
  EXPECT_EQ(missingPages(list, 96), 0u);
  EXPECT_EQ(missingPages(list, 97), 1u);
  truncatePages(list, 64, pages);
  EXPECT_EQ(list.pages.size(), 2u);
  EXPECT_EQ(list.length, 64u);
  EXPECT_EQ(pages.freeCount(), 8u);
  truncatePages(list, 0, pages);
  EXPECT_EQ(pages.freeCount(), 10u);
}

TEST(KVCacheTest, SizesAreExactAndDoNotWrap) {
  ModelInfo model;
  model.layers = 16;
  model.kvHeads = 8;
  model.headDim = 64;
  // Llama-3.2-1B: 16 layers x 8 heads x 64 x 2 bytes x (K and V) = 32 KiB a position.
  EXPECT_EQ(cacheBytes(model, CacheType::F16, 1), 32u * 32768);
  EXPECT_EQ(cacheBytes(model, CacheType::F32, 3), 3u * 2 * 32 * 32768);
  // A byte an element, and a scale of 4 bytes for each position and head, of K and of V.
  EXPECT_EQ(cacheBytes(model, CacheType::Int8, 1), 32u * (16384 + 2 * 16 * 8 * 4));
  auto cache = KVCache::create(model, CacheType::F16, 1000); // 1 GiB, of which nothing is touched
  ASSERT_TRUE(cache) << cache.error().message;
  EXPECT_EQ(cache->layerBytes(), 1000u * 8 * 32 * 64 * 2);
  EXPECT_EQ(static_cast<uint64_t>(cache->values() - cache->keys()), 16 * cache->layerBytes());
  cache->values()[16 * cache->layerBytes() - 1] = std::byte{1}; // the last byte is ours
  model.layers = model.kvHeads = model.headDim = 1u << 20;
  EXPECT_GT(cacheBytes(model, CacheType::F32, 1u << 30), 1ull << 60);
  EXPECT_FALSE(KVCache::create(model, CacheType::F32, 1u << 30));
}
