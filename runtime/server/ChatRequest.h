//===- ChatRequest.h - POST /v1/chat/completions ------------------------------------*- C++ -*-===//
//
// A conversation to be continued, with everything that OpenAI's clients and vLLM's say about how.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/Constraint.h"
#include "runtime/server/GenerationFields.h"
#include "runtime/server/ToolCalls.h"

namespace nibble::server {

/// The part of a request that makes the prompt; /tokenize has it too.
struct ChatPrompt {
  Json messages; // objects with a role; content is a string or null
  Json tools;    // as they came, for the template; null: none
  Json templateVariables;
  bool generationPrompt = true;
  bool continuesLast = false; // the answer goes on from the end of the last message
};

struct ChatRequest {
  GenerationFields generation;
  ChatPrompt prompt;
  Constraint constraint;
  std::vector<Tool> tools;
  ToolChoice toolChoice = {.kind = ToolChoice::Kind::None, .name = {}};
  bool parallelCalls = true;
  std::vector<std::string> unknown; // fields that mean nothing here
};

Answered<ChatRequest> parseChatRequest(const Json &body, const RequestRules &rules);
/// Problems are left in `fields`.
ChatPrompt parseChatPrompt(Fields &fields);

} // namespace nibble::server
