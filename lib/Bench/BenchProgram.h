//===- BenchProgram.h - A tiny model, compiled in process ---------------------------*- C++ -*-===//
//
// The module of a model whose step is one linear, or one layer's attention, goes through the phases that
// every model goes through, and its weights through the quantizer and the packer: what is measured is what
// artifacts contain.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Pipelines/Driver/WeightSegment.h"
#include "nibble/Codegen/CPU/CompileKernels.h"
#include "nibble/Pipelines/Pipelines.h"
#include "nibble/runtime/Manifest.h"

#include <random>

namespace nibble {

/// Bytes of a buffer: perToken T + fixed.
struct BufferSize {
  uint64_t perToken = 0, fixed = 0;
  bool isPrivate = false; // of each worker in small steps
};

struct BenchDispatch {
  struct Operand {
    enum class Kind : uint8_t { Buffer, Weight, Keys, Values };
    Kind kind = Kind::Buffer;
    size_t index = 0;    // of a buffer
    uint64_t offset = 0; // of a weight in the segment
  };
  std::string kernel, family;
  std::vector<Operand> operands;
  bool isPrivate = false;
  BarrierKind barrier = BarrierKind::Always;
};

struct BenchProgram {
  CompiledImage image;
  std::vector<BufferSize> buffers;
  std::vector<BenchDispatch> dispatches; // in order
  std::vector<std::byte> weights;        // the segment
  std::vector<PlacedWeight> placed;      // what lies in it
};

/// Weights of a normal distribution, f32 in a checkpoint.
class RandomWeights {
public:
  Result<void> add(const char *name, int64_t rows, int64_t columns, float spread);
  const ParameterStore &store() const { return parameters; }

private:
  std::minstd_rand generator{1};
  std::vector<std::unique_ptr<std::vector<float>>> values; // the store refers to them
  ParameterStore parameters;
};

struct BenchModule {
  std::string text; // in the import phase
  QuantizeOptions formats;
  CPUTarget target;
  std::string cache; // "f16", ...: the type of cache whose kernels the dispatches name
};

/// `quantized` sees the module behind the phase quantize.
Result<BenchProgram> compileBenchProgram(const BenchModule &source, const RandomWeights &weights,
                                         unsigned threads,
                                         llvm::function_ref<void(mlir::ModuleOp)> quantized = {});

} // namespace nibble
