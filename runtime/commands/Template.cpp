//===- Template.cpp - The verb that renders a chat template -----------------------------------===//

#include "runtime/commands/Text.h"
#include "runtime/commands/Verb.h"
#include "runtime/conversation/Conversation.h"
#include <cstdio>

using namespace nibble;

namespace {
struct TemplateFlags {
  std::string messages, tools, name, date;
  bool noGenerationPrompt = false, json = false;
};
} // namespace

static Result<int> runTemplate(const std::string &path, const TemplateFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto set, openTemplates(artifact));
  Conversation conversation;
  NIBBLE_TRY(conversation.messages, readOrderedJsonFile(flags.messages));
  if (!conversation.messages.is_array())
    return failure(flags.messages +
                   ": expected a JSON array of messages, [{\"role\": \"user\", \"content\": \"...\"}]");
  if (!flags.tools.empty()) {
    NIBBLE_TRY(conversation.tools, readOrderedJsonFile(flags.tools));
    if (!conversation.tools.is_array())
      return failure(flags.tools + ": expected a JSON array of tools");
  }
  conversation.templateName = flags.name;
  conversation.date = flags.date;
  conversation.generationPrompt = !flags.noGenerationPrompt;
  NIBBLE_TRY(std::string text, renderConversation(set, conversation));
  if (flags.json)
    text = nlohmann::json(text).dump() + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kExitDone;
}

void nibble::addTemplateVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<TemplateFlags>();
  CLI::App *verb = addVerb(app, choice, "template", "Renders the chat template",
                           {"template --messages conversation.json",
                            "template --messages conversation.json --tools tools.json --date 2026-01-31"});
  verb->add_option("--messages", flags->messages, "JSON [{\"role\", \"content\"}, ...]")->required();
  verb->add_option("--tools", flags->tools, "JSON array of tools");
  verb->add_flag("--no-generation-prompt", flags->noGenerationPrompt, "Do not begin the answer");
  verb->add_option("--template", flags->name, "Which template, where there are several");
  verb->add_option("--date", flags->date, "YYYY-MM-DD, for templates that show the date (default: today)");
  verb->add_flag("--json", flags->json, "Print the text as a JSON string");
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runTemplate(choice.artifactPath, *flags); };
  });
}
