//===- MemoryTest.cpp - Pages of a mapping, and copies in the background ----------------------===//

#include "ToyModel.h"
#include "runtime/memory/BackgroundCopy.h"
#include "runtime/memory/PageSizes.h"
#include <chrono>
#include <gtest/gtest.h>
#include <sys/mman.h>

using namespace nibble;

namespace {

// Three mappings: a file by huge pages, the same file's tail by small ones, anonymous memory whose huge pages
// are another field's.
const char kSmaps[] = R"(7f0000000000-7f0000400000 r--p 00200000 08:01 77    /models/a b-c: 7f-8 kB
Size:               4096 kB
KernelPageSize:        4 kB
Rss:                4096 kB
AnonHugePages:         0 kB
FilePmdMapped:      2048 kB
VmFlags: rd mr mw me hg
7f0000400000-7f0000410000 r--p 00600000 08:01 77    /models/a b-c: 7f-8 kB
Rss:                  40 kB
Pss:                  10 kB
FilePmdMapped:         0 kB
7f0000800000-7f0000a00000 rw-p 00000000 00:00 0
Rss:                2048 kB
AnonHugePages:      2048 kB
FilePmdMapped:         0 kB
)";

TEST(MappedPagesTest, AddsUpWhatLiesInside) {
  auto pages = mappedPages(kSmaps, 0x7f0000000000, 0x7f0000410000);
  EXPECT_EQ(pages.resident, (4096u + 40) << 10);
  EXPECT_EQ(pages.huge, 2048u << 10);
  EXPECT_TRUE(pages.areSmall()); // less than half
  pages = mappedPages(kSmaps, 0x7f0000000000, 0x7f0000400000);
  EXPECT_EQ(pages.resident, 4096u << 10);
  EXPECT_FALSE(pages.areSmall());
  pages = mappedPages(kSmaps, 0x7f0000001000, 0x7f0000500000);
  EXPECT_EQ(pages.resident, 40u << 10);
}

TEST(MappedPagesTest, NothingKnownIsNotSmall) {
  for (std::string_view text :
       {"", "7f0000000000-", "Rss: 12 kB", "\n\n", "7f0000000000-7f0000400000 r--p\nRss:",
        "7f0000000000-7f0000400000 r--p\nRss: many kB\nFilePmdMapped: 4"}) {
    auto pages = mappedPages(text, 0x7f0000000000, 0x7f0000400000);
    EXPECT_EQ(pages.resident, 0u) << text;
    EXPECT_FALSE(pages.areSmall()) << text;
  }
}

/// A file of `size` bytes that differ from page to page, mapped from byte 4096 on and read once.
class BackgroundCopyTest : public testing::Test {
protected:
  /// Skips the test where the pages do not turn out as it needs them.
  void map(uint64_t size, bool small = true) {
    std::string bytes(4096 + size, '.');
    for (uint64_t i = 4096; i < bytes.size(); ++i)
      bytes[i] = static_cast<char>(i * 31 + i / 4096 * 7);
    toy::writeFile(path, bytes);
    auto mapped = Weights::map(path, 4096, size);
    ASSERT_TRUE(mapped) << mapped.error().message;
    weights = std::move(*mapped);
    if (small)
      ::madvise(const_cast<std::byte *>(weights.bytes().data()), size, MADV_NOHUGEPAGE);
    uint64_t sum = 0;
    for (std::byte byte : weights.bytes())
      sum += static_cast<uint64_t>(byte);
    ASSERT_NE(sum, 0u);
    MappedPages pages = mappedPages(weights.bytes().data(), size);
    if (pages.resident == 0 || pages.areSmall() != small)
      GTEST_SKIP() << path << ": " << pages.huge << " of " << pages.resident << " bytes by huge pages";
  }

  static std::optional<Weights> waitFor(BackgroundCopy &copy, std::chrono::seconds most) {
    auto end = std::chrono::steady_clock::now() + most;
    std::optional<Weights> taken;
    while (!(taken = copy.take()) && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return taken;
  }

  std::string path = toy::temporaryPath("copied");
  Weights weights;
};

TEST_F(BackgroundCopyTest, IsTheSameBytesAndTakenOnce) {
  map((9u << 20) + 4321); // more than a piece, and no whole pages
  if (IsSkipped())
    return;
  BackgroundCopy copying(path, 4096, weights.bytes().size(), weights.bytes().data());
  auto copy = waitFor(copying, std::chrono::seconds(60));
  ASSERT_TRUE(copy);
  EXPECT_FALSE(copy->isMapped());
  ASSERT_EQ(copy->bytes().size(), weights.bytes().size());
  EXPECT_TRUE(std::equal(copy->bytes().begin(), copy->bytes().end(), weights.bytes().begin()));
  EXPECT_NE(copy->bytes().data(), weights.bytes().data());
  EXPECT_FALSE(copying.take());
}

TEST_F(BackgroundCopyTest, AMappingByHugePagesIsNotCopied) {
  map(32u << 20, false);
  if (IsSkipped())
    return;
  BackgroundCopy copying(path, 4096, weights.bytes().size(), weights.bytes().data());
  EXPECT_FALSE(waitFor(copying, std::chrono::seconds(1)));
}

TEST_F(BackgroundCopyTest, MoreThanIsFreeIsNotCopied) {
  map(1u << 20);
  if (IsSkipped())
    return;
  // The mapping is small; what is asked for is more than any machine has.
  BackgroundCopy copying(path, 4096, 1ull << 45, weights.bytes().data());
  EXPECT_FALSE(waitFor(copying, std::chrono::seconds(1)));
}

TEST_F(BackgroundCopyTest, AFileThatEndsEarlyIsNotCopied) {
  map(1u << 20);
  if (IsSkipped())
    return;
  BackgroundCopy copying(path, 8192, 1u << 20, weights.bytes().data());
  EXPECT_FALSE(waitFor(copying, std::chrono::seconds(1)));
}

TEST_F(BackgroundCopyTest, EndsInTheMiddle) {
  map(64u << 20);
  for (int i = 0; i < 20; ++i) {
    BackgroundCopy copying(path, 4096, weights.bytes().size(), weights.bytes().data());
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
  }
}

} // namespace
