//===- ForcedCall.cpp - A grammar that makes the model call -----------------------------------===//
#include "runtime/server/ForcedCall.h"

namespace nibble::server {

Result<ForcedCall> forceCall(ToolStyle style, const std::vector<Tool> &tools, const ToolChoice &choice,
                             bool parallel) {
  // One by one first: an error of a schema then names its tool, and a path that the client knows.
  for (size_t i = 0; i < tools.size(); ++i) {
    if (choice.kind == ToolChoice::Kind::Named && tools[i].name != choice.name)
      continue;
    if (auto alone = Grammar::fromSchema(tools[i].parameters); !alone)
      return failure("tools[" + std::to_string(i) + "].function.parameters (" + tools[i].name +
                     "): " + alone.error().message);
  }
  auto form = forcedForm(style, tools, choice, parallel);
  NIBBLE_TRY(Grammar grammar, Grammar::fromSchema(form.schema, {}, form.after));
  return ForcedCall{std::move(form.prompt), std::move(grammar)};
}

} // namespace nibble::server
