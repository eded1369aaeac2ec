//===- ToolMessagesTest.cpp - Conversations with calls, and the templates that read them ------===//
//
// The texts of real templates were rendered by transformers' apply_chat_template with arguments as objects.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/ChatTemplate.h"
#include "runtime/server/ToolCalls.h"
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <regex>

using namespace nibble::server;
using nlohmann::ordered_json;
using testing::HasSubstr;

namespace {

ordered_json normalized(const char *json, std::optional<ToolStyle> style = ToolStyle::Hermes,
                        std::string_view chatTemplate = "") {
  auto messages = ordered_json::parse(json);
  auto result = normalizeToolMessages(messages, style, chatTemplate);
  EXPECT_TRUE(result) << result.error().message;
  return messages;
}

std::string errorOf(const char *json) {
  auto messages = ordered_json::parse(json);
  auto result = normalizeToolMessages(messages, ToolStyle::Hermes, "");
  return result ? "no error" : result.error().message;
}

TEST(ToolMessages, ArgumentsBecomeObjects) {
  EXPECT_EQ(normalized(R"([{"role": "user", "content": "hi"},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": [2]}"}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
      {"role": "tool", "tool_call_id": "call_2", "content": "3"}])"),
            ordered_json::parse(R"([{"role": "user", "content": "hi"},
      {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [2]}}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": {}}}]},
      {"role": "tool", "tool_call_id": "call_2", "content": "3", "name": "g"}])"));
}

TEST(ToolMessages, EmptyListsOfCallsGo) {
  EXPECT_EQ(normalized(R"([{"role": "assistant", "content": "x", "tool_calls": []},
                           {"role": "assistant", "content": "y", "tool_calls": null}])"),
            ordered_json::parse(
                R"([{"role": "assistant", "content": "x"}, {"role": "assistant", "content": "y"}])"));
}

TEST(ToolMessages, ContentStaysNullWhereTheTemplateAsks) {
  const char *messages =
      R"([{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}])";
  EXPECT_TRUE(
      normalized(messages, std::nullopt, "{% if message['content'] is none %}")[0]["content"].is_null());
  EXPECT_EQ(normalized(messages, std::nullopt, "")[0]["content"], "");
}

TEST(ToolMessages, MistralsIds) {
  auto messages = normalized(R"([{"role": "assistant", "tool_calls": [
        {"id": "call_abcdefghijklmnop", "function": {"name": "f", "arguments": "{}"}},
        {"id": "Abc123xyz", "function": {"name": "f", "arguments": "{}"}}]},
      {"role": "tool", "tool_call_id": "call_abcdefghijklmnop", "content": "3"}])",
                             ToolStyle::Mistral);
  std::string id = messages[0]["tool_calls"][0]["id"];
  EXPECT_TRUE(std::regex_match(id, std::regex("[0-9A-Za-z]{9}"))) << id;
  EXPECT_EQ(messages[0]["tool_calls"][1]["id"], "Abc123xyz");
  EXPECT_EQ(messages[1]["tool_call_id"], id);
}

TEST(ToolMessages, ErrorsNameThePlace) {
  EXPECT_THAT(errorOf("{}"), HasSubstr("messages: expected a list"));
  EXPECT_THAT(errorOf(R"([{"role": "assistant", "tool_calls": 3}])"),
              HasSubstr("messages[0].tool_calls: expected a list"));
  EXPECT_THAT(errorOf(R"([{}, {"tool_calls": [{"id": "x"}]}])"),
              HasSubstr("messages[1].tool_calls[0]: expected"));
  EXPECT_THAT(errorOf(R"([{"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}])"),
              HasSubstr("messages[0].tool_calls[0].function.arguments"));
  EXPECT_THAT(errorOf(R"([{"tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}])"),
              HasSubstr("that of array"));
  EXPECT_THAT(errorOf(R"([{"tool_calls": [{"function": {"name": "f", "arguments": 1}}]}])"),
              HasSubstr("found number"));
}

std::string rendered(const char *name, ToolStyle style) {
  std::ifstream file(std::string(std::getenv("NIBBLE_DATA")) + "/chat_templates/" + name + ".jinja");
  std::string source(std::istreambuf_iterator<char>(file), {});
  auto messages = ordered_json::parse(R"([{"role": "user", "content": "Weather in Oslo?"},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": "{\"city\": \"Oslo\"}"}}]},
      {"role": "tool", "tool_call_id": "call_0123456789", "content": "cold"}])");
  auto normalizing = normalizeToolMessages(messages, style, source);
  EXPECT_TRUE(normalizing) << normalizing.error().message;
  auto parsed = nibble::ChatTemplate::parse(source, name);
  EXPECT_TRUE(parsed) << parsed.error().message;
  auto text = parsed->render({{"messages", messages},
                              {"tools", nullptr},
                              {"documents", nullptr},
                              {"add_generation_prompt", true},
                              {"bos_token", "<s>"},
                              {"eos_token", "</s>"}});
  EXPECT_TRUE(text) << text.error().message;
  return text.value_or("");
}

TEST(ToolMessages, RealTemplatesReadThem) {
  if (!std::getenv("NIBBLE_DATA"))
    GTEST_SKIP() << "NIBBLE_DATA is not set: no third-party templates";
  EXPECT_THAT(rendered("Qwen-Qwen2.5-7B-Instruct", ToolStyle::Hermes),
              HasSubstr("<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": "
                        "\"Oslo\"}}\n</tool_call><|im_end|>\n"));
  EXPECT_THAT(
      rendered("Qwen-Qwen3-0.6B", ToolStyle::Hermes),
      HasSubstr(
          "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>\n"));
  EXPECT_THAT(rendered("meta-llama-Llama-3.1-8B-Instruct", ToolStyle::Llama3),
              HasSubstr("<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"f\", \"parameters\": "
                        "{\"city\": \"Oslo\"}}<|eot_id|>"));
  EXPECT_THAT(rendered("mistralai-Mistral-Nemo-Instruct-2407", ToolStyle::Mistral),
              HasSubstr("[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"city\": \"Oslo\"}, \"id\": \""));
  EXPECT_THAT(rendered("unsloth-mistral-Devstral-Small-2507", ToolStyle::MistralArgs),
              HasSubstr("[TOOL_CALLS]f[ARGS]{\"city\": \"Oslo\"}"));
}

} // namespace
