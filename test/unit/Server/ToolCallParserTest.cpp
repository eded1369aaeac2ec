//===- ToolCallParserTest.cpp - Calls in text, whole and in pieces ----------------------------===//
//
// Every case is parsed whole, cut in two at every byte, and byte by byte: the pieces must always add up to
// the same. What is expected was written down by hand.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/server/ToolCalls.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <regex>

using namespace nibble::server;
using testing::ElementsAre;
using testing::StartsWith;
using Kind = ToolPiece::Kind;

namespace {

const std::vector<Tool> tools = {{"get_weather", {}}, {"add", {}}, {"now", {}}};

/// What a client makes of the pieces: content, and "name(arguments)" of each call.
struct Sum {
  std::string content;
  std::vector<std::string> calls;
  bool operator==(const Sum &) const = default;
};

void PrintTo(const Sum &sum, std::ostream *out) {
  *out << "content <<" << sum.content << ">> calls " << testing::PrintToString(sum.calls);
}

/// Feeds `text` cut at the given places; checks the order that OpenAI's stream has.
Sum feed(ToolStyle style, std::string_view text, std::vector<size_t> cuts,
         ToolCallParser::Options options = {}) {
  ToolCallParser parser(style, tools, options);
  Sum sum;
  auto take = [&](const std::vector<ToolPiece> &pieces) {
    for (const auto &piece : pieces) {
      if (piece.kind == Kind::Content) {
        EXPECT_FALSE(piece.text.empty());
        sum.content += piece.text;
      } else if (piece.kind == Kind::Call) {
        EXPECT_EQ(piece.index, sum.calls.size());
        EXPECT_FALSE(piece.id.empty());
        sum.calls.push_back(piece.name + "(");
      } else {
        EXPECT_EQ(piece.index + 1, sum.calls.size());
        EXPECT_FALSE(piece.text.empty());
        sum.calls.back() += piece.text;
      }
    }
  };
  size_t from = 0;
  cuts.push_back(text.size());
  for (size_t cut : cuts) {
    take(parser.feed(text.substr(from, cut - from)));
    from = cut;
  }
  take(parser.finish());
  for (auto &call : sum.calls)
    call += ")";
  EXPECT_EQ(parser.announcedCalls(), sum.calls.size());
  return sum;
}

void expectAtEveryCut(ToolStyle style, std::string_view text, const Sum &expected,
                      ToolCallParser::Options options = {}) {
  SCOPED_TRACE(text);
  EXPECT_EQ(feed(style, text, {}, options), expected);
  std::vector<size_t> all;
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    ASSERT_EQ(feed(style, text, {cut}, options), expected) << "cut at " << cut;
    all.push_back(cut);
  }
  ASSERT_EQ(feed(style, text, all, options), expected) << "byte by byte";
}

/// The same in a stream and with whole calls.
void expectBoth(ToolStyle style, std::string_view text, const Sum &expected) {
  expectAtEveryCut(style, text, expected);
  expectAtEveryCut(style, text, expected, {.wholeCalls = true, .prompt = ""});
}

constexpr auto llama = ToolStyle::Llama3;
constexpr auto hermes = ToolStyle::Hermes;
constexpr auto mistral = ToolStyle::Mistral;
constexpr auto mistralArgs = ToolStyle::MistralArgs;

TEST(ToolCallParser, Hermes) {
  expectBoth(hermes,
             "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>",
             {"", {R"(get_weather({"city": "Oslo"}))"}});
  expectBoth(
      hermes,
      "Let me look.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n",
      {"Let me look.", {R"(add({"a": 1, "b": 2}))", "now({})"}});
  // Text behind a call, no closing mark, several objects within one, a call without arguments.
  expectBoth(hermes, "<tool_call>{\"name\":\"now\"}</tool_call> Done.", {" Done.", {"now({})"}});
  expectBoth(hermes, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n", {"", {"now({})"}});
  expectBoth(
      hermes,
      "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n{\"name\": \"add\", \"arguments\": {\"a\":[]}}\n"
      "</tool_call>",
      {"", {"now({})", R"(add({"a":[]}))"}});
  expectBoth(
      hermes,
      "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}<tool_call>{\"name\": \"now\", \"arguments\": {}}",
      {"", {"now({})", "now({})"}});
}

TEST(ToolCallParser, Llama) {
  expectBoth(llama, R"({"name": "get_weather", "parameters": {"city": "Oslo"}})",
             {"", {R"(get_weather({"city": "Oslo"}))"}});
  expectBoth(llama,
             R"(<|python_tag|>{"name": "add", "parameters": {"a": 1}}; {"name": "now", "parameters": {}})",
             {"", {R"(add({"a": 1}))", "now({})"}});
  expectBoth(llama,
             R"({"type": "function", "name": "now", "parameters": {}};{"name":"now","arguments":null};)",
             {"", {"now({})", "now({})"}});
  expectBoth(llama, "I shall look.\n\n{\"name\": \"now\", \"parameters\": {}}",
             {"I shall look.", {"now({})"}});
  // Code, JSON of another form, and a call within it, which is none.
  expectBoth(llama, "int main() { return 0; }\n", {"int main() { return 0; }\n", {}});
  expectBoth(llama, R"({"name": "Ann", "age": 3})", {R"({"name": "Ann", "age": 3})", {}});
  expectBoth(llama, R"({"name": 7 , "parameters": {}})", {R"({"name": 7 , "parameters": {}})", {}});
  expectBoth(llama, R"({"name": "now"})", {R"({"name": "now"})", {}});
  expectBoth(llama, R"({"steps": [{"name": "now", "parameters": {}}]} ok)",
             {R"({"steps": [{"name": "now", "parameters": {}}]} ok)", {}});
  expectBoth(llama, R"(<|python_tag|>print("a"))", {R"(<|python_tag|>print("a"))", {}});
  expectBoth(llama, R"({ {"name":"now","parameters":{}})", {"{", {"now({})"}});
}

TEST(ToolCallParser, Mistral) {
  for (auto style : {mistral, mistralArgs}) {
    expectBoth(style, R"([TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}])", {"", {R"(add({"a": 1}))"}});
    expectBoth(
        style,
        R"([TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}, "id": "123456789"}, {"name": "now", "arguments": {}}])",
        {"", {R"(add({"a": 1}))", "now({})"}});
    expectBoth(style, R"([TOOL_CALLS]add[ARGS]{"a": "]"}[TOOL_CALLS]now[ARGS]{})",
               {"", {R"(add({"a": "]"}))", "now({})"}});
    expectBoth(style, R"([TOOL_CALLS]now[CALL_ID]123456789[ARGS]{} fine)", {" fine", {"now({})"}});
    expectBoth(style, R"(One moment. [TOOL_CALLS] {"name": "now", "arguments": {}})",
               {"One moment.", {"now({})"}});
    expectBoth(style, "[TOOL_CALLS][]", {"[TOOL_CALLS][]", {}});
    expectBoth(style, "a [TOOL] b [TOOL_CALLS]nothing[ARGS]{}",
               {"a [TOOL] b [TOOL_CALLS]nothing[ARGS]{}", {}});
    expectBoth(style, "[TOOL_CALLS]now[ARG]{}", {"[TOOL_CALLS]now[ARG]{}", {}});
  }
}

TEST(ToolCallParser, ArgumentsKeepTheirText) {
  const std::string arguments =
      R"({ "s": "a \"}\" { [ \\", "u": "\u00e9\n</tool_call>", "n": {"l": [1, 2.50, -3e7, {"k": {}}]}, "ü": "grün" })";
  expectBoth(hermes, "<tool_call>\n{\"name\": \"add\", \"arguments\": " + arguments + "}\n</tool_call>",
             {"", {"add(" + arguments + ")"}});
  expectBoth(llama, "{\"name\": \"add\", \"parameters\": " + arguments + "}",
             {"", {"add(" + arguments + ")"}});
  expectBoth(mistralArgs, "[TOOL_CALLS]add[ARGS]" + arguments, {"", {"add(" + arguments + ")"}});
}

TEST(ToolCallParser, MembersInAnyOrder) {
  expectBoth(hermes, R"(<tool_call>{"arguments": {"a": {"name": "x"}}, "name": "add"}</tool_call>)",
             {"", {R"(add({"a": {"name": "x"}}))"}});
  expectBoth(
      hermes,
      R"(<tool_call>{"id": 7, "name": "add", "why": ["}"], "arguments": {"a":1}, "z": 1e3}</tool_call>)",
      {"", {R"(add({"a":1}))"}});
  expectBoth(hermes, R"(<tool_call>{"na\u006de": "\u0061dd", "arguments": {}}</tool_call>)",
             {"", {"add({})"}});
}

TEST(ToolCallParser, ArgumentsAsAString) {
  expectBoth(hermes, R"(<tool_call>{"name": "add", "arguments": "{\"a\": 1}"}</tool_call>)",
             {"", {R"(add({"a": 1}))"}});
}

TEST(ToolCallParser, WhatIsNoCallIsContent) {
  const std::string hermesTexts[] = {
      "<tool_call>\n{\"name\": \"launch\", \"arguments\": {\"a\": {}}}\n</tool_call>",
      "<tool_call>\n{\"name\": \"launch_" + std::string(300, 'x') + "\", \"arguments\": {}}\n</tool_call>",
      "<tool_call>\n{\"name\": add}\n</tool_call>",
      "<tool_call>\n</tool_call>",
      "<tool_call>\n{}\n</tool_call>",
      "<tool_call>{\"name\": 7}</tool_call>",
      "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>",
      "<tool_call>{\"name\": \"add\", \"arguments\": 3}</tool_call>",
      "<tool_call>{\"name\": \"add\", \"arguments\": \"[]\"}</tool_call>",
      "<tool_call>{\"name\": \"add\", \"name\": \"now\"}</tool_call>",
      "<tool_cal",
      "<tool_call>",
      "a <b> <tool <tool_c<tool_",
      "<tool_call>\n{\"name\": \"add",
      "  \n leading and trailing \n\n",
      "</tool_call>",
      "\n",
      "",
  };
  for (const auto &text : hermesTexts)
    expectBoth(hermes, text, {text, {}});
  const std::string mistralTexts[] = {
      R"([TOOL_CALLS][{"name": "launch", "arguments": {}}, {"name": "now", "arguments": {}}])",
      R"([TOOL_CALLS][{"name": "now" "arguments": {}}])",
      "[TOOL_CALLS]",
      "[TOOL_CALLS] [",
  };
  for (const auto &text : mistralTexts)
    expectBoth(mistral, text, {text, {}});
}

TEST(ToolCallParser, GoesOnBehindWhatIsNoCall) {
  expectBoth(hermes,
             "<tool_call>\n{\"name\": \"launch\", \"arguments\": {}}\n</tool_call>\n"
             "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
             {"<tool_call>\n{\"name\": \"launch\", \"arguments\": {}}\n</tool_call>", {"now({})"}});
  expectBoth(llama, R"({"a": 1} {"name": "now", "parameters": {}})", {R"({"a": 1})", {"now({})"}});
}

TEST(ToolCallParser, AStreamedCallThatBreaksLate) {
  std::string text = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": oops}}\n</tool_call>";
  expectAtEveryCut(hermes, text, {"oops}}\n</tool_call>", {R"(add({"a": ))"}});
  expectAtEveryCut(hermes, text, {text, {}}, {.wholeCalls = true, .prompt = ""});
  ToolCallParser parser(hermes, tools);
  parser.feed(text);
  EXPECT_EQ(parser.announcedCalls(), 1u);
  EXPECT_EQ(parser.completeCalls(), 0u);
}

TEST(ToolCallParser, ACallThatEndsTooEarly) {
  std::string text = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": \"x";
  expectAtEveryCut(hermes, text, {"", {R"(add({"a": "x))"}});
  expectAtEveryCut(hermes, text, {text, {}}, {.wholeCalls = true, .prompt = ""});
}

TEST(ToolCallParser, PiecesComeAsSoonAsTheyAreCertain) {
  ToolCallParser parser(hermes, tools);
  auto kinds = [&](std::string_view text) {
    std::string described;
    for (const auto &piece : parser.feed(text))
      described += piece.kind == Kind::Content ? "text:" + piece.text
                   : piece.kind == Kind::Call  ? "call:" + piece.name + " "
                                               : "arguments:" + piece.text;
    return described;
  };
  EXPECT_EQ(kinds("Hello"), "text:Hello");
  EXPECT_EQ(kinds(" <b"), "text: <b");
  EXPECT_EQ(kinds(" <tool"), "");
  EXPECT_EQ(kinds("_call>{\"name\": \"add\", "), "");
  EXPECT_EQ(kinds("\"arguments\": {\"a"), "call:add arguments:{\"a");
  EXPECT_EQ(kinds("\": [1"), "arguments:\": [1");
  EXPECT_EQ(kinds("]}"), "arguments:]}");
  EXPECT_EQ(kinds("}</tool_call>"), "");
  EXPECT_EQ(parser.completeCalls(), 1u);
}

TEST(ToolCallParser, AForcedCallBeginsInThePrompt) {
  ToolCallParser::Options forced{.wholeCalls = false, .prompt = "<tool_call>\n"};
  expectAtEveryCut(hermes, "{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
                   {"", {R"(add({"a": 1}))"}}, forced);
  // The prompt's text is not the model's, even where the call comes to nothing.
  expectAtEveryCut(hermes, "{\"name\": \"add", {"{\"name\": \"add", {}}, forced);
  forced.prompt = "[TOOL_CALLS]add[ARGS]";
  expectAtEveryCut(mistralArgs, "{\"a\": 1}", {"", {R"(add({"a": 1}))"}}, forced);
  forced.prompt = "[TOOL_CALLS]";
  expectAtEveryCut(mistral, R"([{"name": "now", "arguments": {}}])", {"", {"now({})"}}, forced);
}

TEST(ToolCallParser, WholeTexts) {
  auto answer = parseToolCalls(hermes, tools, "Yes. <tool_call>{\"name\":\"now\"}</tool_call>");
  EXPECT_EQ(answer.content, "Yes.");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].name, "now");
  EXPECT_EQ(answer.calls[0].arguments, "{}");
}

TEST(ToolCallParser, Ids) {
  std::regex openai("call_[0-9A-Za-z]{24}"), nine("[0-9A-Za-z]{9}");
  EXPECT_TRUE(std::regex_match(newToolCallId(hermes), openai));
  EXPECT_TRUE(std::regex_match(newToolCallId(llama), openai));
  EXPECT_TRUE(std::regex_match(newToolCallId(mistral), nine));
  EXPECT_TRUE(std::regex_match(newToolCallId(mistralArgs), nine));
  EXPECT_NE(newToolCallId(hermes), newToolCallId(hermes));
}

} // namespace
