//===- SequenceStore.h - What a scheduler needs to know of an engine ----------------*- C++ -*-===//
//
// Sequences, and pages of the cache that they take. Tests of the policies have one without a model behind it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include <span>

namespace nibble {

class SequenceStore {
public:
  virtual ~SequenceStore() = default;

  /// As Engine's functions of these names.
  virtual Result<SequenceId> createSequence(std::span<const int32_t> prompt) = 0;
  virtual Result<SequenceId> forkSequence(SequenceId original) = 0;
  virtual void destroySequence(SequenceId sequence) = 0;
  virtual uint32_t length(SequenceId sequence) const = 0;
  virtual uint32_t freeSequences() const = 0;
  virtual uint32_t freePages() const = 0;
  virtual uint32_t missingPages(SequenceId sequence, uint32_t tokens) const = 0;
  virtual PrefixMatch findPrefix(std::span<const int32_t> prompt) const = 0;
};

} // namespace nibble
