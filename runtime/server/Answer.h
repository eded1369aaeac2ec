//===- Answer.h - What a generation becomes for the client --------------------------*- C++ -*-===//
//
// An answer hears of tokens and of ends, and gives the text to be sent: line by line where the request is
// streamed, else one document at the end. It knows no threads and no sockets.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Sampler.h"
#include "nibble/runtime/Tokenizer.h"
#include <string>

namespace nibble::server {

/// What stands at the beginning of every answer.
struct AnswerHead {
  std::string id, model, fingerprint;
  int64_t created = 0; // seconds since 1970
};

struct Usage {
  uint64_t promptTokens = 0, completionTokens = 0;
  uint64_t cachedTokens = 0; // of the prompt
};
void appendUsage(std::string &out, const Usage &usage);

/// What the answers of chat and completions are told alike.
struct AnswerOptions {
  AnswerHead head;
  uint32_t choices = 1; // all, whatever prompt they continue
  bool streamed = false, usageAtEnd = false, usageAlways = false;
  bool logprobs = false;
  uint64_t promptTokens = 0;            // of all prompts
  const Tokenizer *tokenizer = nullptr; // null: there is no text
};

struct HeardToken {
  uint32_t choice = 0;
  SampledToken token;
  std::string text;  // that is certain now
  bool ends = false; // it is a stop token, which belongs to no text
};

struct EndedChoice {
  uint32_t choice = 0;
  std::string_view reason; // "stop" or "length"
  std::string text;        // the whole
  std::string rest;        // of it that no token has had
};

class Answer {
public:
  virtual ~Answer() = default;
  /// Log probabilities of a prompt's tokens from the second on, for this choice.
  virtual void hearPrompt(uint32_t choice, std::span<const SampledToken> tokens);
  virtual std::string hear(const HeardToken &token) = 0;
  virtual std::string end(const EndedChoice &choice) = 0;
  /// Behind the last choice's end.
  virtual std::string close(const Usage &usage) = 0;
};

/// "data: ...\n\n"
void appendEvent(std::string &out, std::string_view json);
inline constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";

/// Builds the events of one stream: everything but the choice is always the same.
class EventWriter {
public:
  EventWriter(const AnswerOptions &options, std::string_view object);
  /// An event with this choice, {...}.
  void choice(std::string &out, std::string_view json);
  /// The last events: usage where it was asked for, and [DONE].
  std::string close(const Usage &usage) const;
  /// A token was generated, for usages on the way.
  void count() { ++completionTokens; }

private:
  std::string head; // {"id":..., ..., "choices":[
  bool usageAtEnd, usageAlways;
  uint64_t promptTokens, completionTokens = 0;
};

/// {"id": ..., "object": ..., "created": ..., "model": ..., "system_fingerprint": ..., "choices":[
std::string answerHead(const AnswerHead &head, std::string_view object);

} // namespace nibble::server
