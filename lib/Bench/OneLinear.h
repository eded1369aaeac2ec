//===- OneLinear.h - A model of one linear, compiled --------------------------------*- C++ -*-===//
//
// The module of a model whose step is one linear goes through the phases that every model goes through, and
// its weight through the quantizer and the packer: what is measured is what artifacts contain.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/CompileKernels.h"
#include "nibble/runtime/Manifest.h"

namespace nibble {

struct LinearOptions {
  int64_t rows = 4096, columns = 4096; // N output channels, K
  std::string format = "int4-g32", activations;
  std::string target = "native", tuneFor;
};

/// Bytes of a buffer: perToken T + fixed.
struct BufferSize {
  uint64_t perToken = 0, fixed = 0;
  bool isPrivate = false; // of each worker in small steps
};

struct LinearDispatch {
  struct Operand {
    bool isWeight = false;
    size_t index = 0;    // of a buffer
    uint64_t offset = 0; // of a weight in the segment
  };
  std::string kernel, family;
  std::vector<Operand> operands;
  bool isPrivate = false;
  BarrierKind barrier = BarrierKind::Always;
};

struct OneLinear {
  CompiledImage image;
  std::vector<BufferSize> buffers;
  std::vector<LinearDispatch> dispatches; // embed, rows, linear
  std::vector<std::byte> weights;         // the segment
  uint64_t weightOffset = 0;              // of the linear's
  uint64_t weightBytes = 0;
  uint32_t vocabulary = 0; // rows of the table that activations are gathered from
  std::string format, activations;

  const LinearDispatch &linear() const { return dispatches.back(); }
};

/// Where it fails with `wrongUsage` set, the options are at fault.
Result<OneLinear> compileOneLinear(const LinearOptions &options, unsigned threads, bool &wrongUsage);

} // namespace nibble
