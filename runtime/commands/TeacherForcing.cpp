//===- TeacherForcing.cpp - Logits of given tokens --------------------------------------------===//

#include "runtime/commands/TeacherForcing.h"
#include "runtime/cache/KVCache.h"
#include "runtime/commands/Verb.h"
#include <algorithm>

using namespace nibble;

// Larger batches would be cut: 8192 rows, and 1 GiB of logits.
static constexpr uint64_t kMostTokens = 8192;
static constexpr uint64_t kMostLogitsBytes = 1u << 30;
static constexpr uint64_t kMostSequences = 4096;

/// Tokens that a sequence brings to its next step.
static uint32_t nextCount(size_t length, uint32_t done, const Feeding &feeding) {
  if (done >= feeding.decodeFrom)
    return 1;
  uint64_t count = std::min<uint64_t>(length, feeding.decodeFrom) - done;
  return static_cast<uint32_t>(feeding.chunk ? std::min<uint64_t>(count, feeding.chunk) : count);
}

void nibble::setBudgets(EngineOptions &options, const ModelInfo &model,
                        const std::vector<std::vector<int32_t>> &sequences, const Feeding &feeding) {
  uint64_t tokens = 0, pages = 0, longest = 0;
  for (const auto &sequence : sequences) {
    uint32_t first = nextCount(sequence.size(), 0, feeding);
    tokens += std::max(first, 1u);
    pages += pagesFor(static_cast<uint32_t>(sequence.size()));
    longest = std::max<uint64_t>(longest, sequence.size());
  }
  tokens = std::min(tokens, kMostTokens);
  tokens = std::min(tokens,
                    std::max<uint64_t>(16, kMostLogitsBytes / (static_cast<uint64_t>(model.vocabulary) * 4)));
  options.tokenBudget = options.rowBudget = static_cast<uint32_t>(tokens);
  options.sequences = static_cast<uint32_t>(std::min<uint64_t>(sequences.size(), kMostSequences));
  options.pages = static_cast<uint32_t>(std::min<uint64_t>(pages, UINT32_MAX / 4));
  // A sequence may be longer than the default context, never than the model's: planMemory() says so.
  if (options.context == 0)
    options.context = std::max(model.defaultContext, static_cast<uint32_t>(longest));
}

Result<void>
nibble::feedAll(Engine &engine, const std::vector<std::vector<int32_t>> &sequences, const Feeding &feeding,
                const std::function<Result<void>(size_t, uint32_t, std::span<const float>)> &hear) {
  struct Running {
    size_t index;
    SequenceId id;
    uint32_t done;
  };
  for (size_t i = 0; i < sequences.size(); ++i)
    if (sequences[i].size() > engine.plan().context)
      return failure("sequence " + std::to_string(i) + " has " + std::to_string(sequences[i].size()) +
                     " tokens; the context is " + std::to_string(engine.plan().context) +
                     "; raise it with --context");
  std::vector<Running> running;
  std::vector<StepInput> inputs;
  size_t next = 0;
  Interruptible interruptible;
  while (next < sequences.size() || !running.empty()) {
    if (Interruptible::isRequested())
      return failure("interrupted");
    while (next < sequences.size() && engine.freeSequences() > 0) {
      NIBBLE_TRY(SequenceId id, engine.createSequence());
      running.push_back({next++, id, 0});
    }
    inputs.clear();
    uint32_t budget = engine.options().tokenBudget;
    for (const Running &sequence : running) {
      const std::vector<int32_t> &tokens = sequences[sequence.index];
      uint32_t count = std::min(nextCount(tokens.size(), sequence.done, feeding), budget);
      if (count == 0)
        break;
      inputs.push_back({sequence.id, std::span(tokens).subspan(sequence.done, count), count});
      budget -= count;
    }
    NIBBLE_TRY(auto logits, engine.step(inputs));
    uint32_t row = 0;
    for (size_t i = 0; i < inputs.size(); ++i)
      for (size_t t = 0; t < inputs[i].tokens.size(); ++t)
        NIBBLE_CHECK(hear(running[i].index, running[i].done++, logits.row(row++)));
    // What is done makes room; what was left out for lack of budget comes first in the next step.
    size_t took = inputs.size();
    std::rotate(running.begin(), running.begin() + static_cast<ptrdiff_t>(took), running.end());
    std::erase_if(running, [&](const Running &sequence) {
      bool done = sequence.done == sequences[sequence.index].size();
      if (done)
        engine.destroySequence(sequence.id);
      return done;
    });
  }
  return {};
}
