//===- Generator.cpp - Several prompts continued together -------------------------------------===//

#include "nibble/runtime/Generator.h"
#include "runtime/cache/KVCache.h"
#include "runtime/engine/TextStream.h"
#include <algorithm>
#include <chrono>

using namespace nibble;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string_view nibble::finishReasonName(FinishReason reason) {
  switch (reason) {
  case FinishReason::None:
    return "none";
  case FinishReason::Stop:
    return "stop";
  case FinishReason::Length:
    return "length";
  case FinishReason::Cancelled:
    return "cancelled";
  }
  return "?";
}

namespace {

struct Request {
  GenerationRequest input;
  GenerationResult result;
  uint32_t mostPositions = 0; // prompt and all tokens that may be generated
  uint32_t stored = 0;        // positions in the cache
  std::optional<SequenceId> sequence;
  std::optional<DetokenizeStream> detokenizer;
  StopStringFilter filter;
  Clock::time_point begin = Clock::now();

  explicit Request(GenerationRequest request) : input(std::move(request)), filter(input.stopStrings) {}

  bool isRunning() const { return sequence && result.reason == FinishReason::None; }
  /// Whether all of the prompt but what the next step takes is stored: one row is left to feed.
  bool isDecoding() const { return !result.tokens.empty(); }

  void emit(const std::string &text) {
    result.text += text;
    if (input.onText && !text.empty())
      input.onText(text);
  }
};

} // namespace

struct Generator::State {
  Engine &engine;
  const Tokenizer *tokenizer;
  std::vector<std::unique_ptr<Request>> requests;
  GenerationStatistics statistics;
  Sampler sampler;

  // Of the step that is being built; kept to spare the allocations.
  std::vector<StepInput> inputs;
  std::vector<Request *> taking;

  void admit();
  void build();
  Result<void> accept(Request &request, std::span<float> logits);
  void finish(Request &request, FinishReason reason);
};

Generator::Generator(Engine &engine, const Tokenizer *tokenizer)
    : state(new State{engine, tokenizer, {}, {}, {}, {}, {}}) {}

/// Whoever hears the text may be gone by now: only the sequences are given back.
Generator::~Generator() {
  for (const auto &request : state->requests)
    if (request->isRunning() && !request->input.sequence)
      state->engine.destroySequence(*request->sequence);
}

const GenerationResult &Generator::result(uint32_t request) const {
  return state->requests.at(request)->result;
}
bool Generator::isFinished(uint32_t request) const {
  return state->requests.at(request)->result.reason != FinishReason::None;
}
const GenerationStatistics &Generator::statistics() const { return state->statistics; }

Result<uint32_t> Generator::submit(GenerationRequest input) {
  uint32_t context = state->engine.plan().context;
  size_t count = input.prompt.size();
  if (count == 0)
    return failure("the prompt is empty; a model continues at least one token");
  if (count >= context)
    return failure("the prompt has " + std::to_string(count) + " tokens; the context of " +
                   std::to_string(context) +
                   " leaves no room to continue it; raise it with --context, or shorten the prompt");
  if (input.maxTokens > context - count)
    return failure("the prompt has " + std::to_string(count) + " tokens and " +
                   std::to_string(input.maxTokens) + " more were asked for; the context holds " +
                   std::to_string(context) +
                   "; raise it with --context, shorten the prompt or ask for fewer");
  auto vocabulary = static_cast<int32_t>(state->engine.model().vocabulary);
  for (int32_t token : input.prompt)
    if (token < 0 || token >= vocabulary)
      return failure("token id " + std::to_string(token) + " of the prompt is not in the vocabulary of " +
                     std::to_string(vocabulary));
  NIBBLE_CHECK(validate(input.sampling, static_cast<size_t>(vocabulary)));
  if (!state->tokenizer && !input.stopStrings.empty())
    return failure("stop strings need a tokenizer, which this artifact lacks; use stop ids");

  auto request = std::make_unique<Request>(std::move(input));
  request->mostPositions =
      request->input.maxTokens ? static_cast<uint32_t>(count) + request->input.maxTokens : context;
  request->result.promptTokens = static_cast<uint32_t>(count);
  if (request->input.sequence) {
    request->sequence = request->input.sequence;
    request->stored = state->engine.length(*request->sequence);
    if (request->stored >= count)
      return failure("the sequence stores " + std::to_string(request->stored) + " tokens; the prompt of " +
                     std::to_string(count) + " must go on behind them");
  } else {
    uint32_t pages = pagesFor(request->mostPositions);
    if (pages > state->engine.plan().pages)
      return failure("the request needs " + std::to_string(pages) + " pages of the KV cache, which has " +
                     std::to_string(state->engine.plan().pages));
  }
  if (state->tokenizer) {
    request->detokenizer.emplace(*state->tokenizer);
    if (request->input.continuesText)
      for (int32_t token : request->input.prompt)
        request->detokenizer->push(token);
  }
  state->requests.push_back(std::move(request));
  return static_cast<uint32_t>(state->requests.size() - 1);
}

/// Gives waiting requests a sequence, in order, as long as the pages that all running ones may come to need
/// suffice.
void Generator::State::admit() {
  uint64_t promised = 0;
  for (const auto &request : requests)
    if (request->isRunning())
      promised += pagesFor(request->mostPositions) - pagesFor(request->stored);
  for (const auto &request : requests) {
    if (request->sequence || request->result.reason != FinishReason::None)
      continue;
    uint64_t pages = pagesFor(request->mostPositions);
    if (engine.freeSequences() == 0 || promised + pages > engine.freePages())
      return;
    if (auto sequence = engine.createSequence(request->input.prompt)) {
      request->sequence = *sequence;
      request->stored = engine.length(*sequence);
    }
    promised += pages;
  }
}

/// Decoding rows first: they are one each, and somebody reads along. Then prompts, in order of submission.
void Generator::State::build() {
  inputs.clear();
  taking.clear();
  uint32_t tokens = engine.options().tokenBudget, rows = engine.options().rowBudget;
  for (const auto &request : requests) {
    if (!request->isRunning() || !request->isDecoding() || tokens == 0 || rows == 0)
      continue;
    inputs.push_back({*request->sequence, std::span(request->result.tokens).last(1), 1});
    taking.push_back(request.get());
    --tokens;
    --rows;
  }
  for (const auto &request : requests) {
    if (!request->isRunning() || request->isDecoding() || tokens == 0)
      continue;
    auto left = std::span(request->input.prompt).subspan(request->stored);
    auto part = left.first(std::min<size_t>(left.size(), tokens));
    bool last = part.size() == left.size();
    if (last && rows == 0)
      continue;
    inputs.push_back({*request->sequence, part, last ? 1u : 0u});
    taking.push_back(request.get());
    tokens -= static_cast<uint32_t>(part.size());
    rows -= last;
  }
}

Result<bool> Generator::step() {
  state->admit();
  state->build();
  if (state->inputs.empty())
    return false;
  Clock::time_point begin = Clock::now();
  NIBBLE_TRY(auto logits, state->engine.step(state->inputs));
  uint64_t promptRows = 0, decodeRows = 0;
  uint32_t row = 0;
  for (size_t i = 0; i < state->inputs.size(); ++i) {
    Request &request = *state->taking[i];
    const StepInput &input = state->inputs[i];
    auto count = static_cast<uint32_t>(input.tokens.size());
    (request.isDecoding() ? decodeRows : promptRows) += count;
    request.stored += count;
    if (input.logits > 0)
      NIBBLE_CHECK(state->accept(request, logits.row(row++)));
  }
  GenerationStatistics &statistics = state->statistics;
  ++statistics.steps;
  statistics.promptTokens += promptRows;
  statistics.decodedTokens += decodeRows;
  (promptRows > 0 ? statistics.promptSeconds : statistics.decodeSeconds) += secondsSince(begin);
  return true;
}

Result<void> Generator::State::accept(Request &request, std::span<float> logits) {
  GenerationResult &result = request.result;
  SamplingStep position = {
      .prompt = request.input.prompt, .generated = result.tokens, .token = result.tokens.size()};
  NIBBLE_TRY(SampledToken sampled, sampler.sample(logits, request.input.sampling, position));
  int32_t token = sampled.token;
  if (result.tokens.empty())
    result.secondsToFirst = secondsSince(request.begin);
  result.tokens.push_back(token);
  const std::vector<int32_t> &stops = request.input.stopTokens;
  bool stop = std::find(stops.begin(), stops.end(), token) != stops.end();
  if (!stop && request.detokenizer) {
    request.emit(request.filter.push(request.detokenizer->push(token)));
    stop = request.filter.isStopped();
  }
  if (stop)
    finish(request, FinishReason::Stop);
  else if (result.promptTokens + result.tokens.size() >= request.mostPositions)
    finish(request, FinishReason::Length);
  return {};
}

void Generator::State::finish(Request &request, FinishReason reason) {
  request.result.reason = reason;
  request.result.seconds = secondsSince(request.begin);
  if (request.detokenizer && !request.filter.isStopped()) {
    request.emit(request.filter.push(request.detokenizer->finish()));
    request.emit(request.filter.finish());
  }
  if (request.sequence && !request.input.sequence)
    engine.destroySequence(*request.sequence);
}

void Generator::cancel() {
  for (const auto &request : state->requests)
    if (request->result.reason == FinishReason::None)
      state->finish(*request, FinishReason::Cancelled);
}
