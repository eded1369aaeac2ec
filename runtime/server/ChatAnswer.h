//===- ChatAnswer.h - Answers of /v1/chat/completions -------------------------------*- C++ -*-===//
#pragma once

#include "runtime/server/Answer.h"
#include "runtime/server/ToolCalls.h"
#include <memory>

namespace nibble::server {

struct ChatAnswerOptions : AnswerOptions {
  std::vector<Tool> tools; // that may be called; none: the text is only text
  ToolStyle style = ToolStyle::Hermes;
  std::string forcedPrompt; // ForcedCall::prompt
};

std::unique_ptr<Answer> makeChatAnswer(ChatAnswerOptions options);

} // namespace nibble::server
