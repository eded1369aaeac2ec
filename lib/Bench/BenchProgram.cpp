//===- BenchProgram.cpp - A tiny model, compiled in process -----------------------------------===//
//
// 1. The module's phases, up to the schedule. 2. Machine code. 3. The weights through their recipes. 4. The
// program as plain structs.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Bench/BenchProgram.h"

#include "dialects/RT/RT.h"
#include "lib/Pipelines/Driver/Diagnostics.h"
#include "nibble/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace nibble;

Result<void> RandomWeights::add(const char *name, int64_t rows, int64_t columns, float spread) {
  std::normal_distribution<float> normal;
  values.push_back(std::make_unique<std::vector<float>>(static_cast<size_t>(rows * columns)));
  for (float &value : *values.back())
    value = spread * normal(generator);
  StoredTensor tensor;
  tensor.name = name;
  tensor.shape = {rows, columns};
  tensor.bytes = std::as_bytes(std::span(*values.back()));
  return parameters.add(std::move(tensor));
}

namespace {

class BenchCompiler {
public:
  BenchCompiler(const BenchModule &source, const RandomWeights &weights, unsigned threads)
      : source(source), weights(weights), threads(threads),
        context(registry(), MLIRContext::Threading::DISABLED), diagnostics(context) {
    context.loadAllAvailableDialects();
  }

  Result<BenchProgram> run(llvm::function_ref<void(ModuleOp)> quantized) {
    NIBBLE_CHECK(runPhases(quantized));
    auto image = compileKernels(*module, source.target);
    if (!image)
      return diagnostics.take(image.error().message);
    result.image = *std::move(image);
    NIBBLE_CHECK(packWeights());
    readProgram();
    return std::move(result);
  }

private:
  static DialectRegistry registry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  rt::ProgramOp program() { return *module->getOps<rt::ProgramOp>().begin(); }

  Result<void> runPhases(llvm::function_ref<void(ModuleOp)> quantized);
  Result<void> packWeights();
  void readProgram();
  BenchDispatch readDispatch(rt::DispatchOp op);

  const BenchModule &source;
  const RandomWeights &weights;
  unsigned threads;
  MLIRContext context;
  DiagnosticCollector diagnostics;
  OwningOpRef<ModuleOp> module;
  WeightSegment segment;
  llvm::DenseMap<Value, size_t> buffers;
  BenchProgram result;
};

} // namespace

Result<void> BenchCompiler::runPhases(llvm::function_ref<void(ModuleOp)> quantized) {
  module = parseSourceString<ModuleOp>(source.text, &context);
  if (!module)
    return diagnostics.take("the module to measure does not parse");
  PassManager pm(&context);
  buildQuantizePipeline(pm, source.formats);
  if (failed(pm.run(*module)))
    return diagnostics.take("the phase quantize failed");
  if (quantized)
    quantized(*module);
  PassManager rest(&context);
  buildFusePipeline(rest);
  buildSchedulePipeline(rest);
  if (failed(rest.run(*module)))
    return diagnostics.take("the phases fuse and schedule failed");
  return {};
}

Result<void> BenchCompiler::packWeights() {
  NIBBLE_TRY(segment, WeightSegment::plan(program()));
  NIBBLE_CHECK(segment.checkAgainst(weights.store()));
  result.weights.reserve(segment.size);
  auto sink = [&](std::span<const std::byte> bytes) -> Result<void> {
    result.weights.insert(result.weights.end(), bytes.begin(), bytes.end());
    return {};
  };
  return segment.write(weights.store(), threads, sink, [](uint64_t) {});
}

BenchDispatch BenchCompiler::readDispatch(rt::DispatchOp op) {
  using Kind = BenchDispatch::Operand::Kind;
  BenchDispatch dispatch;
  std::string name = op.getKernel().str();
  for (const CompiledKernel &kernel : result.image.kernels)
    if (kernel.name == name || (!kernel.cache.empty() && kernel.name == name + "." + source.cache)) {
      dispatch.kernel = kernel.name;
      dispatch.family = kernel.family;
    }
  for (Value value : op.getOperands()) {
    if (auto weight = value.getDefiningOp<rt::WeightOp>()) {
      const PlacedWeight &placed = segment.weights[segment.index.lookup(weight)];
      dispatch.operands.push_back({Kind::Weight, 0, placed.offset});
    } else if (value.getDefiningOp<rt::CacheOp>()) {
      dispatch.operands.push_back({Kind::Keys, 0, 0});
      dispatch.operands.push_back({Kind::Values, 0, 0});
    } else {
      dispatch.operands.push_back({Kind::Buffer, buffers.lookup(value), 0});
    }
  }
  dispatch.isPrivate = !op.getOutputs().empty() && llvm::all_of(op.getOutputs(), [&](Value output) {
    return result.buffers[buffers.lookup(output)].isPrivate;
  });
  dispatch.barrier = op.getBarrier() == rt::Barrier::Always   ? BarrierKind::Always
                     : op.getBarrier() == rt::Barrier::Shared ? BarrierKind::Shared
                                                              : BarrierKind::Never;
  return dispatch;
}

void BenchCompiler::readProgram() {
  for (rt::BufferOp buffer : program().getBody().getOps<rt::BufferOp>()) {
    ArrayRef<int64_t> size = buffer.getSize();
    buffers[buffer.getResult()] = result.buffers.size();
    // A buffer that is reserved for logits has a row for every token here.
    result.buffers.push_back({static_cast<uint64_t>(size[0] + size[1]), static_cast<uint64_t>(size[2]),
                              buffer.getSpace() == rt::Space::Private});
  }
  for (rt::DispatchOp dispatch : program().getBody().getOps<rt::DispatchOp>())
    result.dispatches.push_back(readDispatch(dispatch));
  result.placed = segment.weights;
}

Result<BenchProgram> nibble::compileBenchProgram(const BenchModule &source, const RandomWeights &weights,
                                                 unsigned threads,
                                                 llvm::function_ref<void(ModuleOp)> quantized) {
  return BenchCompiler(source, weights, threads).run(quantized);
}
