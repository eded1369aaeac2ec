//===- ToolMessages.cpp - Conversations with calls, as templates expect them ------------------===//
#include "nibble/runtime/Json.h"
#include "runtime/server/ToolCalls.h"
#include <algorithm>
#include <map>

using nlohmann::ordered_json;

namespace nibble::server {

/// Nine letters or digits that follow from an id of any form; those that are so already stay.
static std::string nineCharacters(const std::string &id) {
  auto fits = [](unsigned char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
  };
  if (id.size() == 9 && std::ranges::all_of(id, fits))
    return id;
  uint64_t hash = 14695981039346656037u; // FNV-1a
  for (unsigned char byte : id)
    hash = (hash ^ byte) * 1099511628211u;
  hash ^= hash >> 32;
  static constexpr std::string_view characters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string made;
  for (int i = 0; i < 9; ++i, hash /= characters.size())
    made += characters[hash % characters.size()];
  return made;
}

static bool isString(const ordered_json &object, const char *key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string();
}

/// Whether the template tells a call by content that is null.
static bool asksForNull(std::string_view chatTemplate) {
  for (std::string_view form : {"['content'] is none", "[\"content\"] is none", ".content is none"})
    if (chatTemplate.find(form) != std::string_view::npos)
      return true;
  return false;
}

static Result<void> normalizeCall(ordered_json &call, const std::string &path) {
  if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
    return failure(path +
                   ": expected {\"id\", \"type\": \"function\", \"function\": {\"name\", \"arguments\"}}");
  ordered_json &function = call["function"];
  if (!isString(function, "name"))
    return failure(path + ".function.name: expected a string");
  auto arguments = function.find("arguments");
  if (arguments == function.end() || arguments->is_null()) {
    function["arguments"] = ordered_json::object();
    return {};
  }
  if (arguments->is_object())
    return {};
  std::string where = path + ".function.arguments";
  if (!arguments->is_string())
    return failure(where + ": expected the JSON text of an object, found " + arguments->type_name());
  std::string text = arguments->get<std::string>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    *arguments = ordered_json::object();
    return {};
  }
  NIBBLE_TRY(ordered_json parsed, parseOrderedJson(text, where));
  if (!parsed.is_object())
    return failure(where + ": expected the JSON text of an object, found that of " + parsed.type_name());
  *arguments = std::move(parsed);
  return {};
}

Result<void> normalizeToolMessages(ordered_json &messages, std::optional<ToolStyle> style,
                                   std::string_view chatTemplate) {
  if (!messages.is_array())
    return failure(std::string("messages: expected a list, found ") + messages.type_name());
  bool nineOnly = style == ToolStyle::Mistral || style == ToolStyle::MistralArgs;
  bool nullStays = asksForNull(chatTemplate);
  std::map<std::string, std::string> functionOf; // of the client's id
  for (size_t i = 0; i < messages.size(); ++i) {
    ordered_json &message = messages[i];
    if (!message.is_object())
      continue;
    std::string path = "messages[" + std::to_string(i) + "]";
    if (auto calls = message.find("tool_calls"); calls != message.end()) {
      if (!calls->is_null() && !calls->is_array())
        return failure(path + ".tool_calls: expected a list, found " + calls->type_name());
      if (calls->empty()) {
        message.erase("tool_calls");
      } else {
        for (size_t j = 0; j < calls->size(); ++j) {
          ordered_json &call = (*calls)[j];
          NIBBLE_CHECK(normalizeCall(call, path + ".tool_calls[" + std::to_string(j) + "]"));
          if (!isString(call, "id"))
            continue;
          std::string id = call["id"];
          functionOf[id] = call["function"]["name"];
          if (nineOnly)
            call["id"] = nineCharacters(id);
        }
        if (!nullStays && (!message.contains("content") || message["content"].is_null()))
          message["content"] = "";
        else if (nullStays && !message.contains("content"))
          message["content"] = nullptr;
      }
    }
    if (message.contains("role") && message["role"] == "tool" && isString(message, "tool_call_id")) {
      std::string id = message["tool_call_id"];
      if (auto function = functionOf.find(id); function != functionOf.end() && !message.contains("name"))
        message["name"] = function->second;
      if (nineOnly)
        message["tool_call_id"] = nineCharacters(id);
    }
  }
  return {};
}

} // namespace nibble::server
