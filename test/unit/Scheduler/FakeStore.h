//===- FakeStore.h - Sequences and pages without a model ----------------------------*- C++ -*-===//
#pragma once

#include "runtime/scheduler/SequenceStore.h"
#include <map>

namespace nibble {

/// Counts pages as the cache does, for sequences that share nothing.
class FakeStore final : public SequenceStore {
public:
  FakeStore(uint32_t sequences, uint32_t pages) : sequences(sequences), pages(pages) {}

  Result<SequenceId> createSequence(std::span<const int32_t> prompt) override;
  Result<SequenceId> forkSequence(SequenceId original) override;
  void destroySequence(SequenceId sequence) override;
  uint32_t length(SequenceId sequence) const override { return lengths.at(sequence.slot); }
  uint32_t freeSequences() const override { return sequences - static_cast<uint32_t>(lengths.size()); }
  uint32_t freePages() const override;
  uint32_t missingPages(SequenceId sequence, uint32_t tokens) const override;
  PrefixMatch findPrefix(std::span<const int32_t>) const override { return {}; }

  /// Stores tokens, as a step of the engine does. There must be pages.
  void store(SequenceId sequence, uint32_t tokens);

  uint32_t sequences, pages;

private:
  std::map<uint32_t, uint32_t> lengths; // [slot]
  uint32_t nextSlot = 0;
};

} // namespace nibble
