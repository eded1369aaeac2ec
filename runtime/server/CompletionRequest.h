//===- CompletionRequest.h - POST /v1/completions -----------------------------------*- C++ -*-===//
//
// Texts, or token ids, to be continued.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/Constraint.h"
#include "runtime/server/GenerationFields.h"
#include <variant>

namespace nibble::server {

/// A prompt as it came.
using PromptInput = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest {
  GenerationFields generation;      // maxTokens has a value only where the request has one
  std::vector<PromptInput> prompts; // not empty; none of them is
  Constraint constraint;
  bool echo = false;
  bool addSpecial = true;
  std::vector<std::string> unknown; // fields that mean nothing here
};

Answered<CompletionRequest> parseCompletionRequest(const Json &body, const RequestRules &rules);
/// A string, a list of strings, a list of ids, or a list of those. Problems are left in `fields`.
std::vector<PromptInput> parsePrompts(Fields &fields, const char *name, const RequestRules &rules);

} // namespace nibble::server
