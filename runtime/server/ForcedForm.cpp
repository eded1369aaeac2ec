//===- ForcedForm.cpp - The forms of calls ----------------------------------------------------===//
#include "runtime/server/ForcedCall.h"

using nlohmann::ordered_json;

namespace nibble::server {

/// References inside of a schema count from its root: `schema` becomes part of another one, at `place`
/// ("#/properties/arguments").
static void moveReferences(ordered_json &schema, const std::string &place) {
  if (schema.is_array()) {
    for (auto &element : schema)
      moveReferences(element, place);
    return;
  }
  if (!schema.is_object())
    return;
  for (auto &[key, value] : schema.items()) {
    if (key == "const" || key == "enum" || key == "default" || key == "examples")
      continue; // values, not schemas
    if ((key == "$ref" || key == "$dynamicRef") && value.is_string()) {
      const auto &reference = value.get_ref<const std::string &>();
      if (reference == "#" || reference.starts_with("#/"))
        value = place + reference.substr(1);
      continue;
    }
    moveReferences(value, place);
  }
}

/// The object that is a call of `tool`, as part of a schema at `place`.
static ordered_json callOf(const Tool &tool, const char *arguments, const std::string &place) {
  ordered_json parameters = tool.parameters;
  if (parameters.empty())
    parameters["type"] = "object";
  parameters.erase("$schema");
  moveReferences(parameters, place + "/properties/" + arguments);
  ordered_json call;
  call["type"] = "object";
  call["properties"]["name"]["const"] = tool.name;
  call["properties"][arguments] = std::move(parameters);
  call["required"] = {"name", arguments};
  call["additionalProperties"] = false;
  return call;
}

/// The arguments alone, as the name stands before them.
static ordered_json argumentsOf(const Tool &tool) {
  ordered_json schema = tool.parameters;
  schema.erase("$schema");
  if (schema.empty())
    schema["type"] = "object";
  return schema;
}

ForcedForm forcedForm(ToolStyle style, const std::vector<Tool> &tools, const ToolChoice &choice,
                      bool parallel) {
  std::vector<const Tool *> allowed;
  for (const auto &tool : tools)
    if (choice.kind != ToolChoice::Kind::Named || tool.name == choice.name)
      allowed.push_back(&tool);

  if (style == ToolStyle::MistralArgs && allowed.size() == 1)
    return {"[TOOL_CALLS]" + allowed.front()->name + "[ARGS]", argumentsOf(*allowed.front()), ""};
  const char *arguments = style == ToolStyle::Llama3 ? "parameters" : "arguments";
  bool isList = style == ToolStyle::Mistral || style == ToolStyle::MistralArgs;
  const std::string root = isList ? "#/items" : "#";
  ordered_json call;
  if (allowed.size() == 1)
    call = callOf(*allowed.front(), arguments, root);
  else
    for (size_t i = 0; i < allowed.size(); ++i)
      call["anyOf"].push_back(callOf(*allowed[i], arguments, root + "/anyOf/" + std::to_string(i)));
  if (!isList)
    return style == ToolStyle::Hermes ? ForcedForm{"<tool_call>\n", std::move(call), "\n</tool_call>"}
                                      : ForcedForm{"", std::move(call), ""};
  ordered_json list;
  list["type"] = "array";
  list["items"] = std::move(call);
  list["minItems"] = 1;
  if (!parallel || choice.kind == ToolChoice::Kind::Named)
    list["maxItems"] = 1;
  return {"[TOOL_CALLS]", std::move(list), ""};
}

std::vector<CallForm> callForms(ToolStyle style, const std::vector<Tool> &tools, bool parallel) {
  std::vector<CallForm> forms;
  if (style == ToolStyle::MistralArgs) {
    for (const Tool &tool : tools)
      forms.push_back({"[TOOL_CALLS]" + tool.name + "[ARGS]", argumentsOf(tool), ""});
    return forms;
  }
  ForcedForm form = forcedForm(style, tools, {ToolChoice::Kind::Required, {}}, parallel);
  // Models of these styles were taught the one and the other.
  if (style == ToolStyle::Llama3)
    forms.push_back({"<|python_tag|>", form.schema, form.after});
  if (style == ToolStyle::Mistral)
    forms.push_back({form.prompt + " ", form.schema, form.after});
  forms.push_back({std::move(form.prompt), std::move(form.schema), std::move(form.after)});
  return forms;
}

} // namespace nibble::server
