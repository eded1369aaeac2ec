//===- WeightSegment.h - Where each weight lies, and how it gets there --------------*- C++ -*-===//
//
// The segment is laid out before anything is read, so that programs can name offsets; then every weight is
// streamed through its recipe. Each starts at a multiple of 64 bytes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/RT/RT.h"
#include "nibble/Import/ParameterStore.h"
#include "nibble/Quantize/Recipe.h"

#include "llvm/ADT/DenseMap.h"

#include <cstddef>
#include <functional>

namespace nibble {

struct PlacedWeight {
  std::string name;
  std::vector<int64_t> shape;    // [N, K], or [N]
  Format format;                 // of the artifact
  Format source;                 // that the module expects of the checkpoint
  bool panels = false;           // else plain f32
  uint64_t offset = 0, size = 0; // bytes in the segment
};

struct WeightSegment {
  std::vector<PlacedWeight> weights; // by offset
  uint64_t size = 0;
  llvm::DenseMap<mlir::Operation *, size_t> index; // of each rt.weight in `weights`

  /// Lays out the weights of a program; a weight that several rt.weight ops name in the same form is stored
  /// once.
  static Result<WeightSegment> plan(rt::ProgramOp program);

  /// Checks that the checkpoint has every weight, in the shape and format that the module expects.
  Result<void> checkAgainst(const ParameterStore &parameters) const;

  using Sink = std::function<Result<void>(std::span<const std::byte>)>;
  /// Streams all weights to `sink`; `progress` is told the bytes so far.
  Result<void> write(const ParameterStore &parameters, unsigned threads, const Sink &sink,
                     const std::function<void(uint64_t)> &progress) const;
};

} // namespace nibble
