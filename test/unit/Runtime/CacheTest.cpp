//===- CacheTest.cpp - Pages and their counts -------------------------------------------------===//

#include "runtime/cache/KVCache.h"
#include <gtest/gtest.h>
#include <numeric>
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

TEST(PageAllocatorTest, KeptPagesAreIdleWhenNobodyHoldsThem) {
  PageAllocator pages(2);
  uint32_t page = pages.allocate();
  pages.keep(page);
  EXPECT_EQ(pages.idleCount(), 0u);
  pages.release(page);
  EXPECT_EQ(pages.idleCount(), 1u);
  EXPECT_EQ(pages.freeCount(), 1u) << "kept, so not free";
  pages.retain(page);
  EXPECT_EQ(pages.idleCount(), 0u);
  pages.release(page);
  pages.drop(page);
  EXPECT_EQ(pages.idleCount(), 0u);
  EXPECT_EQ(pages.freeCount(), 2u);
}

/// Two layers of one head of four f32: a page has 32 x 16 bytes of K in each.
KVCache smallCache(uint32_t pages, bool keepsPrefixes) {
  ModelInfo model;
  model.layers = 2;
  model.kvHeads = 1;
  model.headDim = 4;
  return std::move(*KVCache::create(model, CacheType::F32, pages, keepsPrefixes));
}

std::vector<int32_t> count(int32_t first, size_t length) {
  std::vector<int32_t> tokens(length);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

/// What a step does with a list.
void store(KVCache &cache, PageList &list, const std::vector<int32_t> &tokens) {
  cache.grow(list, list.length + static_cast<uint32_t>(tokens.size()));
  cache.append(list, tokens);
}

TEST(KVCacheTest, ListsGrowAndShrinkByPages) {
  KVCache cache = smallCache(10, false);
  PageList list;
  EXPECT_EQ(cache.missingPages(list, 0), 0u);
  EXPECT_EQ(cache.missingPages(list, 1), 1u);
  EXPECT_EQ(cache.missingPages(list, 32), 1u);
  EXPECT_EQ(cache.missingPages(list, 33), 2u);
  store(cache, list, count(0, 70));
  EXPECT_EQ(list.pages.size(), 3u);
  EXPECT_EQ(cache.missingPages(list, 96), 0u);
  EXPECT_EQ(cache.missingPages(list, 97), 1u);
  cache.truncate(list, 64);
  EXPECT_EQ(list.pages.size(), 2u);
  EXPECT_EQ(list.length, 64u);
  EXPECT_EQ(cache.freeCount(), 8u);
  cache.truncate(list, 0);
  EXPECT_EQ(cache.freeCount(), 10u);
}

TEST(KVCacheTest, PromptsBeginOnKnownPages) {
  KVCache cache = smallCache(8, true);
  PageList first;
  store(cache, first, count(0, 70));
  PageList second;
  cache.reuse(second, count(0, 70));
  EXPECT_EQ(second.length, 64u);
  EXPECT_EQ(second.pages[0], first.pages[0]);
  EXPECT_EQ(second.pages[1], first.pages[1]);
  PageList whole; // a prompt of known tokens alone: the last page is computed, so that there are logits
  cache.reuse(whole, count(0, 64));
  EXPECT_EQ(whole.length, 32u);
  PageList moved; // the same tokens, but not at the beginning
  cache.reuse(moved, count(32, 70));
  EXPECT_EQ(moved.length, 0u);
  EXPECT_EQ(cache.statistics().queried, 70u + 64 + 70);
  EXPECT_EQ(cache.statistics().found, 64u + 32);
  for (PageList *list : {&first, &second, &whole})
    cache.truncate(*list, 0);
  EXPECT_EQ(cache.freeCount(), 8u);
  EXPECT_EQ(cache.idleCount(), 2u);
}

TEST(KVCacheTest, EqualPagesBecomeOne) {
  KVCache cache = smallCache(8, true);
  PageList first, second;
  store(cache, first, count(0, 20));
  store(cache, second, count(0, 31));
  store(cache, first, count(20, 20));
  store(cache, second, count(31, 9));
  EXPECT_EQ(first.pages[0], second.pages[0]);
  EXPECT_NE(first.pages[1], second.pages[1]);
  EXPECT_EQ(cache.freeCount(), 5u);
}

TEST(KVCacheTest, TheLeastRecentlyUsedPageGoesFirstAndNeverAHeldOne) {
  KVCache cache = smallCache(4, true);
  PageList first, second, third;
  store(cache, first, count(0, 64));
  store(cache, second, count(100, 64));
  cache.truncate(first, 0);
  cache.truncate(second, 0);
  EXPECT_EQ(cache.freeCount(), 4u);
  cache.reuse(first, count(0, 65)); // now in use, and newer
  ASSERT_EQ(first.length, 64u);
  store(cache, third, count(200, 33));
  EXPECT_EQ(cache.freeCount(), 0u);
  cache.truncate(third, 0);
  cache.truncate(first, 0);
  cache.reuse(first, count(0, 65));
  EXPECT_EQ(first.length, 64u);
  cache.reuse(second, count(100, 65));
  EXPECT_EQ(second.length, 0u);
}

TEST(KVCacheTest, WhoWritesToASharedPageGetsACopy) {
  KVCache cache = smallCache(8, true);
  PageList list;
  store(cache, list, count(0, 40));
  cache.keys()[list.pages[1] * 512] = std::byte{7};
  cache.values()[cache.layerBytes() + list.pages[1] * 512 + 511] = std::byte{9};
  PageList fork = cache.fork(list);
  EXPECT_EQ(cache.freeCount(), 6u);
  EXPECT_EQ(cache.missingPages(fork, 40), 0u);
  EXPECT_EQ(cache.missingPages(fork, 41), 1u);
  store(cache, fork, {1000});
  EXPECT_EQ(fork.pages[0], list.pages[0]);
  ASSERT_NE(fork.pages[1], list.pages[1]);
  EXPECT_EQ(cache.keys()[fork.pages[1] * 512], std::byte{7});
  EXPECT_EQ(cache.values()[cache.layerBytes() + fork.pages[1] * 512 + 511], std::byte{9});
  EXPECT_EQ(cache.missingPages(list, 41), 0u) << "it is alone now";

  // A full page is known: what follows a truncation goes into another one, and the known one stays right.
  store(cache, list, count(40, 24));
  uint32_t full = list.pages[1];
  cache.truncate(list, 50);
  store(cache, list, count(500, 14));
  EXPECT_NE(list.pages[1], full);
  PageList again;
  cache.reuse(again, count(0, 65));
  EXPECT_EQ(again.length, 64u);
  EXPECT_EQ(again.pages[1], full);
  std::vector<int32_t> other = count(0, 65);
  std::iota(other.begin() + 50, other.end(), 500);
  PageList changed;
  cache.reuse(changed, other);
  EXPECT_EQ(changed.length, 64u);
  EXPECT_EQ(changed.pages[1], list.pages[1]);
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
