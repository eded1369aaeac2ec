//===- Request.cpp - A request and its continuations ------------------------------------------===//

#include "runtime/engine/Request.h"
#include "runtime/cache/KVCache.h"
#include <algorithm>

using namespace nibble;

std::string_view nibble::finishReasonName(FinishReason reason) {
  static constexpr std::string_view names[] = {"none",     "stop",    "length", "cancelled",
                                               "deadline", "aborted", "failed"};
  return names[static_cast<size_t>(reason)];
}

Continuation::Continuation(Request &request, uint32_t index, const Tokenizer *tokenizer)
    : request(request), index(index), filter(request.input.stopStrings) {
  const GenerationRequest &input = request.input;
  standing = {.priority = input.priority, .arrival = request.arrival, .number = request.id << 16 | index};
  owner = input.owner;
  tokens = input.prompt;
  if (input.grammar)
    grammar.emplace(*input.grammar);
  result.promptTokens = static_cast<uint32_t>(input.prompt.size());
  if (!tokenizer)
    return;
  detokenizer.emplace(*tokenizer, !input.spellsSpecial);
  if (!input.continuesText)
    return;
  for (int32_t token : input.prompt)
    detokenizer->push(token);
  auto isText = [&](int32_t token) { return input.spellsSpecial || !tokenizer->isSpecial(token); };
  if (grammar && std::ranges::any_of(input.prompt, isText))
    grammar->continueText();
}

Result<SampledToken> Continuation::draw(std::span<float> logits, Sampler &sampler) {
  std::span<const int32_t> known = tokens;
  SamplingStep step = {.prompt = known.first(result.promptTokens),
                       .generated = known.subspan(result.promptTokens),
                       .choice = index,
                       .token = result.tokens.size(),
                       .grammar = grammar ? grammar->mask() : std::span<const uint32_t>()};
  return sampler.sample(logits, request.input.sampling, step);
}

void Continuation::hear(std::string_view text) {
  result.text += text;
  if (request.input.onText && !text.empty())
    request.input.onText(text);
}

/// Where a model has an end token, that is drawn instead.
bool Continuation::isGrammarAtItsEnd() {
  return grammar && request.input.stopTokens.empty() && grammar->isComplete() &&
         std::ranges::all_of(grammar->mask(), [](uint32_t word) { return word == 0; });
}

FinishReason Continuation::accept(const SampledToken &token) {
  const GenerationRequest &input = request.input;
  tokens.push_back(token.token);
  result.tokens.push_back(token.token);
  bool ends = std::ranges::find(input.stopTokens, token.token) != input.stopTokens.end();
  if (grammar)
    grammar->accept(token.token);
  std::string text;
  if (!ends && detokenizer) {
    text = filter.push(detokenizer->push(token.token));
    hear(text);
  }
  if (input.onToken)
    input.onToken({.choice = index, .token = token, .text = text, .ends = ends});
  return ends || filter.isStopped() || isGrammarAtItsEnd() ? FinishReason::Stop
         : tokens.size() >= request.mostPositions          ? FinishReason::Length
                                                           : FinishReason::None;
}

void Continuation::finish(FinishReason reason) {
  result.reason = reason;
  result.cachedTokens = cached;
  result.preemptions = preemptions;
  std::string rest;
  if (detokenizer && !filter.isStopped()) {
    rest = filter.push(detokenizer->finish());
    rest += filter.finish();
    hear(rest);
  }
  if (request.input.onFinish)
    request.input.onFinish(index, result, rest);
}

//===- What can never run is refused, never cut ---------------------------------------------------------===//

uint32_t nibble::mostPositions(const GenerationRequest &request, uint32_t context) {
  return request.maxTokens ? static_cast<uint32_t>(request.prompt.size()) + request.maxTokens : context;
}

static Result<void> checkLengths(const GenerationRequest &request, const MemoryPlan &plan) {
  size_t count = request.prompt.size();
  std::string context = std::to_string(plan.context), prompt = "the prompt has " + std::to_string(count);
  if (count == 0)
    return failure("the prompt is empty; a model continues at least one token");
  if (count >= plan.context)
    return failure(prompt + " tokens; the context of " + context +
                   " leaves no room to continue it; raise it with --context, or shorten the prompt");
  if (request.maxTokens > plan.context - count)
    return failure(prompt + " tokens and " + std::to_string(request.maxTokens) +
                   " more were asked for; the context holds " + context +
                   "; raise it with --context, shorten the prompt or ask for fewer");
  if (uint32_t pages = pagesFor(mostPositions(request, plan.context));
      !request.sequence && pages > plan.pages)
    return failure("the request needs " + std::to_string(pages) + " pages of the KV cache, which has " +
                   std::to_string(plan.pages));
  return {};
}

Result<void> Generator::check(const GenerationRequest &request, const Engine &engine,
                              const Tokenizer *tokenizer) {
  NIBBLE_CHECK(checkLengths(request, engine.plan()));
  auto vocabulary = static_cast<int32_t>(engine.model().vocabulary);
  for (int32_t token : request.prompt)
    if (token < 0 || token >= vocabulary)
      return failure("token id " + std::to_string(token) + " of the prompt is not in the vocabulary of " +
                     std::to_string(vocabulary));
  NIBBLE_CHECK(validate(request.sampling, static_cast<size_t>(vocabulary)));
  if (!tokenizer && !request.stopStrings.empty())
    return failure("stop strings need a tokenizer, which this artifact lacks; use stop ids");
  uint32_t most = request.sequence ? 1 : std::min(engine.options().sequences, kMostChoices);
  if (!tokenizer && request.grammar)
    return failure("a form of the text needs a tokenizer, which this artifact lacks");
  if (request.choices == 0 || request.choices > most)
    return failure("n is " + std::to_string(request.choices) + "; expected 1 to " + std::to_string(most));
  return {};
}
