//===- BenchRun.cpp - One row of a benchmark --------------------------------------------------===//

#include "runtime/commands/BenchRun.h"
#include "nibble/runtime/Clock.h"
#include "nibble/runtime/ProbeABI.h"
#include "runtime/commands/Verb.h"
#include <algorithm>
#include <sched.h>

using namespace nibble;

Spread::Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  least = values.front();
  most = values.back();
}

LinearWork LinearWork::of(const Manifest &manifest, const ProgramInfo &program,
                          const std::vector<KernelInfo> &kernels) {
  using Kind = OperandInfo::Kind;
  LinearWork work;
  auto isLogits = [&](const OperandInfo &operand) {
    const BudgetSize &a = operand.arena, &b = program.logits.arena;
    return operand.kind == Kind::Arena && a.perToken == b.perToken && a.perRow == b.perRow &&
           a.bytes == b.bytes;
  };
  for (const DispatchInfo &dispatch : program.dispatches) {
    uint32_t kernel = dispatch.kernel[0];
    if (kernel >= kernels.size() || kernels[kernel].family != "linear")
      continue;
    BenchWork &part = isLogits(dispatch.operands.back()) ? work.everyLogitsRow : work.everyToken;
    for (const OperandInfo &operand : dispatch.operands) {
      auto tensor = std::find_if(manifest.tensors.begin(), manifest.tensors.end(), [&](const TensorInfo &t) {
        return operand.kind == Kind::Weights && t.offset == operand.offset && t.shape.size() == 2;
      });
      if (tensor == manifest.tensors.end())
        continue;
      double macs = static_cast<double>(tensor->shape[0]) * static_cast<double>(tensor->shape[1]);
      // int16 activations are two planes of int8.
      if (tensor->activations == "int8" || tensor->activations == "int16")
        part.int8 += tensor->activations == "int16" ? 2 * macs : macs;
      else
        part.f32 += macs;
    }
  }
  return work;
}

Result<ArtifactProbe> ArtifactProbe::create(const Artifact &artifact, const MemoryPlan &plan,
                                            double cacheFactor) {
  ArtifactProbe result;
  NIBBLE_TRY(result.image,
             CodeImage::map(artifact.path(), artifact.manifest().segments[plan.variant->segment]));
  auto find = [&](const char *name) -> StepTable::Kernel {
    for (const KernelInfo &kernel : plan.variant->kernels)
      if (kernel.name == name && kernel.family == kProbeFamily)
        return {result.image.at<NibbleKernel>(kernel.entry),
                result.image.at<NibbleKernelItems>(kernel.items)};
    return {nullptr, nullptr};
  };
  MachineProbe::Kernels kernels = {find(kProbeRead), find(kProbeDot4), find(kProbeFMA)};
  if (!kernels.read.run || !kernels.dot4.run || !kernels.fma.run)
    return result;
  // Running, the pool binds this thread to one core. The engine's pool, which comes next, must see them all
  // again.
  cpu_set_t cores;
  bool known = ::sched_getaffinity(0, sizeof cores, &cores) == 0;
  result.pool = std::make_unique<WorkerPool>(plan.threads);
  NIBBLE_TRY(auto probe, MachineProbe::create(*result.pool, kernels, cacheFactor));
  if (known)
    ::sched_setaffinity(0, sizeof cores, &cores);
  result.probe = std::make_unique<MachineProbe>(std::move(probe));
  return result;
}

std::optional<MachineLimits> ArtifactProbe::measure() {
  return probe ? std::optional(probe->measure()) : std::nullopt;
}

Result<BenchSubject::Seconds> BenchSubject::measure(const BenchRow &row) {
  while (sequences.size() < row.batch) {
    NIBBLE_TRY(SequenceId id, engine.createSequence());
    sequences.push_back(id);
  }
  std::span<const SequenceId> taken = std::span(sequences).first(row.batch);
  for (const SequenceId &id : taken) {
    engine.truncate(id, std::min(engine.length(id), row.depth));
    if (engine.length(id) < row.depth)
      NIBBLE_CHECK(feed({&id, 1}, row.depth - engine.length(id)));
  }
  Seconds seconds;
  Clock::time_point begin = Clock::now();
  if (row.prompt > 0)
    NIBBLE_CHECK(feed(taken, row.prompt));
  seconds.prompt = secondsSince(begin);
  begin = Clock::now();
  for (uint32_t i = 0; i < row.decode; ++i)
    NIBBLE_CHECK(feed(taken, 1));
  seconds.decode = secondsSince(begin);
  return seconds;
}

Result<void> BenchSubject::feed(std::span<const SequenceId> taken, uint32_t count) {
  std::vector<int32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>((i * 7919u + 11) % engine.model().vocabulary);
  std::vector<uint32_t> done(taken.size(), 0);
  std::vector<StepInput> inputs;
  size_t first = 0;
  while (first < taken.size()) {
    if (Interruptible::isRequested())
      return failure("interrupted");
    inputs.clear();
    uint32_t budget = tokenBudget;
    for (size_t s = first; s < taken.size() && budget > 0; ++s) {
      uint32_t part = std::min(count - done[s], budget);
      done[s] += part;
      inputs.push_back(
          {taken[s], std::span(tokens).subspan(done[s] - part, part), done[s] == count ? 1u : 0u});
      budget -= part;
    }
    NIBBLE_CHECK(engine.step(inputs));
    while (first < taken.size() && done[first] == count)
      ++first;
  }
  return {};
}
