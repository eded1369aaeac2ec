//===- ToolChoice.cpp - The fields tools and tool_choice of a request -------------------------===//
#include "runtime/server/ToolCalls.h"
#include <algorithm>

using nlohmann::ordered_json;

namespace nibble::server {

/// The member, or null.
static const ordered_json *memberOf(const ordered_json &object, const char *key) {
  if (!object.is_object())
    return nullptr;
  auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

/// A function's name: OpenAI allows letters, digits, '_' and '-', at most 64; other servers' clients also
/// send
/// '.' and '/'.
static bool isFunctionName(const std::string &name) {
  auto fits = [](unsigned char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-' || byte == '.' || byte == '/';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, fits);
}

Result<std::vector<Tool>> parseTools(const ordered_json &tools) {
  std::vector<Tool> parsed;
  if (tools.is_null())
    return parsed;
  if (!tools.is_array())
    return failure(std::string("tools: expected a list, found ") + tools.type_name());
  for (size_t i = 0; i < tools.size(); ++i) {
    std::string path = "tools[" + std::to_string(i) + "]";
    const ordered_json &tool = tools[i];
    const ordered_json *type = memberOf(tool, "type"), *function = memberOf(tool, "function");
    if (type && *type != "function")
      return failure(path + ".type: expected \"function\", found " +
                     type->dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    if (!function || !function->is_object())
      return failure(path + ".function: expected an object with a name and parameters");
    const ordered_json *name = memberOf(*function, "name"), *parameters = memberOf(*function, "parameters");
    if (!name || !name->is_string() || !isFunctionName(name->get_ref<const std::string &>()))
      return failure(path + ".function.name: expected 1 to 64 letters, digits, '_', '-', '.' or '/'");
    Tool made{name->get<std::string>(), {}};
    if (std::ranges::any_of(parsed, [&](const Tool &other) { return other.name == made.name; }))
      return failure(path + ".function.name: '" + made.name + "' is there twice");
    if (!parameters || parameters->is_null())
      made.parameters = {
          {"type", "object"}, {"properties", ordered_json::object()}, {"additionalProperties", false}};
    else if (!parameters->is_object())
      return failure(path + ".function.parameters: expected a JSON schema, an object; found " +
                     parameters->type_name());
    else
      made.parameters = *parameters;
    parsed.push_back(std::move(made));
  }
  return parsed;
}

Result<ToolChoice> parseToolChoice(const ordered_json &choice, const std::vector<Tool> &tools) {
  using Kind = ToolChoice::Kind;
  if (choice.is_null())
    return ToolChoice{tools.empty() ? Kind::None : Kind::Auto, {}};
  if (choice == "none")
    return ToolChoice{Kind::None, {}};
  if (choice == "auto")
    return ToolChoice{tools.empty() ? Kind::None : Kind::Auto, {}};
  if (choice == "required") {
    if (tools.empty())
      return failure("tool_choice: \"required\" needs at least one tool in `tools`");
    return ToolChoice{Kind::Required, {}};
  }
  const ordered_json *function = memberOf(choice, "function");
  const ordered_json *name = function ? memberOf(*function, "name") : nullptr;
  if (!name || !name->is_string())
    return failure("tool_choice: expected \"none\", \"auto\", \"required\" or "
                   "{\"type\": \"function\", \"function\": {\"name\": ...}}");
  ToolChoice named{Kind::Named, name->get<std::string>()};
  if (std::ranges::none_of(tools, [&](const Tool &tool) { return tool.name == named.name; }))
    return failure("tool_choice.function.name: '" + named.name + "' is not among `tools`");
  return named;
}

} // namespace nibble::server
