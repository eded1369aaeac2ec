//===- ToolStyle.cpp - How a model writes calls, and what it calls them -----------------------===//
#include "runtime/server/ToolCalls.h"
#include <random>

namespace nibble::server {

static constexpr std::pair<std::string_view, ToolStyle> names[] = {
    {"llama3", ToolStyle::Llama3},   {"hermes", ToolStyle::Hermes},
    {"mistral", ToolStyle::Mistral}, {"mistral-args", ToolStyle::MistralArgs},
    {"qwen", ToolStyle::Hermes},
};

std::string_view toolStyleName(ToolStyle style) {
  for (auto [name, named] : names)
    if (named == style)
      return name;
  return "";
}

Result<ToolStyle> parseToolStyle(std::string_view name) {
  std::string all;
  for (auto [known, style] : names) {
    if (known == name)
      return style;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  return failure("the style of tool calls '" + std::string(name) + "' is unknown; choose one of " + all);
}

std::optional<ToolStyle> detectToolStyle(std::string_view chatTemplate) {
  auto has = [&](std::string_view text) { return chatTemplate.find(text) != std::string_view::npos; };
  if (has("[TOOL_CALLS]"))
    return has("[ARGS]") ? ToolStyle::MistralArgs : ToolStyle::Mistral;
  // Others put XML of their own between Hermes's marks.
  if (has("<tool_call>") && !has("<function=") && !has("<arg_key>"))
    return ToolStyle::Hermes;
  if (has("<|python_tag|>") || has("\"parameters\": dictionary of argument name"))
    return ToolStyle::Llama3;
  return std::nullopt;
}

std::string newToolCallId(ToolStyle style) {
  static constexpr std::string_view characters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  thread_local std::mt19937_64 random{[] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }()};
  std::uniform_int_distribution<size_t> which(0, characters.size() - 1);
  bool isMistral = style == ToolStyle::Mistral || style == ToolStyle::MistralArgs;
  std::string id = isMistral ? "" : "call_";
  for (size_t left = isMistral ? 9 : 24; left; --left)
    id += characters[which(random)];
  return id;
}

} // namespace nibble::server
