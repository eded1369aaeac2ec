//===- Conversation.h - From texts and conversations to token ids -------------------*- C++ -*-===//
//
// An artifact's tokenizer and chat templates, and how prompts are made with them: the same for the verbs and
// for the server.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Artifact.h"
#include "nibble/runtime/ChatTemplate.h"
#include "nibble/runtime/Tokenizer.h"
#include <map>
#include <optional>

namespace nibble {

/// The tokenizer's segment, opened; `artifact` must outlive it.
Result<Tokenizer> openTokenizer(const Artifact &artifact);

/// The segment "templates", parsed. Immutable: several threads may render at the same time.
struct TemplateSet {
  nlohmann::ordered_json templates; // {"default": source, NAME: source, ...}
  nlohmann::ordered_json tokens;    // bos_token, eos_token, ...: what templates read besides the conversation
  std::map<std::string, Result<ChatTemplate>> parsed; // by name; one that is broken fails when it is used
};
Result<TemplateSet> parseTemplates(std::string_view text, const std::string &name);
/// The artifact's; fails where it has none.
Result<TemplateSet> openTemplates(const Artifact &artifact);
/// The same; nothing where it has none.
Result<std::optional<TemplateSet>> findTemplates(const Artifact &artifact);

/// What to render, as transformers' apply_chat_template takes it.
struct Conversation {
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools = nullptr;     // null: none
  nlohmann::ordered_json variables = nullptr; // an object: more variables for the template; null: none
  std::string templateName;                   // empty: "tool_use" for tools where it exists, else "default"
  bool generationPrompt = true;
  std::string date; // YYYY-MM-DD; empty: today
};
/// The name of the template that renders a conversation; the error lists what there is.
Result<std::string> chooseTemplate(const TemplateSet &set, const Conversation &conversation);
Result<std::string> renderConversation(const TemplateSet &set, const Conversation &conversation);

/// Token ids of a rendered conversation: the template has written its special tokens, a second start token
/// would only confuse the model.
Result<std::vector<int32_t>> encodeRendered(const Tokenizer &tokenizer, std::string_view text);

/// Token ids of a text to continue. One that spells its own start token gets no second one.
Result<std::vector<int32_t>> encodePrompt(const Tokenizer &tokenizer, std::string_view text,
                                          EncodeOptions options = {});

} // namespace nibble
