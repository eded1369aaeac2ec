//===- FakeStore.cpp - Sequences and pages without a model ------------------------------------===//

#include "FakeStore.h"
#include "runtime/cache/KVCache.h"
#include <gtest/gtest.h>

using namespace nibble;

Result<SequenceId> FakeStore::createSequence(std::span<const int32_t>) {
  EXPECT_GT(freeSequences(), 0u);
  lengths[nextSlot] = 0;
  return SequenceId{nextSlot++, 1};
}

Result<SequenceId> FakeStore::forkSequence(SequenceId original) {
  EXPECT_GT(freeSequences(), 0u);
  lengths[nextSlot] = lengths.at(original.slot);
  return SequenceId{nextSlot++, 1};
}

void FakeStore::destroySequence(SequenceId sequence) { EXPECT_EQ(lengths.erase(sequence.slot), 1u); }

uint32_t FakeStore::freePages() const {
  uint32_t used = 0;
  for (auto [slot, length] : lengths)
    used += pagesFor(length);
  EXPECT_LE(used, pages);
  return pages - used;
}

uint32_t FakeStore::missingPages(SequenceId sequence, uint32_t tokens) const {
  uint32_t length = lengths.at(sequence.slot);
  return pagesFor(length + tokens) - pagesFor(length);
}

void FakeStore::store(SequenceId sequence, uint32_t tokens) { lengths.at(sequence.slot) += tokens; }
