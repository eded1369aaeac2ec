//===- ForcedCall.cpp - Grammars of calls -----------------------------------------------------===//
#include "runtime/server/ForcedCall.h"

namespace nibble::server {

// What the schemas of one request's tools may cost together, which is about what one of them may.
static constexpr uint64_t kMostCost = 20'000'000;

static Result<void> spend(uint64_t &cost, const Grammar &grammar) {
  cost += grammar.cost();
  if (cost > kMostCost)
    return failure(
        "tools: their schemas take too much work to compile together; send fewer tools, or simpler "
        "ones");
  return {};
}

/// One by one: an error of a schema then names its tool, and a path that the client knows.
static Result<void> checkSchemas(const std::vector<Tool> &tools, const ToolChoice &choice) {
  uint64_t cost = 0;
  for (size_t i = 0; i < tools.size(); ++i) {
    if (choice.kind == ToolChoice::Kind::Named && tools[i].name != choice.name)
      continue;
    auto alone = Grammar::fromSchema(tools[i].parameters);
    if (!alone)
      return failure("tools[" + std::to_string(i) + "].function.parameters (" + tools[i].name +
                     "): " + alone.error().message);
    NIBBLE_CHECK(spend(cost, *alone));
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
  uint64_t cost = 0;
  for (const CallForm &form : callForms(style, tools, parallel)) {
    NIBBLE_TRY(Grammar way, Grammar::fromSchema(form.schema, form.before, form.after));
    NIBBLE_CHECK(spend(cost, way));
    ways.push_back(std::move(way));
  }
  return Grammar::anyOf(ways);
}

} // namespace nibble::server
