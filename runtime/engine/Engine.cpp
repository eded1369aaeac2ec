//===- Engine.cpp - Steps of a compiled model -------------------------------------------------===//

#include "nibble/runtime/Engine.h"
#include "runtime/cache/KVCache.h"
#include "runtime/cpu/Program.h"
#include "runtime/memory/BackgroundCopy.h"
#include <algorithm>
#include <atomic>

using namespace nibble;

namespace {

struct Sequence {
  PageList list;
  uint32_t generation = 0;
  bool alive = false;
  uint32_t lastStep = 0; // the step that it last took part in, to notice it twice in one
};

/// The arrays that a NibbleBatch points into, sized once for the largest step.
struct BatchArrays {
  std::vector<int32_t> tokenId, position;     // [token budget]
  std::vector<uint32_t> queryStart, kvLength; // [sequences + 1], [sequences]
  std::vector<uint32_t> pageTable;            // [sequences][stride of this step]
  std::vector<uint32_t> logitsRow;            // [row budget]

  BatchArrays(const EngineOptions &options, uint32_t context)
      : tokenId(options.tokenBudget), position(options.tokenBudget), queryStart(options.sequences + 1),
        kvLength(options.sequences), pageTable(static_cast<size_t>(options.sequences) * pagesFor(context)),
        logitsRow(options.rowBudget) {}
};

} // namespace

struct Engine::State {
  const Artifact *artifact;
  EngineOptions options;
  MemoryPlan plan;
  Weights weights;
  std::unique_ptr<BackgroundCopy> copying; // goes before the mapping that it looks at
  CodeImage image;
  KVCache cache;
  AnonymousMemory arena, workerMemory;
  WorkerPool pool;
  ProgramMemory memory = {}; // addresses of the above
  std::unique_ptr<StepWalker> walker;
  float *logits = nullptr; // [R, vocabulary], rows 64-byte aligned
  BatchArrays arrays;
  std::vector<Sequence> sequences; // [slot]
  std::vector<uint32_t> freeSlots;
  uint32_t stepNumber = 0;

  State(const Artifact &artifact, const EngineOptions &options, const MemoryPlan &plan, KVCache cache)
      : artifact(&artifact), options(options), plan(plan), cache(std::move(cache)), pool(plan.threads),
        arrays(options, plan.context), sequences(options.sequences) {
    for (uint32_t slot = options.sequences; slot-- > 0;)
      freeSlots.push_back(slot);
  }

  Sequence *find(SequenceId id) {
    if (id.slot >= sequences.size())
      return nullptr;
    Sequence &sequence = sequences[id.slot];
    return sequence.alive && sequence.generation == id.generation ? &sequence : nullptr;
  }

  StepTable resolve() const {
    return resolveProgram(*plan.variant, image, plan.cacheType, memory, plan.threads, options.tokenBudget,
                          options.rowBudget);
  }
  Result<SequenceId> newSequence();
  void changeOver();
  Result<void> check(std::span<const StepInput> inputs);
  NibbleBatch buildBatch(std::span<const StepInput> inputs);
};

Engine::Engine(std::unique_ptr<State> state) : state(std::move(state)) {}
Engine::Engine(Engine &&) noexcept = default;
Engine &Engine::operator=(Engine &&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::create(const Artifact &artifact, const EngineOptions &options) {
  NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
  const Manifest &manifest = artifact.manifest();
  const VariantInfo &variant = *plan.variant;
  NIBBLE_TRY(auto image, CodeImage::map(artifact.path(), manifest.segments[variant.segment]));
  const SegmentInfo &segment = *manifest.segment("weights");
  Weights weights;
  if (options.weights == WeightsMode::Huge) {
    NIBBLE_TRY(weights,
               Weights::copyToHugePages(artifact.path(), segment.offset, segment.size, plan.threads));
  } else {
    NIBBLE_TRY(weights, Weights::map(artifact.path(), segment.offset, segment.size));
  }
  NIBBLE_TRY(auto cache, KVCache::create(manifest.model, plan.cacheType, plan.pages, options.keepsPrefixes));
  NIBBLE_TRY(auto arena, AnonymousMemory::allocate(std::max<uint64_t>(plan.arena, 64), "activations"));
  NIBBLE_TRY(auto workers, AnonymousMemory::allocate(plan.workers, "the workers' buffers"));

  auto state = std::make_unique<State>(artifact, options, plan, std::move(cache));
  state->weights = std::move(weights);
  state->image = std::move(image);
  state->arena = std::move(arena);
  state->workerMemory = std::move(workers);
  state->memory = {state->arena.data(),           state->workerMemory.data(), plan.workers / plan.threads,
                   state->weights.bytes().data(), state->cache.keys(),        state->cache.values(),
                   state->cache.layerBytes()};
  state->logits = resolveLogits(variant.program, state->memory, options.tokenBudget, options.rowBudget);
  state->walker = std::make_unique<StepWalker>(state->pool, state->resolve());
  if (options.profile)
    state->walker->startProfile();
  if (options.perfMap)
    NIBBLE_CHECK(writePerfMap(state->image, variant));
  return Engine(std::move(state));
}

uint32_t Engine::missingPages(SequenceId id, uint32_t tokens) const {
  const Sequence *sequence = state->find(id);
  return sequence ? state->cache.missingPages(sequence->list, sequence->list.length + tokens) : 0;
}

PrefixMatch Engine::findPrefix(std::span<const int32_t> prompt) const { return state->cache.match(prompt); }

const MemoryPlan &Engine::plan() const { return state->plan; }
const ModelInfo &Engine::model() const { return state->artifact->manifest().model; }
const EngineOptions &Engine::options() const { return state->options; }
uint32_t Engine::freePages() const { return state->cache.freeCount(); }
uint32_t Engine::idlePages() const { return state->cache.idleCount(); }
const PrefixStatistics &Engine::prefixStatistics() const { return state->cache.statistics(); }
uint32_t Engine::freeSequences() const { return static_cast<uint32_t>(state->freeSlots.size()); }

Result<SequenceId> Engine::State::newSequence() {
  if (freeSlots.empty())
    return failure("there are already " + std::to_string(sequences.size()) +
                   " sequences, as many as this engine was made for");
  uint32_t slot = freeSlots.back();
  freeSlots.pop_back();
  Sequence &sequence = sequences[slot];
  sequence.alive = true;
  ++sequence.generation;
  return SequenceId{slot, sequence.generation};
}

Result<SequenceId> Engine::createSequence(std::span<const int32_t> prompt) {
  NIBBLE_TRY(SequenceId id, state->newSequence());
  state->cache.reuse(state->find(id)->list, prompt);
  return id;
}

Result<SequenceId> Engine::forkSequence(SequenceId original) {
  const Sequence *from = state->find(original);
  if (!from)
    return failure("a sequence that does not exist cannot be forked");
  NIBBLE_TRY(SequenceId id, state->newSequence());
  state->find(id)->list = state->cache.fork(from->list);
  return id;
}

void Engine::destroySequence(SequenceId id) {
  if (Sequence *sequence = state->find(id)) {
    state->cache.truncate(sequence->list, 0);
    sequence->alive = false;
    state->freeSlots.push_back(id.slot);
  }
}

uint32_t Engine::length(SequenceId id) const {
  const Sequence *sequence = state->find(id);
  return sequence ? sequence->list.length : 0;
}

void Engine::truncate(SequenceId id, uint32_t length) {
  if (Sequence *sequence = state->find(id))
    state->cache.truncate(sequence->list, length);
}

/// WeightsMode::Auto: the first step has touched the mapping, so that its pages can be counted; later the
/// copy takes its place.
void Engine::State::changeOver() {
  if (options.weights != WeightsMode::Auto || !weights.isMapped() || plan.weights < options.leastCopy)
    return;
  if (!copying) {
    copying =
        std::make_unique<BackgroundCopy>(artifact->path(), artifact->manifest().segment("weights")->offset,
                                         plan.weights, weights.bytes().data());
  } else if (auto copy = copying->take()) {
    copying.reset();
    memory.weights = copy->bytes().data();
    walker->replaceTable(resolve());
    weights = std::move(*copy);
  }
}

Result<void> Engine::State::check(std::span<const StepInput> inputs) {
  uint64_t tokens = 0, rows = 0, pages = 0;
  auto vocabulary = static_cast<int32_t>(artifact->manifest().model.vocabulary);
  ++stepNumber;
  if (inputs.empty())
    return failure("a step needs at least one sequence");
  for (const StepInput &input : inputs) {
    Sequence *sequence = find(input.sequence);
    if (!sequence)
      return failure("a step names a sequence that does not exist");
    if (sequence->lastStep == stepNumber)
      return failure("a step names a sequence twice");
    sequence->lastStep = stepNumber;
    if (input.tokens.empty() || input.logits > input.tokens.size())
      return failure("a sequence brings " + std::to_string(input.tokens.size()) +
                     " tokens to a step and asks for " + std::to_string(input.logits) + " rows of logits");
    tokens += input.tokens.size();
    rows += input.logits;
    uint64_t length = sequence->list.length + static_cast<uint64_t>(input.tokens.size());
    if (length > plan.context)
      return failure("a sequence would have " + std::to_string(length) + " positions; the context is " +
                     std::to_string(plan.context) + "; raise it with --context, or shorten the text");
    pages += cache.missingPages(sequence->list, static_cast<uint32_t>(length));
    for (int32_t token : input.tokens)
      if (token < 0 || token >= vocabulary)
        return failure("token id " + std::to_string(token) + " is not in the vocabulary of " +
                       std::to_string(vocabulary));
  }
  if (tokens > options.tokenBudget)
    return failure("a step of " + std::to_string(tokens) + " tokens exceeds the budget of " +
                   std::to_string(options.tokenBudget));
  if (rows > options.rowBudget)
    return failure("a step of " + std::to_string(rows) + " rows of logits exceeds the budget of " +
                   std::to_string(options.rowBudget));
  if (pages > cache.freeCount())
    return failure("the KV cache has " + std::to_string(cache.freeCount()) + " free pages; the step needs " +
                   std::to_string(pages));
  return {};
}

NibbleBatch Engine::State::buildBatch(std::span<const StepInput> inputs) {
  uint32_t row = 0, rows = 0, stride = 1, index = 0;
  for (const StepInput &input : inputs) {
    Sequence &sequence = sequences[input.sequence.slot];
    PageList &list = sequence.list;
    auto count = static_cast<uint32_t>(input.tokens.size());
    cache.grow(list, list.length + count);
    stride = std::max(stride, static_cast<uint32_t>(list.pages.size()));
    arrays.queryStart[index] = row;
    for (uint32_t i = 0; i < count; ++i) {
      arrays.tokenId[row + i] = input.tokens[i];
      arrays.position[row + i] = static_cast<int32_t>(list.length + i);
    }
    for (uint32_t i = count - input.logits; i < count; ++i)
      arrays.logitsRow[rows++] = row + i;
    arrays.kvLength[index++] = list.length + count;
    row += count;
  }
  arrays.queryStart[index] = row;
  for (uint32_t s = 0; s < index; ++s) {
    const std::vector<uint32_t> &pages = sequences[inputs[s].sequence.slot].list.pages;
    uint32_t *target = arrays.pageTable.data() + static_cast<size_t>(s) * stride;
    std::fill(std::copy(pages.begin(), pages.end(), target), target + stride, 0u);
  }

  NibbleBatch batch = {};
  batch.version = kKernelABIVersion;
  batch.tokens = row;
  batch.sequences = index;
  batch.logitsRows = rows;
  batch.pageStride = stride;
  batch.pageCount = plan.pages;
  batch.workers = plan.threads;
  batch.tokenId = arrays.tokenId.data();
  batch.position = arrays.position.data();
  batch.queryStart = arrays.queryStart.data();
  batch.kvLength = arrays.kvLength.data();
  batch.pageTable = arrays.pageTable.data();
  batch.logitsRow = arrays.logitsRow.data();
  return batch;
}

Result<StepLogits> Engine::step(std::span<const StepInput> inputs) {
  NIBBLE_CHECK(state->check(inputs));
  NibbleBatch batch = state->buildBatch(inputs);
  state->walker->run(batch);
  for (const StepInput &input : inputs)
    state->cache.append(state->sequences[input.sequence.slot].list, input.tokens);
  state->changeOver();
  uint32_t vocabulary = model().vocabulary;
  return StepLogits{state->logits, batch.logitsRows, vocabulary, (vocabulary + 15) / 16 * 16};
}

void Engine::runOnWorkers(uint32_t count, const std::function<void(uint32_t, uint32_t)> &job) {
  struct Context {
    uint32_t count;
    const std::function<void(uint32_t, uint32_t)> &job;
    std::atomic<uint32_t> next{0};
  } context{count, job};
  auto work = [](void *opaque, uint32_t worker) {
    auto &context = *static_cast<Context *>(opaque);
    for (uint32_t index; (index = context.next.fetch_add(1, std::memory_order_relaxed)) < context.count;)
      context.job(index, worker);
  };
  if (count < 2)
    work(&context, 0); // not worth waking anybody
  else
    state->pool.run(work, &context);
}

WeightsPlace Engine::weightsPlace() const {
  return state->weights.isMapped() ? WeightsPlace::Mapped : WeightsPlace::Copied;
}

std::vector<DispatchTime> Engine::profile() const {
  std::vector<DispatchTime> times;
  const std::vector<double> &seconds = state->walker->profile();
  const std::vector<DispatchInfo> &dispatches = state->plan.variant->program.dispatches;
  for (size_t i = 0; i < seconds.size(); ++i)
    times.push_back({dispatches[i].name, state->stepNumber, seconds[i]});
  return times;
}
