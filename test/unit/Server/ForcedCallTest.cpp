//===- ForcedCallTest.cpp - The form of calls that must be made -------------------------------===//
#include "runtime/server/ForcedCall.h"
#include "test/unit/Grammar/Tokenizers.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace nibble::server;
using nlohmann::ordered_json;
using Kind = ToolChoice::Kind;

namespace {

const std::vector<Tool> tools = {
    {"f",
     ordered_json::parse(
         R"({"$schema": "x", "type": "object", "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#"}},
                                  "$defs": {"A": {"enum": [{"$ref": "#/no"}]}}})")},
    {"g", ordered_json::object()},
};

TEST(ForcedCall, Hermes) {
  auto form = forcedForm(ToolStyle::Hermes, tools, {Kind::Named, "f"}, true);
  EXPECT_EQ(form.prompt, "<tool_call>\n");
  EXPECT_EQ(form.after, "\n</tool_call>");
  EXPECT_EQ(form.schema,
            ordered_json::parse(R"({"type": "object", "properties": {"name": {"const": "f"}, "arguments":
      {"type": "object", "properties": {"a": {"$ref": "#/properties/arguments/$defs/A"}, "b": {"$ref": "#/properties/arguments"}},
       "$defs": {"A": {"enum": [{"$ref": "#/no"}]}}}},
      "required": ["name", "arguments"], "additionalProperties": false})"));
}

TEST(ForcedCall, OneOfSeveral) {
  auto form = forcedForm(ToolStyle::Llama3, tools, {Kind::Required, ""}, true);
  EXPECT_EQ(form.prompt, "");
  EXPECT_EQ(form.after, "");
  const auto &either = form.schema["anyOf"];
  ASSERT_EQ(either.size(), 2u);
  EXPECT_EQ(either[0]["properties"]["parameters"]["properties"]["a"]["$ref"],
            "#/anyOf/0/properties/parameters/$defs/A");
  EXPECT_EQ(
      either[1],
      ordered_json::parse(
          R"({"type": "object", "properties": {"name": {"const": "g"}, "parameters": {"type": "object"}},
      "required": ["name", "parameters"], "additionalProperties": false})"));
}

TEST(ForcedCall, Mistral) {
  auto form = forcedForm(ToolStyle::Mistral, tools, {Kind::Required, ""}, true);
  EXPECT_EQ(form.prompt, "[TOOL_CALLS]");
  EXPECT_EQ(form.schema["minItems"], 1);
  EXPECT_FALSE(form.schema.contains("maxItems"));
  EXPECT_EQ(form.schema["items"]["anyOf"][0]["properties"]["arguments"]["properties"]["b"]["$ref"],
            "#/items/anyOf/0/properties/arguments");
  EXPECT_EQ(forcedForm(ToolStyle::Mistral, tools, {Kind::Required, ""}, false).schema["maxItems"], 1);

  form = forcedForm(ToolStyle::MistralArgs, tools, {Kind::Named, "f"}, true);
  EXPECT_EQ(form.prompt, "[TOOL_CALLS]f[ARGS]");
  EXPECT_EQ(form.schema["properties"]["a"]["$ref"], "#/$defs/A");
  EXPECT_EQ(forcedForm(ToolStyle::MistralArgs, tools, {Kind::Required, ""}, true).schema["type"], "array");
}

/// "accepted", or how much of the text the grammar takes.
std::string walk(const nibble::Grammar &grammar, const std::string &text) {
  auto bytes = nibble::test::loadTokenizer("bytes");
  EXPECT_TRUE(bytes) << bytes.error().message;
  nibble::GrammarState state(
      grammar, {bytes->tokenizer, static_cast<uint32_t>(bytes->tokenizer.vocabularySize()), bytes->ends});
  for (size_t i = 0; i < text.size(); ++i) {
    auto token = bytes->encode(text.substr(i, 1));
    EXPECT_EQ(token->size(), 1u);
    if (!state.accept(token->front()))
      return text.substr(0, i);
  }
  return state.isComplete() ? "accepted" : "incomplete";
}

TEST(ForcedCall, GrammarsTakeWhatTheParserReads) {
  const std::vector<Tool> real = {
      {"add", ordered_json::parse(
                  R"({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"],
                                      "additionalProperties": false, "$defs": {"A": {"enum": [1, 2]}}})")},
      {"now", parseTools(ordered_json::parse(R"([{"function": {"name": "now"}}])"))->front().parameters},
  };
  struct Case {
    ToolStyle style;
    Kind kind;
    std::string good, bad, taken;
  };
  Case cases[] = {
      {ToolStyle::Hermes, Kind::Named, "{\"name\": \"add\", \"arguments\": {\"a\": 2}}\n</tool_call>",
       "{\"name\": \"now\"", "{\"name\": \""},
      {ToolStyle::Hermes, Kind::Required, "{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
       "{\"name\": \"add\", \"arguments\": {\"a\": 3}}", "{\"name\": \"add\", \"arguments\": {\"a\": "},
      {ToolStyle::Llama3, Kind::Required, R"({"name": "add", "parameters": {"a": 1}})", R"({"name": "sub")",
       R"({"name": ")"},
      {ToolStyle::Mistral, Kind::Required,
       R"([{"name": "now", "arguments": {}}, {"name": "add", "arguments": {"a": 1}}])", "[]", "["},
      {ToolStyle::Mistral, Kind::Named, R"([{"name": "add", "arguments": {"a": 1}}])",
       R"([{"name": "add", "arguments": {"a": 1}}, )", R"([{"name": "add", "arguments": {"a": 1}})"},
      {ToolStyle::MistralArgs, Kind::Named, R"({"a": 1})", R"({"a": 12)", R"({"a": 1)"},
  };
  for (const auto &[style, kind, good, bad, taken] : cases) {
    auto forced = forceCall(style, real, {kind, kind == Kind::Named ? "add" : ""});
    ASSERT_TRUE(forced) << forced.error().message;
    EXPECT_EQ(walk(forced->grammar, good), "accepted") << good;
    EXPECT_EQ(walk(forced->grammar, bad), taken);
    auto answer = parseToolCalls(style, real, good, forced->prompt);
    EXPECT_EQ(answer.content, "");
    EXPECT_FALSE(answer.calls.empty());
  }
}

TEST(CallOr, TakesCallsAndAnswers) {
  const std::vector<Tool> real = {
      {"add", ordered_json::parse(
                  R"({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"],
                                      "additionalProperties": false, "$defs": {"A": {"enum": [1, 2]}}})")},
      {"now", parseTools(ordered_json::parse(R"([{"function": {"name": "now"}}])"))->front().parameters},
  };
  auto answer = nibble::Grammar::fromSchema(ordered_json::parse(
      R"({"type": "object", "properties": {"sum": {"$ref": "#/$defs/A"}}, "required": ["sum"],
          "additionalProperties": false, "$defs": {"A": {"type": "integer"}}})"));
  ASSERT_TRUE(answer) << answer.error().message;
  struct Case {
    ToolStyle style;
    std::vector<std::string> calls;
    std::vector<std::pair<std::string, std::string>> wrong; // and how far they are taken
  };
  Case cases[] = {
      {ToolStyle::Hermes,
       {"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 2}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"},
       {{"<tool_call>\n{\"sum\"", "<tool_call>\n{\""},
        {"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 3",
         "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": "},
        {"{\"name\"", "{\""}}},
      {ToolStyle::Llama3,
       {R"({"name": "add", "parameters": {"a": 1}})", R"(<|python_tag|>{"name": "now", "parameters": {}})"},
       {{R"({"name": "sum")", R"({"name": ")"}, {R"(<|python_tag|>{"sum": 1})", R"(<|python_tag|>{")"}}},
      {ToolStyle::Mistral,
       {R"([TOOL_CALLS] [{"name": "now", "arguments": {}}, {"name": "add", "arguments": {"a": 1}}])",
        R"([TOOL_CALLS][{"name": "now", "arguments": {}}])"},
       {{R"([TOOL_CALLS] {"sum": 1})", "[TOOL_CALLS] "}, {"[{", "["}}},
      {ToolStyle::MistralArgs,
       {R"([TOOL_CALLS]add[ARGS]{"a": 1})", "[TOOL_CALLS]now[ARGS]{}"},
       {{R"([TOOL_CALLS]now[ARGS]{"a")", "[TOOL_CALLS]now[ARGS]{"}, {"[TOOL_CALLS]sum", "[TOOL_CALLS]"}}},
  };
  for (const auto &[style, calls, wrong] : cases) {
    auto grammar = callOr(*answer, style, real);
    ASSERT_TRUE(grammar) << grammar.error().message;
    EXPECT_EQ(walk(*grammar, R"({"sum": 19})"), "accepted");
    EXPECT_EQ(walk(*grammar, R"({"sum": "x")"), R"({"sum": )");
    EXPECT_EQ(walk(*grammar, "Well"), "");
    for (const std::string &text : calls) {
      EXPECT_EQ(walk(*grammar, text), "accepted") << text;
      auto parsed = parseToolCalls(style, real, text);
      EXPECT_TRUE(parsed.content.empty() && !parsed.calls.empty()) << text;
    }
    for (const auto &[text, taken] : wrong)
      EXPECT_EQ(walk(*grammar, text), taken);
    EXPECT_EQ(parseToolCalls(style, real, R"({"sum": 19})").content, R"({"sum": 19})");
  }
  auto one = callOr(*answer, ToolStyle::Mistral, real, false);
  std::string call = R"([TOOL_CALLS][{"name": "now", "arguments": {}})";
  EXPECT_EQ(walk(*one, call + ", "), call);
}

TEST(CallOr, ErrorsNameTheTool) {
  auto wrong = callOr(*nibble::Grammar::anyObject(), ToolStyle::Mistral,
                      {{"h", ordered_json::parse(R"({"type": "wrong"})")}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message,
              testing::HasSubstr("tools[0].function.parameters (h): $.type: expected"));
}

/// Each tool may cost what a grammar may, but not all of them together.
TEST(ForcedCall, ManyToolsMayNotCostTimeWithoutEnd) {
  std::vector<Tool> dear;
  for (int i = 0; i < 128; ++i)
    dear.push_back({"f" + std::to_string(i),
                    {{"type", "object"},
                     {"properties", {{"a", {{"type", "string"}, {"pattern", "^(a|b)*a(a|b){13}$"}}}}}}});
  std::vector<Tool> few(dear.begin(), dear.begin() + 2);
  auto answer = *nibble::Grammar::anyObject();
  EXPECT_TRUE(callOr(answer, ToolStyle::MistralArgs, few));
  EXPECT_TRUE(forceCall(ToolStyle::Hermes, few, {Kind::Required, ""}));
  for (const auto &refused : {callOr(answer, ToolStyle::MistralArgs, dear).map([](auto) {}),
                              forceCall(ToolStyle::Hermes, dear, {Kind::Required, ""}).map([](auto) {})}) {
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("send fewer tools"));
  }
}

TEST(ForcedCall, ErrorsNameTheTool) {
  std::vector<Tool> broken = {
      tools[1], {"h", ordered_json::parse(R"({"type": "object", "properties": {"a": {"type": "wrong"}}})")}};
  auto forced = forceCall(ToolStyle::Hermes, broken, {Kind::Required, ""});
  ASSERT_FALSE(forced);
  EXPECT_THAT(forced.error().message, testing::HasSubstr("tools[1].function.parameters (h): "));
  EXPECT_THAT(forced.error().message, testing::HasSubstr("$.properties.a.type: expected null, boolean"));
}

} // namespace
