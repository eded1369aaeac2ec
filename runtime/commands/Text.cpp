//===- Text.cpp - Tokenizer and templates of an artifact, and standard input ------------------===//

#include "runtime/commands/Text.h"
#include "nibble/runtime/Json.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace nibble;
using Json = nlohmann::ordered_json;

static constexpr uint64_t kMostInputBytes = 1u << 30;

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

Result<TemplateSet> nibble::openTemplates(const Artifact &artifact) {
  auto segment = artifact.segment("templates");
  if (segment.empty())
    return failure(artifact.path() + ": has no chat template; its checkpoint had none; use generate");
  std::string_view text(reinterpret_cast<const char *>(segment.data()), segment.size());
  NIBBLE_TRY(Json document, parseOrderedJson(text, artifact.path() + ": templates"));
  if (!document.is_object() || !document.contains("templates") || !document["templates"].is_object())
    return failure(artifact.path() + ": templates: expected an object with \"templates\"");
  TemplateSet set;
  set.templates = document["templates"];
  for (auto &[name, source] : set.templates.items())
    if (!source.is_string())
      return failure(artifact.path() + ": templates." + name + ": expected a string");
  if (set.templates.empty())
    return failure(artifact.path() + ": has no chat template; its checkpoint had none; use generate");
  document.erase("templates");
  set.tokens = Json::object();
  for (auto &[name, value] : document.items())
    if (value.is_string())
      set.tokens[name] = value;
  return set;
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

Result<std::string> nibble::renderConversation(const TemplateSet &set, const Conversation &conversation) {
  std::string name = conversation.templateName;
  bool hasTools = !conversation.tools.is_null() && !conversation.tools.empty();
  if (name.empty())
    name = hasTools && set.templates.contains("tool_use") ? "tool_use" : "default";
  if (!set.templates.contains(name)) {
    std::string names;
    for (auto &[known, source] : set.templates.items())
      names += (names.empty() ? "" : ", ") + known;
    return failure("there is no chat template '" + name + "'; there is " + names);
  }
  NIBBLE_TRY(auto now, dateOf(conversation.date));
  NIBBLE_TRY(auto parsed,
             ChatTemplate::parse(set.templates[name].get<std::string>(), "chat template '" + name + "'"));
  Json variables = set.tokens;
  variables["messages"] = conversation.messages;
  variables["tools"] = hasTools ? conversation.tools : Json();
  variables["documents"] = Json();
  variables["add_generation_prompt"] = conversation.generationPrompt;
  RenderOptions options;
  options.now = now;
  return parsed.render(variables, options);
}

Result<std::vector<int32_t>> nibble::encodeRendered(const Tokenizer &tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.addSpecial = false, .parseSpecial = true});
}

Result<Json> nibble::readOrderedJsonFile(const std::string &path) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  return parseOrderedJson(file.text(), path);
}

Result<std::string> nibble::readStandardInput() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    ssize_t count = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return failure(std::string("standard input: cannot read: ") + std::strerror(errno));
    if (count == 0)
      return text;
    if (text.size() + static_cast<size_t>(count) > kMostInputBytes)
      return failure("standard input: has more than 1 GiB; cut it into parts");
    text.append(buffer, static_cast<size_t>(count));
  }
}
