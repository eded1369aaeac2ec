//===- Conversation.cpp - From texts and conversations to token ids ---------------------------===//

#include "runtime/conversation/Conversation.h"
#include "nibble/runtime/Json.h"

using namespace nibble;
using Json = nlohmann::ordered_json;

Result<Tokenizer> nibble::openTokenizer(const Artifact &artifact) {
  auto segment = artifact.segment("tokenizer");
  if (segment.empty())
    return failure(artifact.path() +
                   ": has no tokenizer; use --tokens FILE.json, or compile a checkpoint with one");
  auto tokenizer = Tokenizer::open(segment);
  if (!tokenizer)
    return failure(artifact.path() + ": tokenizer: " + tokenizer.error().message);
  return tokenizer;
}

Result<TemplateSet> nibble::parseTemplates(std::string_view text, const std::string &name) {
  NIBBLE_TRY(Json document, parseOrderedJson(text, name));
  if (!document.is_object() || !document.contains("templates") || !document["templates"].is_object())
    return failure(name + ": expected an object with \"templates\"");
  TemplateSet set;
  set.templates = document["templates"];
  for (auto &[templateName, source] : set.templates.items()) {
    if (!source.is_string())
      return failure(name + "." + templateName + ": expected a string");
    set.parsed.emplace(
        templateName, ChatTemplate::parse(source.get<std::string>(), "chat template '" + templateName + "'"));
  }
  document.erase("templates");
  set.tokens = Json::object();
  for (auto &[token, value] : document.items())
    if (value.is_string())
      set.tokens[token] = value;
  return set;
}

Result<std::optional<TemplateSet>> nibble::findTemplates(const Artifact &artifact) {
  auto segment = artifact.segment("templates");
  if (segment.empty())
    return std::nullopt;
  std::string_view text(reinterpret_cast<const char *>(segment.data()), segment.size());
  NIBBLE_TRY(TemplateSet set, parseTemplates(text, artifact.path() + ": templates"));
  return set.templates.empty() ? std::nullopt : std::optional(std::move(set));
}

Result<TemplateSet> nibble::openTemplates(const Artifact &artifact) {
  NIBBLE_TRY(auto set, findTemplates(artifact));
  if (!set)
    return failure(artifact.path() + ": has no chat template; its checkpoint had none; use generate");
  return std::move(*set);
}

/// The time that strftime_now shows: noon of a given day.
static Result<std::optional<std::tm>> dateOf(const std::string &date) {
  if (date.empty())
    return std::optional<std::tm>();
  std::tm time = {};
  const char *end = ::strptime(date.c_str(), "%Y-%m-%d", &time);
  if (!end || *end != '\0')
    return failure("--date=" + date + ": expected YYYY-MM-DD");
  time.tm_hour = 12;
  time.tm_isdst = -1;
  std::mktime(&time); // fills in the day of the week
  return std::optional(time);
}

static bool hasTools(const Conversation &conversation) {
  return !conversation.tools.is_null() && !conversation.tools.empty();
}

Result<std::string> nibble::chooseTemplate(const TemplateSet &set, const Conversation &conversation) {
  std::string name = conversation.templateName;
  if (name.empty())
    name = hasTools(conversation) && set.templates.contains("tool_use") ? "tool_use" : "default";
  if (set.templates.contains(name))
    return name;
  std::string names;
  for (auto &[known, source] : set.templates.items())
    names += (names.empty() ? "" : ", ") + known;
  return failure("there is no chat template '" + name + "'; there is " + names);
}

Result<std::string> nibble::renderConversation(const TemplateSet &set, const Conversation &conversation) {
  NIBBLE_TRY(std::string name, chooseTemplate(set, conversation));
  NIBBLE_TRY(auto now, dateOf(conversation.date));
  NIBBLE_TRY(const ChatTemplate &chosen, set.parsed.at(name));
  Json variables = set.tokens;
  if (conversation.variables.is_object())
    variables.update(conversation.variables);
  variables["messages"] = conversation.messages;
  variables["tools"] = hasTools(conversation) ? conversation.tools : Json();
  if (!variables.contains("documents"))
    variables["documents"] = Json();
  variables["add_generation_prompt"] = conversation.generationPrompt;
  RenderOptions options;
  options.now = now;
  return chosen.render(variables, options);
}

Result<std::vector<int32_t>> nibble::encodeRendered(const Tokenizer &tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.addSpecial = false, .parseSpecial = true});
}

Result<std::vector<int32_t>> nibble::encodePrompt(const Tokenizer &tokenizer, std::string_view text,
                                                  EncodeOptions options) {
  NIBBLE_TRY(auto ids, tokenizer.encode(text, options));
  if (ids.size() > 1 && tokenizer.bos() && ids[0] == *tokenizer.bos() && ids[1] == ids[0])
    ids.erase(ids.begin());
  return ids;
}
