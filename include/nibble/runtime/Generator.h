//===- Generator.h - Many requests continued together -------------------------------*- C++ -*-===//
//
// Iteration-level scheduling over one engine. There are no separate prefill and decode phases: a request
// catches up with its tokens and then gets one more, every step, until it is done. Who takes part in a step
// is decided by the policies of runtime/scheduler: running requests first, then those that wait, by priority,
// age and fair share; and where the pages of the cache do not suffice, the least important one waits again.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Clock.h"
#include "nibble/runtime/Engine.h"
#include "nibble/runtime/Sampler.h"
#include "nibble/runtime/Tokenizer.h"
#include <functional>
#include <string>

namespace nibble {

class GrammarState;

enum class FinishReason : uint8_t {
  None,      // it runs or waits
  Stop,      // a stop token or a stop string came, or a grammar's text is complete
  Length,    // as many tokens as were asked for, or as the context holds
  Cancelled, // by the caller
  Deadline,  // its time was over
  Aborted,   // the service ends
  Failed,    // see GenerationResult::error
};
/// "none", "stop", "length", "cancelled", "deadline", "aborted", "failed".
std::string_view finishReasonName(FinishReason reason);

/// One more token of a choice.
struct TokenEvent {
  uint32_t choice = 0;
  const SampledToken &token;
  std::string_view
      text;          // that is certain now: whole characters that cannot begin a stop string; may be empty
  bool ends = false; // it is a stop token, which belongs to no text
};

struct GenerationResult {
  uint32_t promptTokens = 0;
  uint32_t cachedTokens = 0;   // of the prompt, found in the cache when it was admitted
  std::vector<int32_t> tokens; // generated; the stop token, if one ended it, is the last
  std::string text;            // without stop token and stop string; empty without a tokenizer
  FinishReason reason = FinishReason::None;
  std::string error; // where the reason is Failed
  uint32_t preemptions = 0;
  // Seconds since submit(): to the first step that it took part in, to the first token, to the last.
  double secondsQueued = 0, secondsToFirst = 0, seconds = 0;
};

/// Of one request.
inline constexpr uint32_t kMostChoices = 128;

struct GenerationRequest {
  std::vector<int32_t> prompt; // not empty
  uint32_t maxTokens = 0;      // of each choice; 0: as many as the context holds
  uint32_t choices = 1;        // independent continuations of the prompt, which they share
  SamplingOptions sampling;
  std::vector<int32_t> stopTokens;
  std::vector<std::string> stopStrings;
  /// The text must have this form. Needs a tokenizer.
  std::shared_ptr<const GrammarState> grammar;
  /// The text goes on from the prompt's last character (else it is decoded as a text of its own, as an answer
  /// in a chat is: tokenizers that drop the first space of a text drop it there).
  bool continuesText = false;
  /// Special tokens are spelled out in the text (marks of tool calls are special tokens in some
  /// vocabularies).
  bool spellsSpecial = false;
  /// Log probabilities of the prompt's tokens, with so many of the most probable ones (-1: none). Prefixes
  /// are then computed anew.
  int32_t promptLogprobs = -1;

  int32_t priority = 0;              // lower runs first
  std::string owner;                 // who shares fairly with other owners: an API key, a user
  std::optional<TimePoint> deadline; // ends there with what it has

  /// Hears text as soon as it is certain. For one choice.
  std::function<void(std::string_view)> onText;
  /// Hears every token of every choice, in order within a choice.
  std::function<void(const TokenEvent &)> onToken;
  /// Hears the log probabilities of the prompt's tokens from the second on, before the first token.
  std::function<void(std::span<const SampledToken>)> onPrompt;
  /// Hears of the end of each choice; text that was held back until then is in `rest`.
  std::function<void(uint32_t choice, const GenerationResult &result, std::string_view rest)> onFinish;

  /// A sequence that already stores the first tokens of the prompt (fewer than all); it is kept afterwards,
  /// and never preempted. For one choice. None: the generator makes one and destroys it.
  std::optional<SequenceId> sequence;
};

/// Names a request of one generator, or of one service; never used again.
using RequestId = uint64_t;

/// Where the time of all steps went. A step that holds prompt rows counts as prompt time.
struct GenerationStatistics {
  uint64_t promptTokens = 0, decodedTokens = 0, steps = 0, preemptions = 0;
  uint64_t admittedTokens = 0;  // of prompts that have begun, those found in the cache included
  uint64_t generatedTokens = 0; // of all choices
  double promptSeconds = 0, decodeSeconds = 0;
};

/// What a generator has to do. Every choice of a request that has begun counts.
struct GenerationLoad {
  uint32_t running = 0, waiting = 0;
  uint64_t waitingTokens = 0; // of those that wait, generated ones included where they were preempted
};

class Generator {
public:
  /// `tokenizer` may be null: then there is no text, and stop strings and grammars are refused. `now` is the
  /// clock that ageing, deadlines and times are measured by.
  Generator(Engine &engine, const Tokenizer *tokenizer, std::function<TimePoint()> now = Clock::now);
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;
  /// Gives the sequences back. Callbacks are not called any more.
  ~Generator();

  /// Refused, never cut: a prompt, or a prompt with the tokens asked for, that the context or the cache
  /// cannot hold; options out of range. Needs no engine: any thread may ask.
  static Result<void> check(const GenerationRequest &request, const Engine &engine,
                            const Tokenizer *tokenizer);

  /// Queues a request that passes check().
  Result<RequestId> submit(GenerationRequest request);
  /// Runs one step; false once every request is finished. Where the engine fails, all requests do.
  Result<bool> step();
  /// Ends a request, or all, that is not finished.
  void cancel(RequestId request, FinishReason reason = FinishReason::Cancelled);
  void cancel(FinishReason reason = FinishReason::Cancelled);

  /// Of a request that has not been forgotten.
  const GenerationResult &result(RequestId request, uint32_t choice = 0) const;
  bool isFinished(RequestId request) const;
  /// A finished request's results go; its id names nothing any more.
  void forget(RequestId request);

  GenerationLoad load() const;
  const GenerationStatistics &statistics() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace nibble
