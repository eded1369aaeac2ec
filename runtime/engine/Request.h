//===- Request.h - A request and its continuations ----------------------------------*- C++ -*-===//
//
// From a row of logits to a token, to text, to the end. Which step a row comes from is the scheduler's
// business.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Generator.h"
#include "nibble/runtime/Grammar.h"
#include "runtime/engine/TextStream.h"
#include "runtime/scheduler/Scheduler.h"
#include <optional>

namespace nibble {

struct Continuation;

struct Request {
  RequestId id = 0;
  GenerationRequest input;
  TimePoint arrival;
  uint32_t mostPositions = 0;                         // prompt and all tokens that may be generated
  std::vector<std::unique_ptr<Continuation>> choices; // the first; the others once the prompt is stored
  uint32_t unfinished = 0;                            // choices, those to come included
  std::vector<SampledToken> promptLogprobs;           // of the prompt's tokens from the second on

  bool wantsPromptLogprobs() const {
    return input.promptLogprobs >= 0 && promptLogprobs.size() + 1 < input.prompt.size();
  }
};

/// One continuation of a request's prompt. Its job's tokens are the prompt and what was generated.
struct Continuation : Job {
  /// `request` must stay where it is. `tokenizer` may be null.
  Continuation(Request &request, uint32_t index, const Tokenizer *tokenizer);

  /// Draws the next token from `logits`, which are used up. Changes nothing else: choices may draw at the
  /// same time, each with a sampler of its own.
  Result<SampledToken> draw(std::span<float> logits, Sampler &sampler);
  /// Takes a token in. Gives why the choice has ended, or None.
  FinishReason accept(const SampledToken &token);
  /// Nothing more comes: text that was held back is let go, and whoever listens hears of the end.
  void finish(FinishReason reason);

  Request &request;
  const uint32_t index;
  GenerationResult result;

private:
  void hear(std::string_view text);
  bool isGrammarAtItsEnd();

  std::optional<GrammarState> grammar;
  std::optional<DetokenizeStream> detokenizer;
  StopStringFilter filter;
};

/// The prompt and all tokens that may follow it, in a context of so many.
uint32_t mostPositions(const GenerationRequest &request, uint32_t context);

} // namespace nibble
