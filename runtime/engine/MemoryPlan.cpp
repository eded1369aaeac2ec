//===- MemoryPlan.cpp - Memory that an engine takes -------------------------------------------===//

#include "nibble/runtime/Engine.h"
#include "runtime/cache/KVCache.h"
#include "runtime/cpu/Program.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>

using namespace nibble;

// Budgets below this keep every sum of the manifest's sizes inside 64 bits.
static constexpr uint32_t kMostBudget = 1u << 20;

// For code, libraries, the tokenizer's caches, and what a server keeps of its requests and connections.
static constexpr uint64_t kProcessBytes = 64u << 20;

static Result<CacheType> chooseCacheType(const Manifest &manifest, const EngineOptions &options,
                                         const std::string &name) {
  CacheType type = options.cacheType.value_or(manifest.defaultCache);
  std::string offered;
  for (CacheType candidate : manifest.cacheTypes) {
    if (candidate == type)
      return type;
    offered += (offered.empty() ? "" : ", ") + std::string(cacheTypeName(candidate));
  }
  return failure(name + ": has no kernels for a KV cache of " + std::string(cacheTypeName(type)) +
                 "; it has " + offered);
}

Result<MemoryPlan> nibble::planMemory(const Artifact &artifact, const EngineOptions &options) {
  const Manifest &manifest = artifact.manifest();
  const ModelInfo &model = manifest.model;
  MemoryPlan plan;
  NIBBLE_TRY(plan.variant, chooseVariant(manifest, cpuFeatures(), options.cpu, artifact.path()));
  NIBBLE_TRY(plan.cacheType, chooseCacheType(manifest, options, artifact.path()));
  plan.context = options.context ? options.context : model.defaultContext;
  if (plan.context > model.context)
    return failure("--context=" + std::to_string(plan.context) + ": the model was made for " +
                   std::to_string(model.context) + " positions; ask for at most that");
  auto checkBudget = [](const char *what, uint32_t value) -> Result<void> {
    if (value == 0 || value > kMostBudget)
      return failure(std::string("the ") + what + " is " + std::to_string(value) + "; expected 1 to " +
                     std::to_string(kMostBudget));
    return {};
  };
  NIBBLE_CHECK(checkBudget("token budget", options.tokenBudget));
  NIBBLE_CHECK(checkBudget("budget of logits rows", options.rowBudget));
  NIBBLE_CHECK(checkBudget("number of sequences", options.sequences));
  plan.threads = options.threads ? options.threads : defaultThreads();
  if (plan.threads > 1024)
    return failure("--threads=" + std::to_string(plan.threads) + ": expected at most 1024");

  uint64_t pages =
      options.pages ? options.pages : static_cast<uint64_t>(options.sequences) * pagesFor(plan.context);
  if (pages > UINT32_MAX / 2)
    return failure("a KV cache of " + std::to_string(pages) +
                   " pages is out of reach; ask for fewer sequences or a "
                   "smaller --context");
  plan.pages = static_cast<uint32_t>(pages);
  plan.pageBytes = cacheBytes(model, plan.cacheType, 1);
  plan.weights = manifest.segment("weights")->size;
  plan.cache = cacheBytes(model, plan.cacheType, plan.pages);
  plan.arena = arenaBytes(plan.variant->program, options.tokenBudget, options.rowBudget);
  plan.workers = workerBytes(*plan.variant) * plan.threads;
  plan.process = kProcessBytes;
  return plan;
}

Result<EngineOptions> nibble::fitMemory(const Artifact &artifact, EngineOptions options,
                                        std::optional<uint64_t> memory) {
  options.pages = 0;
  NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
  if (memory && options.weights == WeightsMode::Auto)
    options.weights = WeightsMode::Map;
  uint64_t most = memory ? *memory : availableMemory() / 5 * 4;
  if (most == 0) // the system does not say
    return options;
  uint64_t fixed = plan.total() - plan.cache;
  if (most < fixed + plan.pageBytes)
    return failure((memory ? "--memory=" : "the machine's free memory, of which four fifths are ") +
                   formatBytes(most) + ": all but the KV cache takes " + formatBytes(fixed) +
                   " and a page of it " + formatBytes(plan.pageBytes) + "; give at least " +
                   formatBytes(fixed + plan.pageBytes) +
                   ", or take smaller budgets (--token-budget, --max-sequences)");
  options.pages = static_cast<uint32_t>(std::min<uint64_t>(plan.pages, (most - fixed) / plan.pageBytes));
  return options;
}

std::string nibble::describe(const MemoryPlan &plan) {
  std::string text;
  auto line = [&](const std::string &name, uint64_t bytes, const std::string &note) {
    std::string size = formatBytes(bytes);
    text += "  " + name + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ');
    text += std::string(size.size() < 10 ? 10 - size.size() : 0, ' ') + size +
            (note.empty() ? "" : "  " + note) + "\n";
  };
  line("weights", plan.weights, "");
  line("KV cache", plan.cache,
       std::string(cacheTypeName(plan.cacheType)) + ", " + std::to_string(plan.pages) +
           " pages of 32 positions; " + formatBytes(plan.pageBytes) + " a page, taken as they fill");
  line("activations", plan.arena, "");
  line("workers", plan.workers, std::to_string(plan.threads) + (plan.threads == 1 ? " thread" : " threads"));
  line("the rest", plan.process, "code, tokenizer, connections; an allowance");
  line("together", plan.total(), "");
  return text;
}
