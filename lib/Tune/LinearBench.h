//===- LinearBench.h - Times of a model's linears on this machine -------------------*- C++ -*-===//
//
// The linears of a scheduled module are generated for one tuning after the other and run by the runtime's own
// worker pool and walker, on memory as large as their weights (or as keeps these out of the caches). What is
// in it does not matter to their speed.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Tune/LoadedImage.h"
#include "lib/Tune/Search.h"
#include "runtime/memory/AnonymousMemory.h"

#include <chrono>
#include <functional>

namespace nibble {

class LinearBench final : public TuningBench {
public:
  /// `mostTokens`: of a step. The kernels of `scheduled` are copied, those left out that have next to no
  /// weights. `progress` is told the share of the search that is done.
  static Result<std::unique_ptr<LinearBench>> create(mlir::ModuleOp scheduled, const CPUTarget &target,
                                                     uint32_t threads, uint32_t mostTokens,
                                                     std::function<void(double)> progress);

  Result<size_t> prepare(const CPUTuning &candidate) override;
  std::vector<std::vector<double>> measure(std::span<const size_t> numbers,
                                           std::span<const uint32_t> tokens) override;
  double now() override;
  void advance(double share) override { progress(share); }

private:
  /// A kernel, and what its dispatches read and write.
  struct Linear {
    struct Operand {
      bool isWeight = false;
      uint64_t offset = 0; // of a weight: from the dispatch's first; else in the arena
    };
    std::string name;
    uint64_t dispatches = 0;  // in a step
    uint64_t weightBytes = 0; // of one dispatch
    std::vector<Operand> operands;
    std::map<uint32_t, uint32_t> copies; // by tokens: dispatches that are worth a measurement
  };
  struct Code {
    std::vector<char> bytes;
    LoadedImage image;
  };

  LinearBench(const CPUTarget &target, uint32_t threads, std::function<void(double)> progress)
      : target(target), pool(threads), progress(std::move(progress)) {}

  void choose(mlir::ModuleOp scheduled);
  Result<void> allocate(uint32_t mostTokens);
  /// Seconds of `copies` dispatches one after the other.
  double run(const Code &code, const Linear &linear, uint32_t tokens, uint32_t copies);
  /// Seconds of one dispatch.
  double sample(const Code &code, Linear &linear, uint32_t tokens);

  CPUTarget target;
  WorkerPool pool;
  std::function<void(double)> progress;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  mlir::OwningOpRef<mlir::ModuleOp> module; // the kernels
  std::vector<Linear> linears;
  uint64_t modelBytes = 0; // of the weights of all
  AnonymousMemory weights, arena;
  uint64_t nextWeight = 0, scratchOffset = 0;
  std::vector<Code> codes;
  std::map<std::string, size_t> known; // by spelling
};

} // namespace nibble
