//===- BenchStep.h - Rows of some sequences, as the engine describes them -----------*- C++ -*-===//
#pragma once

#include "nibble/runtime/KernelABI.h"

#include <vector>

namespace nibble {

/// Sequences have pages of their own, `pagesOfSequence` each; every row has logits.
class BenchStep {
public:
  BenchStep(uint32_t vocabulary, uint32_t pagesOfSequence)
      : vocabulary(vocabulary), pagesOfSequence(pagesOfSequence) {}

  /// Adds positions begin .. end - 1 of sequence `number`.
  void add(uint32_t number, uint32_t begin, uint32_t end);
  /// `pageCount`: of the cache. Valid until rows are added, or the step ends.
  NibbleBatch batch(uint32_t pageCount, uint32_t workers) const;

private:
  uint32_t vocabulary, pagesOfSequence;
  std::vector<int32_t> ids, positions;
  std::vector<uint32_t> starts = {0}, lengths, pages, logits;
};

} // namespace nibble
