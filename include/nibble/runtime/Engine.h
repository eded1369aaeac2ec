//===- Engine.h - Steps of a compiled model -----------------------------------------*- C++ -*-===//
//
// Owns weights, code, cache, arena and workers of one loaded artifact, and runs steps on ragged batches.
// Which tokens go into which step is the caller's business (Generator.h); no token's logits depend on it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Artifact.h"
#include "nibble/runtime/PrefixStatistics.h"
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace nibble {

/// How the weights come to memory: mapped from the file, copied into anonymous huge pages, or as suits.
enum class WeightsMode : uint8_t { Auto, Map, Huge };

/// Where the weights are that a step reads.
enum class WeightsPlace : uint8_t { Mapped, Copied };

struct EngineOptions {
  uint32_t threads = 0;               // 0: a thread for each usable core
  std::string cpu;                    // the target of a compiled variant; empty: the best that fits
  std::optional<CacheType> cacheType; // none: the artifact's default
  uint32_t context = 0;               // most positions of a sequence; 0: the artifact's default
  uint32_t tokenBudget = 512;         // most rows in a step
  uint32_t rowBudget = 64;            // most rows with logits in a step
  uint32_t sequences = 64;            // most sequences alive at a time
  uint32_t pages = 0;                 // of the cache; 0: enough for all sequences at full context
  WeightsMode weights = WeightsMode::Auto;
  /// WeightsMode::Auto copies no fewer bytes than these. Below, translating addresses costs little (an L2 TLB
  /// reaches 8 to 12 MiB by small pages, its misses find tables of 128 KiB in the cache), and most programs
  /// end before a copy pays.
  uint64_t leastCopy = 64u << 20;
  /// Full pages outlive their sequences, until their place is needed, and later prompts that begin with the
  /// same tokens start on them. It changes no logits.
  bool keepsPrefixes = false;
  bool profile = false; // measure every dispatch
  bool perfMap = false; // name kernels for perf
};

/// Memory that an engine takes, in bytes; known before anything is allocated.
struct MemoryPlan {
  uint64_t weights = 0; // mapped, or copied where WeightsMode says so
  uint64_t cache = 0;   // reserved; touched as sequences grow
  uint64_t arena = 0;
  uint64_t workers = 0; // private buffers and scratch of all
  uint64_t process = 0; // whatever else: code, tokenizer, connections; an allowance
  uint32_t threads = 0, context = 0, pages = 0;
  uint64_t pageBytes = 0; // K and V of 32 positions in all layers
  CacheType cacheType = CacheType::F16;
  const VariantInfo *variant = nullptr;
  uint64_t total() const { return weights + cache + arena + workers + process; }
};

/// Chooses variant, cache type and context, checks the options, and adds up. `artifact` must outlive the
/// plan.
Result<MemoryPlan> planMemory(const Artifact &artifact, const EngineOptions &options);
/// The options with as many pages as memory holds, at most enough for all sequences at full context. `memory`
/// is what the whole process may come to take, in bytes, and is kept to: weights are then not copied beside
/// their mapping (Auto becomes Map). None: four fifths of what the machine could still give out. Fails where
/// there is no room for a page.
Result<EngineOptions> fitMemory(const Artifact &artifact, EngineOptions options,
                                std::optional<uint64_t> memory);
/// The plan as lines for a person.
std::string describe(const MemoryPlan &plan);

/// Names a sequence of one engine; an id is not used again before 2^32 others were.
struct SequenceId {
  uint32_t slot = 0, generation = 0;
  bool operator==(const SequenceId &) const = default;
};

/// One sequence's part of a step: its next tokens, which follow what it has stored.
struct StepInput {
  SequenceId sequence;
  std::span<const int32_t> tokens; // not empty
  uint32_t logits = 0;             // the last so many of these tokens get logits
};

/// The logits of a step, in the engine's arena until the next step; the caller may use them up.
struct StepLogits {
  float *data = nullptr;
  uint32_t rows = 0;
  uint32_t vocabulary = 0; // elements of a row
  uint32_t stride = 0;     // elements from row to row: rows begin at multiples of 64 bytes
  std::span<float> row(uint32_t index) const {
    return {data + static_cast<size_t>(index) * stride, vocabulary};
  }
};

/// Seconds that a dispatch took in all steps.
struct DispatchTime {
  std::string name;
  uint64_t runs = 0;
  double seconds = 0;
};

class Engine {
public:
  /// `artifact` must outlive the engine.
  static Result<Engine> create(const Artifact &artifact, const EngineOptions &options);
  Engine(Engine &&) noexcept;
  Engine &operator=(Engine &&) noexcept;
  ~Engine();

  const MemoryPlan &plan() const;
  const ModelInfo &model() const;
  const EngineOptions &options() const;

  /// With EngineOptions::keepsPrefixes the sequence may begin with a part of `prompt`: see length(). At least
  /// its last token is left to be computed.
  Result<SequenceId> createSequence(std::span<const int32_t> prompt = {});
  /// A second sequence that stores what `original` does, in the same pages as long as neither writes there.
  Result<SequenceId> forkSequence(SequenceId original);
  void destroySequence(SequenceId sequence);
  /// Positions stored.
  uint32_t length(SequenceId sequence) const;
  /// Forgets what follows the first `length` positions.
  void truncate(SequenceId sequence, uint32_t length);
  /// Pages that the sequence must take for so many more tokens.
  uint32_t missingPages(SequenceId sequence, uint32_t tokens) const;
  /// What createSequence would begin with.
  PrefixMatch findPrefix(std::span<const int32_t> prompt) const;
  /// Pages that sequences may still take.
  uint32_t freePages() const;
  /// Those of them that hold prefixes which no sequence uses now.
  uint32_t idlePages() const;
  const PrefixStatistics &prefixStatistics() const;
  /// Sequences that may still be created.
  uint32_t freeSequences() const;

  /// Runs one step. The logits have, for each input in order, its rows with logits. Where it fails (a budget,
  /// the context or the pages do not suffice, a token id is out of range) nothing has changed. Every sequence
  /// appears at most once. Not thread-safe.
  Result<StepLogits> step(std::span<const StepInput> inputs);

  /// Calls job(index, worker) for every index below `count` on the engine's workers, which are at rest
  /// between steps; from the thread that calls step(). worker < plan().threads.
  void runOnWorkers(uint32_t count, const std::function<void(uint32_t index, uint32_t worker)> &job);

  /// WeightsMode::Auto may change it between two steps, never the logits.
  WeightsPlace weightsPlace() const;

  /// Per dispatch, in order of the schedule; empty unless profiling.
  std::vector<DispatchTime> profile() const;

private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace nibble
