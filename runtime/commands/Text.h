//===- Text.h - Tokenizer and templates of an artifact, and standard input ----------*- C++ -*-===//
//
// What the verbs that deal in text share.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Artifact.h"
#include "nibble/runtime/ChatTemplate.h"
#include "nibble/runtime/Tokenizer.h"

namespace nibble {

/// The tokenizer's segment, opened; `artifact` must outlive it.
Result<Tokenizer> openTokenizer(const Artifact &artifact);

/// The segment "templates", parsed.
struct TemplateSet {
  nlohmann::ordered_json templates; // {"default": source, NAME: source, ...}
  nlohmann::ordered_json tokens;    // bos_token, eos_token, ...: what templates read besides the conversation
};
Result<TemplateSet> openTemplates(const Artifact &artifact);

/// What to render, as transformers' apply_chat_template takes it.
struct Conversation {
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools; // null: none
  std::string templateName;     // empty: "tool_use" where there are tools and it exists, else "default"
  bool generationPrompt = true;
  std::string date; // YYYY-MM-DD; empty: today
};
Result<std::string> renderConversation(const TemplateSet &set, const Conversation &conversation);

/// Token ids of a rendered conversation: the template has written its special tokens, a second start token
/// would only confuse the model.
Result<std::vector<int32_t>> encodeRendered(const Tokenizer &tokenizer, std::string_view text);

/// Reads a file of JSON, keeping the order of keys: templates show it to the model.
Result<nlohmann::ordered_json> readOrderedJsonFile(const std::string &path);

/// All of standard input, up to 1 GiB.
Result<std::string> readStandardInput();

} // namespace nibble
