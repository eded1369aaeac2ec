//===- ToolChoiceTest.cpp - Styles by name and template, tools and choices of requests --------===//
#include "runtime/server/ToolCalls.h"
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace nibble::server;
using nlohmann::ordered_json;
using testing::HasSubstr;

namespace {

TEST(ToolStyle, HasNames) {
  for (auto style : {ToolStyle::Llama3, ToolStyle::Hermes, ToolStyle::Mistral, ToolStyle::MistralArgs})
    EXPECT_EQ(parseToolStyle(toolStyleName(style)).value(), style);
  EXPECT_EQ(parseToolStyle("qwen").value(), ToolStyle::Hermes);
  EXPECT_THAT(parseToolStyle("gpt").error().message,
              HasSubstr("llama3, hermes, mistral, mistral-args, qwen"));
}

TEST(ToolStyle, OfRealTemplates) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is not set: no third-party templates";
  std::pair<const char *, std::optional<ToolStyle>> cases[] = {
      {"meta-llama-Llama-3.1-8B-Instruct", ToolStyle::Llama3},
      {"meta-llama-Llama-3.2-3B-Instruct", ToolStyle::Llama3},
      {"Qwen-Qwen2.5-7B-Instruct", ToolStyle::Hermes},
      {"Qwen-Qwen3-0.6B", ToolStyle::Hermes},
      {"Qwen-QwQ-32B", ToolStyle::Hermes},
      {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", ToolStyle::Hermes},
      {"mistralai-Mistral-Nemo-Instruct-2407", ToolStyle::Mistral},
      {"unsloth-mistral-Devstral-Small-2507", ToolStyle::MistralArgs},
      {"google-gemma-2-2b-it", std::nullopt},
      {"microsoft-Phi-3.5-mini-instruct", std::nullopt},
      {"openai-gpt-oss-120b", std::nullopt},
      {"CohereForAI-c4ai-command-r-plus-tool_use", std::nullopt},
      {"ibm-granite-granite-3.3-2B-Instruct", std::nullopt},
      {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", std::nullopt},
  };
  for (auto [name, style] : cases) {
    std::ifstream file(std::string(data) + "/chat_templates/" + name + ".jinja");
    ASSERT_TRUE(file) << name;
    std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(detectToolStyle(text), style) << name;
  }
}

std::string toolsError(const char *json) {
  auto tools = parseTools(ordered_json::parse(json));
  return tools ? "no error" : tools.error().message;
}

TEST(Tools, AreReadOrRefused) {
  EXPECT_TRUE(parseTools(nullptr)->empty());
  auto tools = parseTools(ordered_json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
          {"type": "function", "function": {"name": "g"}}])"));
  ASSERT_TRUE(tools);
  EXPECT_EQ((*tools)[0].name, "f");
  EXPECT_EQ((*tools)[0].parameters, ordered_json::parse(R"({"type": "object"})"));
  EXPECT_EQ((*tools)[1].parameters["additionalProperties"], false);

  EXPECT_THAT(toolsError("{}"), HasSubstr("tools: expected a list, found object"));
  EXPECT_THAT(toolsError("[1]"), HasSubstr("tools[0].function: expected an object"));
  EXPECT_THAT(toolsError(R"([{"type": "web_search"}])"), HasSubstr("tools[0].type: expected \"function\""));
  EXPECT_THAT(toolsError(R"([{"function": {"name": "a b"}}])"), HasSubstr("tools[0].function.name"));
  EXPECT_THAT(toolsError(R"([{"function": {"name": "f"}}, {"function": {"name": "f"}}])"),
              HasSubstr("tools[1].function.name: 'f' is there twice"));
  EXPECT_THAT(toolsError(R"([{"function": {"name": "f", "parameters": "x"}}])"),
              HasSubstr("tools[0].function.parameters: expected a JSON schema"));
}

TEST(ToolChoice, IsReadOrRefused) {
  using Kind = ToolChoice::Kind;
  std::vector<Tool> tools = {{"f", {}}};
  auto kind = [&](const ordered_json &choice) { return parseToolChoice(choice, tools)->kind; };
  EXPECT_EQ(kind(nullptr), Kind::Auto);
  EXPECT_EQ(kind("auto"), Kind::Auto);
  EXPECT_EQ(kind("none"), Kind::None);
  EXPECT_EQ(kind("required"), Kind::Required);
  EXPECT_EQ(parseToolChoice(nullptr, {})->kind, Kind::None);
  auto named =
      parseToolChoice(ordered_json::parse(R"({"type": "function", "function": {"name": "f"}})"), tools);
  EXPECT_EQ(named->kind, Kind::Named);
  EXPECT_EQ(named->name, "f");

  auto error = [&](const char *json) {
    auto choice = parseToolChoice(ordered_json::parse(json), tools);
    return choice ? "no error" : choice.error().message;
  };
  EXPECT_THAT(error(R"({"function": {"name": "g"}})"), HasSubstr("'g' is not among `tools`"));
  EXPECT_THAT(error(R"("sometimes")"), HasSubstr("tool_choice: expected \"none\""));
  EXPECT_THAT(error("[]"), HasSubstr("tool_choice: expected \"none\""));
  EXPECT_FALSE(parseToolChoice("required", {}));
}

} // namespace
