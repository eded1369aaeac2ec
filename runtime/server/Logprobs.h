//===- Logprobs.h - Log probabilities in answers ------------------------------------*- C++ -*-===//
//
// Chat has an object for each token, completions have four lists.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Sampler.h"
#include "nibble/runtime/Tokenizer.h"
#include <string>

namespace nibble::server {

/// Appends {"token", "logprob", "bytes", "top_logprobs"}.
void appendChatLogprob(std::string &out, const Tokenizer &tokenizer, const SampledToken &token);

/// The lists `tokens`, `token_logprobs`, `top_logprobs` and `text_offset` of one choice of a completion.
class CompletionLogprobs {
public:
  /// `tokenizer` may be null: tokens have no text then.
  explicit CompletionLogprobs(const Tokenizer *tokenizer) : tokenizer(tokenizer) {}

  /// A prompt's first token has no probability.
  void addFirst(int32_t token, bool isInText);
  /// `isInText`: the token is a part of the text that offsets count in.
  void add(const SampledToken &token, bool isInText);
  /// {"tokens": [...], ...} of what was added since the last take; offsets go on.
  std::string take();

private:
  std::string spelling(int32_t token) const;
  void addToken(int32_t token, bool isInText);

  const Tokenizer *tokenizer;
  std::string tokens, logprobs, tops, offsets; // elements of the lists
  uint64_t characters = 0;                     // that began before the next token
};

} // namespace nibble::server
