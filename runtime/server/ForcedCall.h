//===- ForcedCall.h - The forms of calls --------------------------------------------*- C++ -*-===//
//
// What a grammar is made of when the model may not but call: the prompt goes as far as the marks are certain,
// a schema has the rest. Where it may answer instead, the marks are its own to choose.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/ToolCalls.h"

namespace nibble::server {

struct ForcedForm {
  std::string prompt;            // appended to the rendered template
  nlohmann::ordered_json schema; // of the JSON text that comes behind it
  std::string after;             // literal text behind that
};
ForcedForm forcedForm(ToolStyle style, const std::vector<Tool> &tools, const ToolChoice &choice,
                      bool parallel);

/// A way to call one of the tools.
struct CallForm {
  std::string before; // the marks that a model of this style begins with
  nlohmann::ordered_json schema;
  std::string after;
};
std::vector<CallForm> callForms(ToolStyle style, const std::vector<Tool> &tools, bool parallel);

} // namespace nibble::server
