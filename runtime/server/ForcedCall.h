//===- ForcedCall.h - The form of a call that must be made --------------------------*- C++ -*-===//
//
// What a grammar is made of when the model may not but call: the prompt goes as far as the marks are certain
// (they are special tokens in some vocabularies, which no grammar may spell), a schema has the rest.
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

} // namespace nibble::server
