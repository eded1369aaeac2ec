//===- CompletionAnswer.h - Answers of /v1/completions ------------------------------*- C++ -*-===//
#pragma once

#include "runtime/server/Answer.h"
#include <memory>

namespace nibble::server {

/// A prompt that the answer begins with.
struct EchoedPrompt {
  std::vector<int32_t> ids;
  std::string text;
  uint32_t hidden = 0; // so many of the first ids are no part of the text
};

struct CompletionAnswerOptions : AnswerOptions {
  std::vector<EchoedPrompt> prompts; // with `echo`, else empty; each has the same number of choices
  bool dropsTokens = false;          // nothing but the prompt is asked for
};

std::unique_ptr<Answer> makeCompletionAnswer(CompletionAnswerOptions options);

} // namespace nibble::server
