//===- ChatTemplate.cpp - The public face of the template interpreter -------------------------===//
//
// A parsed template is shared and constant; each rendering has an evaluator of its own.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/ChatTemplate.h"

#include "runtime/template/Evaluator.h"
#include "runtime/template/Parser.h"

#include <nlohmann/json.hpp>

namespace nibble {

/// The largest published template is 60 KB.
static constexpr size_t maxSourceBytes = 4 << 20;

Result<ChatTemplate> ChatTemplate::parse(std::string source, std::string name) {
  if (source.size() > maxSourceBytes)
    return failure(name + ": a chat template of " + std::to_string(source.size()) + " bytes; at most " +
                   std::to_string(maxSourceBytes) + " are accepted");
  auto program = std::make_shared<jinja::Program>();
  program->name = name;
  if (auto status = jinja::parseProgram(source, *program); !status)
    return failure(name + ": line " + std::to_string(status.error().line) + ": " + status.error().message);
  ChatTemplate result;
  result.program = std::move(program);
  return result;
}

Result<std::string> ChatTemplate::render(const nlohmann::ordered_json &variables,
                                         const RenderOptions &options) const {
  return jinja::Evaluator(*program, options).run(variables);
}

bool ChatTemplate::mentions(const std::string &variable) const { return program->names.contains(variable); }

} // namespace nibble
