//===- ForcedCall.cpp - Grammars of calls -----------------------------------------------------===//
#include "runtime/server/ForcedCall.h"

namespace nibble::server {

/// One by one: an error of a schema then names its tool, and a path that the client knows.
static Result<void> checkSchemas(const std::vector<Tool> &tools, const ToolChoice &choice) {
  for (size_t i = 0; i < tools.size(); ++i) {
    if (choice.kind == ToolChoice::Kind::Named && tools[i].name != choice.name)
      continue;
    if (auto alone = Grammar::fromSchema(tools[i].parameters); !alone)
      return failure("tools[" + std::to_string(i) + "].function.parameters (" + tools[i].name +
                     "): " + alone.error().message);
  }
  return {};
}

Result<ForcedCall> forceCall(ToolStyle style, const std::vector<Tool> &tools, const ToolChoice &choice,
                             bool parallel) {
  NIBBLE_CHECK(checkSchemas(tools, choice));
  auto form = forcedForm(style, tools, choice, parallel);
  NIBBLE_TRY(Grammar grammar, Grammar::fromSchema(form.schema, {}, form.after));
  return ForcedCall{std::move(form.prompt), std::move(grammar)};
}

Result<Grammar> callOr(const Grammar &answer, ToolStyle style, const std::vector<Tool> &tools,
                       bool parallel) {
  NIBBLE_CHECK(checkSchemas(tools, {ToolChoice::Kind::Auto, {}}));
  std::vector<Grammar> ways = {answer};
  for (const CallForm &form : callForms(style, tools, parallel)) {
    NIBBLE_TRY(Grammar way, Grammar::fromSchema(form.schema, form.before, form.after));
    ways.push_back(std::move(way));
  }
  return Grammar::anyOf(ways);
}

} // namespace nibble::server
