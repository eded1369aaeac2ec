//===- ChatRequest.cpp - POST /v1/chat/completions --------------------------------------------===//

#include "runtime/server/ChatRequest.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::server;

static constexpr size_t kMostMessages = 4096, kMostTools = 128;

static const char *const kRoles[] = {"system", "developer", "user", "assistant", "tool", "function"};

/// The text of a list of parts, one part a line.
static Answered<std::string> joinParts(const Json &parts, const std::string &path) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string where = path + "[" + std::to_string(i) + "]";
    const Json &part = parts[i];
    auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || !type->is_string())
      return invalid(where, where + ": expected {\"type\": \"text\", \"text\": ...}");
    const std::string &name = type->get_ref<const std::string &>();
    const char *member = name == "refusal" ? "refusal" : "text";
    if (name != "text" && name != "input_text" && name != "refusal")
      return invalid(where, where + ": this model reads text, and no part of type " + excerpt(name));
    auto value = part.find(member);
    if (value == part.end() || !value->is_string())
      return invalid(where + "." + member, where + "." + member + ": expected a string");
    text += (i ? "\n" : "") + value->get_ref<const std::string &>();
  }
  return text;
}

/// A message with a role that exists, and a text as its content.
static Answered<void> checkMessage(Json &message, const std::string &path) {
  if (!message.is_object())
    return invalid(path, path + ": expected {\"role\": ..., \"content\": ...}");
  auto role = message.find("role");
  if (role == message.end() || !role->is_string() ||
      std::find(std::begin(kRoles), std::end(kRoles), role->get_ref<const std::string &>()) ==
          std::end(kRoles))
    return invalid(path + ".role", path + ".role: expected system, developer, user, assistant, tool or "
                                          "function");
  auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    if (*role != "assistant")
      return invalid(path + ".content", path + ".content: is missing");
    message["content"] = nullptr;
  } else if (content->is_array()) {
    NIBBLE_TRY(std::string text, joinParts(*content, path + ".content"));
    *content = std::move(text);
  } else if (!content->is_string()) {
    return invalid(path + ".content", path + ".content: expected a string or a list of text parts");
  }
  return {};
}

ChatPrompt server::parseChatPrompt(Fields &fields) {
  ChatPrompt prompt;
  if (const Json *messages = fields.list("messages")) {
    if (messages->empty() || messages->size() > kMostMessages)
      fields.fail("messages", "expected 1 to " + std::to_string(kMostMessages) + " messages, found " +
                                  std::to_string(messages->size()));
    else
      prompt.messages = *messages;
    for (size_t i = 0; i < prompt.messages.size() && !fields.problem(); ++i)
      if (auto checked = checkMessage(prompt.messages[i], "messages[" + std::to_string(i) + "]"); !checked)
        fields.fail(checked.error());
  } else {
    fields.fail("messages", "is missing: expected a list of messages");
  }
  if (const Json *tools = fields.list("tools"))
    prompt.tools = *tools;
  if (const Json *variables = fields.inner("chat_template_kwargs"))
    prompt.templateVariables = *variables;
  auto generationPrompt = fields.flag("add_generation_prompt");
  prompt.continuesLast = fields.flag("continue_final_message").value_or(false);
  if (prompt.continuesLast && generationPrompt.value_or(false))
    fields.fail("continue_final_message", "goes with \"add_generation_prompt\": false only");
  prompt.generationPrompt = generationPrompt.value_or(!prompt.continuesLast);
  return prompt;
}

static void parseToolFields(Fields &fields, ChatRequest &request) {
  if (request.prompt.tools.size() > kMostTools)
    return fields.fail("tools", "has " + std::to_string(request.prompt.tools.size()) + " tools; at most " +
                                    std::to_string(kMostTools) + " are taken");
  request.parallelCalls = fields.flag("parallel_tool_calls").value_or(true);
  const Json *choice = fields.find("tool_choice");
  auto tools = parseTools(request.prompt.tools);
  if (!tools)
    return fields.fail(ApiError{.message = tools.error().message, .param = "tools"});
  request.tools = std::move(*tools);
  auto chosen = parseToolChoice(choice ? *choice : Json(), request.tools);
  if (!chosen)
    return fields.fail(ApiError{.message = chosen.error().message, .param = "tool_choice"});
  request.toolChoice = std::move(*chosen);
  if (request.toolChoice.kind == ToolChoice::Kind::None) {
    request.tools.clear();
    request.prompt.tools = nullptr;
  } else if (request.constraint.kind == Constraint::Kind::Regex && mustCall(request.toolChoice)) {
    // It is about the text as it is generated, calls and all, and says in which form they come.
    fields.fail(request.constraint.field,
                "is about all that is generated, the forced call too, which has its own form; leave out one "
                "of them, or say \"tool_choice\": \"auto\"");
  }
}

Answered<ChatRequest> server::parseChatRequest(const Json &body, const RequestRules &rules) {
  Fields fields(body);
  ChatRequest request;
  request.generation = parseGenerationFields(fields, rules);
  request.prompt = parseChatPrompt(fields);
  request.constraint = parseConstraint(fields);
  if (!fields.problem())
    parseToolFields(fields, request);
  bool logprobs = fields.flag("logprobs").value_or(false);
  auto top = fields.integer("top_logprobs", 0, rules.mostLogprobs);
  if (top && *top > 0 && !logprobs)
    fields.fail("top_logprobs", "goes with \"logprobs\": true only");
  request.generation.sampling.topLogprobs = logprobs ? static_cast<int32_t>(top.value_or(0)) : -1;
  if (request.generation.maxTokens == 0)
    fields.fail(request.generation.maxTokensName, "expected a whole number of at least 1");
  if (fields.problem())
    return tl::unexpected(*fields.problem());
  request.unknown = fields.unknown();
  return request;
}
