//===- BackgroundCopy.h - Weights move to huge pages while the model runs -----------*- C++ -*-===//
//
// --weights=auto starts on the mapped file at once. Where the mapping turns out to have small pages, which
// cost about 15% (reference/KERNELS-CPU.md), and memory is free, a thread copies the weights to anonymous
// huge pages meanwhile; the engine changes over between two steps.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/memory/Weights.h"
#include <atomic>
#include <optional>
#include <string>
#include <thread>

namespace nibble {

class BackgroundCopy {
public:
  /// Copies `size` bytes of a file at `offset` unless `mapped`, where they are mapped and were read at least
  /// once, has huge pages. Gives up, without a word, where memory would get short or the file cannot be read:
  /// the mapping serves as well. The mapping must stay until this object goes or has given the copy.
  BackgroundCopy(std::string path, uint64_t offset, uint64_t size, const void *mapped);
  /// Stops the thread.
  ~BackgroundCopy();
  BackgroundCopy(const BackgroundCopy &) = delete;
  BackgroundCopy &operator=(const BackgroundCopy &) = delete;

  /// The copy, once, as soon as it is whole. Costs one load before that.
  std::optional<Weights> take();

private:
  void work();
  bool isMemoryFree(uint64_t wanted) const;

  const std::string path;
  const uint64_t offset, size;
  const void *const mapped;
  std::atomic<bool> stopping = false;
  std::atomic<bool> done = false; // `copy` is whole and belongs to the taker
  std::optional<Weights> copy;
  std::thread thread;
};

} // namespace nibble
