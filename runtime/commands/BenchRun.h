//===- BenchRun.h - One row of a benchmark ------------------------------------------*- C++ -*-===//
//
// A row is measured round after round, each beside the machine's limits at that moment, so that a fraction
// compares what belongs together.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include "runtime/cpu/CodeImage.h"
#include "runtime/cpu/MachineProbe.h"

namespace nibble {

/// What is measured: `batch` sequences that hold `depth` tokens each are given `prompt` tokens each, and then
/// `decode` tokens one by one.
struct BenchRow {
  uint32_t prompt = 0, batch = 0, depth = 0, decode = 0;
};

/// Median and extremes of what the rounds gave.
struct Spread {
  double median = 0, least = 0, most = 0;
  Spread() = default;
  explicit Spread(std::vector<double> values);
};

/// What a row asks of the machine, whoever does it.
struct BenchWork {
  double bytes = 0; // read in decoding: the weights once a step, and the cache of every sequence
  double int8 = 0;  // multiplications in linears with integer activations
  double f32 = 0;   // and in others
  /// The least seconds of arithmetic.
  double seconds(const MachineLimits &limits) const { return int8 / limits.int8Peak + f32 / limits.f32Peak; }
};

/// Multiplications of a program's linears, for one token.
struct LinearWork {
  BenchWork everyToken, everyLogitsRow;
  static LinearWork of(const Manifest &manifest, const ProgramInfo &program,
                       const std::vector<KernelInfo> &kernels);
};

/// The probes of an artifact on a pool of their own. To be created before the engine, whose pool would leave
/// it one core.
class ArtifactProbe {
public:
  /// Without probes (the artifact was made by another compiler) there are no limits.
  static Result<ArtifactProbe> create(const Artifact &artifact, const MemoryPlan &plan, double cacheFactor);
  std::optional<MachineLimits> measure();

private:
  CodeImage image;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<MachineProbe> probe;
};

/// The sequences that rows are measured on. They keep what they hold from row to row: a deep context is
/// stored once.
class BenchSubject {
public:
  BenchSubject(Engine &engine, uint32_t tokenBudget) : engine(engine), tokenBudget(tokenBudget) {}

  struct Seconds {
    double prompt = 0, decode = 0;
  };
  Result<Seconds> measure(const BenchRow &row);

private:
  /// Feeds `count` tokens to each sequence, within the token budget, the last of each with logits. Ctrl-C
  /// ends it between two steps.
  Result<void> feed(std::span<const SequenceId> taken, uint32_t count);

  Engine &engine;
  const uint32_t tokenBudget;
  std::vector<SequenceId> sequences;
};

} // namespace nibble
