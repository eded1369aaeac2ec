//===- Prompts.h - From requests to what the engine runs ----------------------------*- C++ -*-===//
//
// Renders, tokenizes, compiles grammars, and refuses what does not fit into the context.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Generator.h"
#include "runtime/server/ChatAnswer.h"
#include "runtime/server/ChatRequest.h"
#include "runtime/server/CompletionAnswer.h"
#include "runtime/server/CompletionRequest.h"
#include "runtime/server/ServedModel.h"

namespace nibble::server {

/// A request in the engine's words: a generation for each prompt, and what its answer needs to know besides
/// the head.
struct PreparedChat {
  GenerationRequest generation;
  ChatAnswerOptions answer;
};
struct PreparedCompletion {
  std::vector<GenerationRequest> generations;
  CompletionAnswerOptions answer;
};

Answered<PreparedChat> prepareChat(const ServedModel &model, ChatRequest request);
Answered<PreparedCompletion> prepareCompletion(const ServedModel &model, CompletionRequest request);

/// The rendered conversation; tools are shown in the style that is given. /tokenize needs no more.
Answered<std::string> renderChat(const ServedModel &model, ChatPrompt prompt, ToolStyle style);
/// The style in which the template of this prompt, or --tool-style, wants tools to be called; Hermes's where
/// neither says so.
ToolStyle toolStyleOf(const ServedModel &model, const ChatPrompt &prompt);
Answered<std::vector<int32_t>> encodeInput(const ServedModel &model, const PromptInput &prompt,
                                           bool addSpecial, const std::string &field);

} // namespace nibble::server
