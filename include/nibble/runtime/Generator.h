//===- Generator.h - Several prompts continued together -----------------------------*- C++ -*-===//
//
// Iteration-level scheduling over one engine: every step takes a row of each sequence that is being decoded,
// then as much of the waiting prompts as the token budget holds. There are no separate prefill and decode
// phases: a request catches up with its tokens and then gets one more.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include "nibble/runtime/Sampler.h"
#include "nibble/runtime/Tokenizer.h"
#include <functional>
#include <string>

namespace nibble {

struct GenerationRequest {
  std::vector<int32_t> prompt; // not empty
  uint32_t maxTokens = 0;      // 0: as many as the context holds
  SamplingOptions sampling;
  std::vector<int32_t> stopTokens;
  std::vector<std::string> stopStrings;
  /// The text goes on from the prompt's last character (else it is decoded as a text of its own, as an answer
  /// in a chat is: tokenizers that drop the first space of a text drop it there).
  bool continuesText = false;
  /// Hears text as soon as it is certain: whole characters that cannot begin a stop string.
  std::function<void(std::string_view)> onText;
  /// A sequence that already stores the first tokens of the prompt (fewer than all); it is kept afterwards.
  /// None: the generator makes one and destroys it.
  std::optional<SequenceId> sequence;
};

enum class FinishReason : uint8_t { None, Stop, Length, Cancelled };
/// "stop", "length", "cancelled".
std::string_view finishReasonName(FinishReason reason);

struct GenerationResult {
  uint32_t promptTokens = 0;
  std::vector<int32_t> tokens; // generated; the stop token, if one ended it, is the last
  std::string text;            // without stop token and stop string; empty without a tokenizer
  FinishReason reason = FinishReason::None;
  double secondsToFirst = 0, seconds = 0; // since submit(): to the first token, to the last
};

/// Where the time of all steps went. A step that holds prompt rows counts as prompt time.
struct GenerationStatistics {
  uint64_t promptTokens = 0, decodedTokens = 0, steps = 0;
  double promptSeconds = 0, decodeSeconds = 0;
};

class Generator {
public:
  /// `tokenizer` may be null: then there is no text, and stop strings are refused.
  Generator(Engine &engine, const Tokenizer *tokenizer);
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;
  ~Generator();

  /// Queues a request and gives its index. Refused, never cut: a prompt, or a prompt with the tokens asked
  /// for, that the context cannot hold; sampling options out of range.
  Result<uint32_t> submit(GenerationRequest request);
  /// Runs one step; false once every request is finished.
  Result<bool> step();
  /// Ends whatever is not finished, with reason Cancelled.
  void cancel();

  const GenerationResult &result(uint32_t request) const;
  bool isFinished(uint32_t request) const;
  const GenerationStatistics &statistics() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace nibble
