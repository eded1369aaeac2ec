//===- Generator.cpp - Many requests continued together ---------------------------------------===//

#include "nibble/runtime/Generator.h"
#include "runtime/engine/Request.h"
#include <algorithm>
#include <map>
#include <unordered_map>

using namespace nibble;

namespace {

/// The scheduler's view of the engine.
class EngineStore final : public SequenceStore {
public:
  explicit EngineStore(Engine &engine) : engine(engine) {}
  Result<SequenceId> createSequence(std::span<const int32_t> prompt) override {
    return engine.createSequence(prompt);
  }
  Result<SequenceId> forkSequence(SequenceId original) override { return engine.forkSequence(original); }
  void destroySequence(SequenceId sequence) override { engine.destroySequence(sequence); }
  uint32_t length(SequenceId sequence) const override { return engine.length(sequence); }
  uint32_t freeSequences() const override { return engine.freeSequences(); }
  uint32_t freePages() const override { return engine.freePages(); }
  uint32_t missingPages(SequenceId sequence, uint32_t tokens) const override {
    return engine.missingPages(sequence, tokens);
  }
  PrefixMatch findPrefix(std::span<const int32_t> prompt) const override { return engine.findPrefix(prompt); }

private:
  Engine &engine;
};

/// A token that is to be drawn in this step.
struct Draw {
  Continuation *choice;
  std::span<float> logits;
  Result<SampledToken> token;
};

} // namespace

struct Generator::State {
  Engine &engine;
  const Tokenizer *tokenizer;
  std::function<TimePoint()> now;
  EngineStore store;
  Scheduler scheduler;
  std::unordered_map<RequestId, std::unique_ptr<Request>> requests;
  RequestId nextId = 0;
  std::multimap<TimePoint, RequestId> deadlines;
  GenerationStatistics statistics;
  std::vector<Sampler> samplers; // [worker]

  // Of the step that is being run; kept to spare the allocations.
  std::vector<StepInput> inputs;
  std::vector<Draw> draws;
  std::vector<std::vector<float>> copies; // of rows that several choices draw from

  State(Engine &engine, const Tokenizer *tokenizer, std::function<TimePoint()> now)
      : engine(engine), tokenizer(tokenizer), now(std::move(now)), store(engine),
        scheduler(store,
                  {.tokenBudget = engine.options().tokenBudget, .rowBudget = engine.options().rowBudget}),
        samplers(engine.plan().threads) {}

  Continuation &addContinuation(Request &request, uint32_t index);
  void expire(TimePoint time);
  void noteBegin(Continuation &choice, TimePoint time);
  void count(std::span<const StepShare> shares, double seconds);
  void collect(const StepShare &share, const StepLogits &logits, uint32_t firstRow);
  void hearPrompt(Request &request, const StepShare &share, const StepLogits &logits, uint32_t firstRow);
  void branch(Continuation &first, std::span<float> logits);
  void drawAll();
  void conclude(Continuation &choice, FinishReason reason, std::string error);
  void finish(Continuation &choice, FinishReason reason, std::string error = {});
  void finish(Request &request, FinishReason reason, std::string error = {});
};

Generator::Generator(Engine &engine, const Tokenizer *tokenizer, std::function<TimePoint()> now)
    : state(new State(engine, tokenizer, std::move(now))) {}

/// Whoever hears of tokens may be gone by now: only the sequences are given back.
Generator::~Generator() {
  for (const auto &[id, request] : state->requests)
    for (const auto &choice : request->choices)
      if (choice->result.reason == FinishReason::None)
        state->scheduler.remove(*choice);
}

const GenerationResult &Generator::result(RequestId request, uint32_t choice) const {
  return state->requests.at(request)->choices.at(choice)->result;
}
bool Generator::isFinished(RequestId request) const { return state->requests.at(request)->unfinished == 0; }
const GenerationStatistics &Generator::statistics() const { return state->statistics; }

GenerationLoad Generator::load() const {
  const Scheduler &scheduler = state->scheduler;
  GenerationLoad load = {.running = static_cast<uint32_t>(scheduler.running().size()),
                         .waiting = static_cast<uint32_t>(scheduler.waiting().size())};
  for (const Job *job : scheduler.waiting())
    load.waitingTokens += job->tokens.size();
  return load;
}

Continuation &Generator::State::addContinuation(Request &request, uint32_t index) {
  request.choices.push_back(std::make_unique<Continuation>(request, index, tokenizer));
  return *request.choices.back();
}

Result<RequestId> Generator::submit(GenerationRequest input) {
  NIBBLE_CHECK(check(input, state->engine, state->tokenizer));
  auto request = std::make_unique<Request>();
  request->id = state->nextId;
  request->input = std::move(input);
  request->arrival = state->now();
  if (request->input.grammar) // behind a complete text nothing but these may come
    request->input.stopTokens.insert(request->input.stopTokens.end(), state->engine.model().eosTokens.begin(),
                                     state->engine.model().eosTokens.end());
  request->unfinished = request->input.choices;
  request->mostPositions = mostPositions(request->input, state->engine.plan().context);
  Continuation &first = state->addContinuation(*request, 0);
  first.forks = request->input.choices - 1;
  first.wantsAllLogits = request->wantsPromptLogprobs();
  if (request->input.sequence) {
    uint32_t stored = state->engine.length(*request->input.sequence);
    if (stored >= first.tokens.size())
      return failure("the sequence stores " + std::to_string(stored) + " tokens; the prompt of " +
                     std::to_string(first.tokens.size()) + " must go on behind them");
    first.sequence = request->input.sequence;
    state->scheduler.addPinned(first);
  } else {
    state->scheduler.add(first);
  }
  if (request->input.deadline)
    state->deadlines.emplace(*request->input.deadline, request->id);
  state->requests.emplace(request->id, std::move(request));
  return state->nextId++;
}

void Generator::State::expire(TimePoint time) {
  while (!deadlines.empty() && deadlines.begin()->first <= time) {
    if (auto found = requests.find(deadlines.begin()->second); found != requests.end())
      finish(*found->second, FinishReason::Deadline);
    deadlines.erase(deadlines.begin());
  }
}

Result<bool> Generator::step() {
  TimePoint begin = state->now();
  state->expire(begin);
  Scheduler &scheduler = state->scheduler;
  std::span<const StepShare> shares = scheduler.plan(begin);
  if (shares.empty()) {
    if (scheduler.running().empty() && scheduler.waiting().empty())
      return false;
    const auto &stuck = scheduler.running().empty() ? scheduler.waiting() : scheduler.running();
    state->finish(static_cast<Continuation &>(*stuck.front()).request, FinishReason::Failed,
                  "other sequences hold what this one needs of the KV cache");
    return true;
  }
  state->inputs.clear();
  for (const StepShare &share : shares) {
    auto tokens = std::span(share.job->tokens).subspan(share.job->stored, share.count);
    state->inputs.push_back({*share.job->sequence, tokens, share.logits});
    if (!share.job->hasStarted && share.job->preemptions == 0 && share.job->stored == share.job->cached)
      state->noteBegin(static_cast<Continuation &>(*share.job), begin);
  }
  auto stepped = state->engine.step(state->inputs);
  if (!stepped) {
    for (const auto &[id, request] : state->requests)
      state->finish(*request, FinishReason::Failed, stepped.error().message);
    return tl::unexpected(stepped.error());
  }
  StepLogits logits = *stepped;
  TimePoint end = state->now();
  double seconds = secondsBetween(begin, end);
  scheduler.complete(seconds, end);
  state->count(shares, seconds);

  state->draws.clear();
  state->copies.clear();
  uint32_t row = 0;
  for (size_t i = 0; i < shares.size(); ++i) { // forks that are added meanwhile take no part in this step
    StepShare share = shares[i];
    state->collect(share, logits, row);
    row += share.logits;
  }
  state->drawAll();
  return true;
}

void Generator::State::noteBegin(Continuation &choice, TimePoint time) {
  choice.result.secondsQueued = secondsBetween(choice.request.arrival, time);
  statistics.admittedTokens += choice.result.promptTokens;
}

void Generator::State::count(std::span<const StepShare> shares, double seconds) {
  uint64_t prompt = 0, decoded = 0;
  for (const StepShare &share : shares)
    (share.decodes ? decoded : prompt) += share.count;
  ++statistics.steps;
  statistics.promptTokens += prompt;
  statistics.decodedTokens += decoded;
  statistics.preemptions = scheduler.preemptions();
  (prompt > 0 ? statistics.promptSeconds : statistics.decodeSeconds) += seconds;
}

/// Notes what is to be drawn from a share's rows.
void Generator::State::collect(const StepShare &share, const StepLogits &logits, uint32_t firstRow) {
  if (share.logits == 0)
    return;
  auto &choice = static_cast<Continuation &>(*share.job);
  if (choice.wantsAllLogits)
    hearPrompt(choice.request, share, logits, firstRow);
  if (choice.left() > 0)
    return;
  std::span<float> last = logits.row(firstRow + share.logits - 1);
  draws.push_back({&choice, last, {}});
  if (choice.forks > 0)
    branch(choice, last);
}

/// Logits of a token give the probability of the one behind it.
void Generator::State::hearPrompt(Request &request, const StepShare &share, const StepLogits &logits,
                                  uint32_t firstRow) {
  const GenerationRequest &input = request.input;
  uint32_t position = share.job->stored - share.count;
  for (uint32_t i = 0; i < share.logits && position + i + 1 < input.prompt.size(); ++i)
    if (request.promptLogprobs.size() == position + i) // not heard before a preemption
      request.promptLogprobs.push_back(
          logprobsOf(logits.row(firstRow + i), input.prompt[position + i + 1], input.promptLogprobs));
  if (request.wantsPromptLogprobs())
    return;
  share.job->wantsAllLogits = false;
  if (input.onPrompt)
    input.onPrompt(request.promptLogprobs);
}

/// The prompt is stored: the other choices begin, on the same pages and from the same logits.
void Generator::State::branch(Continuation &first, std::span<float> logits) {
  Request &request = first.request;
  for (uint32_t index = 1; index < request.input.choices; ++index) {
    Continuation &choice = addContinuation(request, index);
    choice.result.secondsQueued = first.result.secondsQueued;
    scheduler.addFork(choice, first);
    copies.emplace_back(logits.begin(), logits.end());
    draws.push_back({&choice, copies.back(), {}});
  }
}

void Generator::State::drawAll() {
  engine.runOnWorkers(static_cast<uint32_t>(draws.size()), [&](uint32_t index, uint32_t worker) {
    Draw &draw = draws[index];
    draw.token = draw.choice->draw(draw.logits, samplers[worker]);
  });
  TimePoint time = now();
  for (const Draw &draw : draws) {
    Continuation &choice = *draw.choice;
    if (!draw.token) {
      finish(choice, FinishReason::Failed, draw.token.error().message);
      continue;
    }
    ++statistics.generatedTokens;
    if (choice.result.tokens.empty())
      choice.result.secondsToFirst = secondsBetween(choice.request.arrival, time);
    if (FinishReason reason = choice.accept(*draw.token); reason != FinishReason::None)
      finish(choice, reason);
  }
}

//===- The end ------------------------------------------------------------------------------------------===//

void Generator::State::conclude(Continuation &choice, FinishReason reason, std::string error) {
  choice.result.error = std::move(error);
  choice.result.seconds = secondsBetween(choice.request.arrival, now());
  --choice.request.unfinished;
  choice.finish(reason);
}

void Generator::State::finish(Continuation &choice, FinishReason reason, std::string error) {
  scheduler.remove(choice);
  conclude(choice, reason, std::move(error));
}

void Generator::State::finish(Request &request, FinishReason reason, std::string error) {
  for (const auto &choice : request.choices)
    if (choice->result.reason == FinishReason::None)
      finish(*choice, reason, error);
  while (request.choices.size() < request.input.choices) // those that never began
    conclude(addContinuation(request, static_cast<uint32_t>(request.choices.size())), reason, error);
}

void Generator::cancel(RequestId request, FinishReason reason) {
  if (auto found = state->requests.find(request); found != state->requests.end())
    state->finish(*found->second, reason);
}

void Generator::cancel(FinishReason reason) {
  for (const auto &[id, request] : state->requests)
    state->finish(*request, reason);
}

void Generator::forget(RequestId request) {
  cancel(request);
  state->requests.erase(request);
}
