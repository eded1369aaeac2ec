//===- OneLinear.cpp - A model of one linear, compiled ----------------------------------------===//
//
// 1. The module in the import phase. 2. Its phases, up to the schedule. 3. Machine code. 4. The weights,
// random, through their recipes. 5. The program as plain structs.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Bench/OneLinear.h"

#include "dialects/RT/RT.h"
#include "lib/Pipelines/Driver/Diagnostics.h"
#include "lib/Pipelines/Driver/WeightSegment.h"
#include "nibble/Pipelines/Pipelines.h"
#include "nibble/Pipelines/PrecisionOfModule.h"
#include "nibble/Pipelines/Registration.h"
#include "nibble/Quantize/FormatChoice.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/DenseMap.h"

#include <random>

using namespace mlir;
using namespace nibble;

static constexpr const char *kTable = "table", *kWeight = "weight";
static constexpr int64_t kTableRows = 64;

static std::string moduleText(const LinearOptions &options) {
  std::string n = std::to_string(options.rows), k = std::to_string(options.columns),
              rows = std::to_string(kTableRows);
  return R"(
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 1, kv_heads = 1, head_dim = 64>) -> tensor<?x)" +
         n + R"(xf32> {
  %t = llm.param @table source(<f32>) : tensor<)" +
         rows + "x" + k + R"(xf32>
  %x = llm.embed %ids, %t : tensor<?xi32>, tensor<)" +
         rows + "x" + k + "xf32> -> tensor<?x" + k + R"(xf32>
  %w = llm.param @weight source(<f32>) : tensor<)" +
         n + "x" + k + R"(xf32>
  %y = llm.linear %x, %w : tensor<?x)" +
         k + "xf32>, tensor<" + n + "x" + k + "xf32> -> tensor<?x" + n + R"(xf32>
  return %y : tensor<?x)" +
         n + "xf32>\n}\n";
}

namespace {

/// Random weights of a checkpoint's spread.
struct RandomWeights {
  std::vector<float> table, weight;
  ParameterStore store;

  Result<void> fill(const LinearOptions &options) {
    std::minstd_rand generator(1);
    std::normal_distribution<float> normal;
    auto add = [&](const char *name, std::vector<float> &values, int64_t rows, float spread) {
      values.resize(static_cast<size_t>(rows * options.columns));
      for (float &value : values)
        value = spread * normal(generator);
      StoredTensor tensor;
      tensor.name = name;
      tensor.shape = {rows, options.columns};
      tensor.bytes = std::as_bytes(std::span(values));
      return store.add(std::move(tensor));
    };
    NIBBLE_CHECK(add(kTable, table, kTableRows, 1));
    return add(kWeight, weight, options.rows, 0.02f);
  }
};

class LinearCompiler {
public:
  LinearCompiler(const LinearOptions &options, unsigned threads, bool &wrongUsage)
      : options(options), threads(threads), wrongUsage(wrongUsage),
        context(registry(), MLIRContext::Threading::DISABLED), diagnostics(context) {
    context.loadAllAvailableDialects();
  }

  Result<OneLinear> run() {
    NIBBLE_CHECK(checkOptions());
    NIBBLE_CHECK(runPhases());
    NIBBLE_TRY(CPUTarget target, findCPUTarget(options.target, options.tuneFor));
    auto image = compileKernels(*module, target);
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

  Result<void> checkOptions();
  Result<void> runPhases();
  Result<void> packWeights();
  void readProgram();
  LinearDispatch readDispatch(rt::DispatchOp op);

  const LinearOptions &options;
  unsigned threads;
  bool &wrongUsage;
  MLIRContext context;
  DiagnosticCollector diagnostics;
  OwningOpRef<ModuleOp> module;
  WeightSegment segment;
  llvm::DenseMap<Value, size_t> buffers;
  OneLinear result;
};

} // namespace

Result<void> LinearCompiler::checkOptions() {
  WeightUse weight;
  weight.name = kWeight;
  weight.source = {Element::F32, 0, Zero::None};
  weight.linear = true;
  FormatOptions formats;
  formats.precision = options.format;
  formats.activations = options.activations;
  auto chosen = chooseFormats(std::span(&weight, 1), formats);
  wrongUsage = true;
  if (!chosen)
    return nibble::failure(chosen.error().message);
  NIBBLE_TRY(CPUTarget target, findCPUTarget(options.target));
  wrongUsage = false;
  if (!runsHere(target))
    return nibble::failure("this machine does not run code for " + target.name);
  return {};
}

Result<void> LinearCompiler::runPhases() {
  module = parseSourceString<ModuleOp>(moduleText(options), &context);
  if (!module)
    return diagnostics.take("the module of one linear does not parse");
  QuantizeOptions formats;
  formats.precision = options.format;
  formats.embedding = std::string("f32"); // only gathered: activations come as they are
  formats.activations = options.activations;
  PassManager pm(&context);
  buildQuantizePipeline(pm, formats);
  if (failed(pm.run(*module)))
    return diagnostics.take("the phase quantize failed");
  PrecisionPlan plan = precisionOfModule(*module);
  const auto &planned = plan.tensors.find(kWeight)->second;
  result.format = formatSpelling(planned.format);
  result.activations = activationsSpelling(planned.activations);
  PassManager rest(&context);
  buildFusePipeline(rest);
  buildSchedulePipeline(rest);
  if (failed(rest.run(*module)))
    return diagnostics.take("the phases fuse and schedule failed");
  return {};
}

Result<void> LinearCompiler::packWeights() {
  RandomWeights weights;
  NIBBLE_CHECK(weights.fill(options));
  NIBBLE_TRY(segment, WeightSegment::plan(program()));
  NIBBLE_CHECK(segment.checkAgainst(weights.store));
  result.weights.reserve(segment.size);
  auto sink = [&](std::span<const std::byte> bytes) -> Result<void> {
    result.weights.insert(result.weights.end(), bytes.begin(), bytes.end());
    return {};
  };
  return segment.write(weights.store, threads, sink, [](uint64_t) {});
}

LinearDispatch LinearCompiler::readDispatch(rt::DispatchOp op) {
  LinearDispatch dispatch;
  dispatch.kernel = op.getKernel().str();
  for (const CompiledKernel &kernel : result.image.kernels)
    if (kernel.name == dispatch.kernel)
      dispatch.family = kernel.family;
  for (Value value : op.getOperands()) {
    LinearDispatch::Operand operand;
    if (auto weight = value.getDefiningOp<rt::WeightOp>()) {
      const PlacedWeight &placed = segment.weights[segment.index.lookup(weight)];
      operand.isWeight = true;
      operand.offset = placed.offset;
    } else {
      operand.index = buffers.lookup(value);
    }
    dispatch.operands.push_back(operand);
  }
  dispatch.isPrivate = llvm::all_of(
      op.getOutputs(), [&](Value output) { return result.buffers[buffers.lookup(output)].isPrivate; });
  dispatch.barrier = op.getBarrier() == rt::Barrier::Always   ? BarrierKind::Always
                     : op.getBarrier() == rt::Barrier::Shared ? BarrierKind::Shared
                                                              : BarrierKind::Never;
  return dispatch;
}

void LinearCompiler::readProgram() {
  for (rt::BufferOp buffer : program().getBody().getOps<rt::BufferOp>()) {
    ArrayRef<int64_t> size = buffer.getSize();
    buffers[buffer.getResult()] = result.buffers.size();
    // Every token has its logits here.
    result.buffers.push_back({static_cast<uint64_t>(size[0] + size[1]), static_cast<uint64_t>(size[2]),
                              buffer.getSpace() == rt::Space::Private});
  }
  for (rt::DispatchOp dispatch : program().getBody().getOps<rt::DispatchOp>())
    result.dispatches.push_back(readDispatch(dispatch));
  for (const PlacedWeight &weight : segment.weights)
    if (weight.name == kWeight) {
      result.weightOffset = weight.offset;
      result.weightBytes = weight.size;
    }
  result.vocabulary = kTableRows;
}

Result<OneLinear> nibble::compileOneLinear(const LinearOptions &options, unsigned threads, bool &wrongUsage) {
  return LinearCompiler(options, threads, wrongUsage).run();
}
