//===- LinearBench.cpp - Times of a model's linears on this machine ---------------------------===//
#include "lib/Tune/LinearBench.h"

#include "dialects/Lowbit/Lowbit.h"
#include "dialects/RT/RT.h"
#include "nibble/Quantize/FormatAttribute.h"
#include "nibble/Quantize/PanelLayout.h"
#include "runtime/cpu/MachineProbe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace mlir;
using namespace nibble;

static constexpr double kShortestSeconds = 0.003; // of a measurement
static constexpr uint32_t kMostCopies = 64;       // of a dispatch in a measurement
static constexpr double kShareOfWeights = 0.95;   // that the measured kernels have at least
static constexpr uint64_t kCaches = 4;            // times the last-level cache: what no cache keeps
static constexpr uint64_t kMostScratch = 1 << 20;
static constexpr uint64_t kSlack = 64; // rows are padded to whole panels
/// Makes small ordinary numbers in every format that kernels read: codes, scales, floats.
static constexpr int kFill = 0x2c;

static uint64_t weightBytes(Type type) {
  auto packed = dyn_cast<lowbit::PackedType>(type);
  if (!packed)
    return 0;
  PanelLayout layout;
  layout.rows = packed.getRows();
  layout.columns = packed.getColumns();
  layout.format = plainFormat(packed.getFormat());
  return static_cast<uint64_t>(layout.bytes());
}

static uint64_t weightBytes(rt::KernelOp kernel) {
  uint64_t bytes = 0;
  for (Type type : kernel.getArgumentTypes())
    bytes += weightBytes(type);
  return bytes;
}

/// A step of more tokens than a batch of sequences has is a prompt, which wants the logits of one row.
static uint32_t logitsRows(uint32_t tokens) { return tokens <= kPrivateTokens ? tokens : 1; }

//===------------------------------------------------------------------------------------------===//
// What is measured
//===------------------------------------------------------------------------------------------===//

void LinearBench::choose(ModuleOp scheduled) {
  llvm::StringMap<uint64_t> dispatches;
  scheduled.walk([&](rt::DispatchOp dispatch) { ++dispatches[dispatch.getKernel()]; });
  SmallVector<std::pair<uint64_t, rt::KernelOp>> kernels; // bytes in a step
  for (auto kernel : scheduled.getOps<rt::KernelOp>())
    if (kernel.getFamily() == rt::Family::Linear) {
      kernels.emplace_back(weightBytes(kernel) * dispatches[kernel.getName()], kernel);
      modelBytes += kernels.back().first;
    }
  llvm::sort(kernels, [](auto &a, auto &b) {
    return a.first != b.first ? a.first > b.first : a.second.getName() < b.second.getName();
  });
  module = ModuleOp::create(scheduled.getLoc());
  uint64_t covered = 0;
  for (auto [bytes, kernel] : kernels) {
    if (static_cast<double>(covered) >= kShareOfWeights * static_cast<double>(modelBytes))
      break;
    covered += bytes;
    module->push_back(kernel->clone());
    Linear linear;
    linear.name = kernel.getName().str();
    linear.dispatches = dispatches[kernel.getName()];
    linear.weightBytes = weightBytes(kernel);
    linears.push_back(std::move(linear));
  }
}

/// Every kernel has memory of its own, so that what one writes is nothing that another reads.
Result<void> LinearBench::allocate(uint32_t mostTokens) {
  uint64_t arenaBytes = 0, largest = 0;
  for (auto [linear, kernel] : llvm::zip_equal(linears, module->getOps<rt::KernelOp>())) {
    bool ofLogits = llvm::any_of(kernel.getArgumentTypes(), [](Type type) {
      auto rows = dyn_cast<lowbit::RowsType>(type);
      return rows && rows.getCount() == lowbit::RowCount::Logits;
    });
    uint64_t weightOffset = 0, mostRows = ofLogits ? kPrivateTokens : mostTokens;
    auto place = [&](Type type) {
      Linear::Operand operand;
      if (uint64_t weight = weightBytes(type)) {
        operand = {true, weightOffset};
        weightOffset += weight;
      } else {
        auto tensor = dyn_cast<RankedTensorType>(type); // [N] of a bias, [rows, N]
        bool isFixed = tensor && tensor.hasStaticShape();
        uint64_t bytes = isFixed ? static_cast<uint64_t>(tensor.getNumElements()) * 4
                                 : static_cast<uint64_t>(rt::rowBytes(type)) * mostRows;
        operand.offset = arenaBytes;
        arenaBytes += llvm::alignTo(bytes + kSlack, 4096);
      }
      linear.operands.push_back(operand);
    };
    llvm::for_each(kernel.getArgumentTypes(), place);
    llvm::for_each(kernel.getResultTypes(), place);
    largest = std::max(largest, linear.weightBytes);
  }
  scratchOffset = arenaBytes;
  NIBBLE_TRY(arena, AnonymousMemory::allocate(arenaBytes + pool.size() * kMostScratch, "activations"));
  std::memset(arena.data(), kFill, arenaBytes);
  uint64_t bytes = std::min<uint64_t>({modelBytes, kCaches * lastLevelCache(), availableMemory() / 2});
  NIBBLE_TRY(weights, AnonymousMemory::allocate(std::max(bytes, largest), "weights to measure with"));
  std::memset(weights.data(), kFill, weights.size());
  return {};
}

Result<std::unique_ptr<LinearBench>> LinearBench::create(ModuleOp scheduled, const CPUTarget &target,
                                                         uint32_t threads, uint32_t mostTokens,
                                                         std::function<void(double)> progress) {
  std::unique_ptr<LinearBench> bench(new LinearBench(target, threads, std::move(progress)));
  bench->choose(scheduled);
  NIBBLE_CHECK(bench->allocate(mostTokens));
  return bench;
}

Result<size_t> LinearBench::prepare(const CPUTuning &candidate) {
  auto [entry, isNew] = known.try_emplace(candidate.spelling(), codes.size());
  if (!isNew)
    return entry->second;
  target.tuning = candidate;
  NIBBLE_TRY(CompiledImage image, compileKernels(*module, target));
  for (auto [number, code] : llvm::enumerate(codes))
    if (code.bytes == image.bytes)
      return entry->second = number;
  NIBBLE_TRY(LoadedImage loaded, LoadedImage::load(image));
  if (loaded.scratch() > kMostScratch)
    return nibble::failure("the linears for " + target.name + " need " + std::to_string(loaded.scratch()) +
                           " bytes of scratch; --tune gives them " + std::to_string(kMostScratch));
  codes.push_back({std::move(image.bytes), std::move(loaded)});
  return entry->second;
}

//===------------------------------------------------------------------------------------------===//
// Measuring
//===------------------------------------------------------------------------------------------===//

double LinearBench::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double LinearBench::run(const Code &code, const Linear &linear, uint32_t tokens, uint32_t copies) {
  StepTable table;
  table.kernels.push_back(code.image.kernel(linear.name));
  for (uint32_t copy = 0; copy < copies; ++copy) {
    if (nextWeight + linear.weightBytes > weights.size())
      nextWeight = 0;
    table.entries.push_back({0, table.operandCount, false, BarrierKind::Always});
    table.operandCount += static_cast<uint32_t>(linear.operands.size());
    for (const Linear::Operand &operand : linear.operands)
      table.sharedOperands.push_back(operand.isWeight ? weights.data() + nextWeight + operand.offset
                                                      : arena.data() + operand.offset);
    nextWeight += llvm::alignTo(linear.weightBytes, 64);
  }
  for (uint32_t worker = 0; worker < pool.size(); ++worker) {
    llvm::append_range(table.privateOperands, table.sharedOperands);
    table.scratch.push_back(arena.data() + scratchOffset + worker * kMostScratch);
  }
  StepWalker walker(pool, std::move(table));
  NibbleBatch batch = {}; // linears read nothing but counts
  batch.version = kKernelABIVersion;
  batch.tokens = tokens;
  batch.logitsRows = logitsRows(tokens);
  batch.sequences = 1;
  batch.workers = pool.size();
  double started = now();
  walker.run(batch);
  return now() - started;
}

double LinearBench::sample(const Code &code, Linear &linear, uint32_t tokens) {
  uint32_t &copies = linear.copies[tokens];
  if (copies == 0) {
    run(code, linear, tokens, 1); // touches everything
    double once = run(code, linear, tokens, 1);
    copies =
        static_cast<uint32_t>(std::clamp(kShortestSeconds / std::max(once, 1e-6), 1.0, double(kMostCopies)));
  }
  return run(code, linear, tokens, copies) / copies;
}

std::vector<std::vector<double>> LinearBench::measure(std::span<const size_t> numbers,
                                                      std::span<const uint32_t> tokens) {
  std::vector<std::vector<double>> seconds(numbers.size(), std::vector<double>(tokens.size()));
  for (auto [t, count] : llvm::enumerate(tokens))
    for (Linear &linear : linears)
      for (auto [i, number] : llvm::enumerate(numbers)) {
        double once = sample(codes[number], linear, count);
        seconds[i][t] += once * static_cast<double>(linear.dispatches);
      }
  return seconds;
}
