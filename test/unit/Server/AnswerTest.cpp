//===- AnswerTest.cpp - Answers as OpenAI's reference has them --------------------------------===//

#include "Expect.h"
#include "runtime/server/ChatAnswer.h"
#include "runtime/server/CompletionAnswer.h"

using namespace nibble;
using namespace nibble::server;
using namespace nibble::server::test;
using testing::ElementsAre;

namespace {

template <typename Options> Options optionsOf(bool streamed) {
  Options options;
  options.head = {.id = "id-1", .model = "m", .fingerprint = "fp", .created = 1700000000};
  options.streamed = streamed;
  options.promptTokens = 9;
  options.tokenizer = &demoTokenizer();
  return options;
}

SampledToken token(int32_t id, float logprob = 0, std::vector<TokenLogprob> top = {}) {
  return {.token = id, .logprob = logprob, .top = std::move(top)};
}

const Usage kUsage = {.promptTokens = 9, .completionTokens = 3, .cachedTokens = 4};
const char *const kUsageJson = R"({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
                                   "prompt_tokens_details": {"cached_tokens": 4}})";

//===- Chat -------------------------------------------------------------------------------------------===//

TEST(ChatAnswerTest, Whole) {
  auto answer = makeChatAnswer(optionsOf<ChatAnswerOptions>(false));
  EXPECT_EQ(answer->end({.choice = 0, .reason = "stop", .text = "The \"cat\"", .rest = ""}), "");
  Json expected = json(R"({"id": "id-1", "object": "chat.completion", "created": 1700000000, "model": "m",
    "system_fingerprint": "fp", "choices": [{"index": 0, "message": {"role": "assistant", "content": "The \"cat\"",
    "refusal": null}, "logprobs": null, "finish_reason": "stop"}]})");
  expected["usage"] = json(kUsageJson);
  EXPECT_EQ(json(answer->close(kUsage)), expected);
}

TEST(ChatAnswerTest, StreamBeginsWithRoleAndFirstToken) {
  auto answer = makeChatAnswer(optionsOf<ChatAnswerOptions>(true));
  Json first = event(answer->hear({.choice = 0, .token = token(334), .text = "The"}));
  EXPECT_EQ(first,
            json(R"({"id": "id-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m",
    "system_fingerprint": "fp", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "The"},
    "logprobs": null, "finish_reason": null}]})"));
  EXPECT_EQ(event(answer->hear({.choice = 0, .token = token(287), .text = " c"}))["choices"][0]["delta"],
            json(R"({"content": " c"})"));
  EXPECT_EQ(answer->hear({.choice = 0, .token = token(341), .text = ""}), ""); // held back
  auto last = events(answer->end({.choice = 0, .reason = "length", .text = "", .rest = "at"}));
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(json(last[0])["choices"][0]["delta"], json(R"({"content": "at"})"));
  EXPECT_EQ(json(last[1])["choices"],
            json(R"([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "length"}])"));
  EXPECT_EQ(answer->close(kUsage), "data: [DONE]\n\n");
}

TEST(ChatAnswerTest, AFirstTokenWithoutTextIsAnEventAllTheSame) {
  auto answer = makeChatAnswer(optionsOf<ChatAnswerOptions>(true));
  EXPECT_EQ(event(answer->hear({.choice = 0, .token = token(130), .text = ""}))["choices"][0]["delta"],
            json(R"({"role": "assistant", "content": ""})"));
  EXPECT_EQ(answer->hear({.choice = 0, .token = token(2), .text = "", .ends = true}), "");
}

TEST(ChatAnswerTest, UsageWhereItIsAskedFor) {
  auto options = optionsOf<ChatAnswerOptions>(true);
  options.usageAtEnd = true;
  auto answer = makeChatAnswer(options);
  Json first = event(answer->hear({.choice = 0, .token = token(334), .text = "The"}));
  EXPECT_TRUE(first.contains("usage") && first["usage"].is_null());
  answer->end({.choice = 0, .reason = "stop", .text = "", .rest = ""});
  auto last = events(answer->close(kUsage));
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(json(last[0])["choices"], Json::array());
  EXPECT_EQ(json(last[0])["usage"], json(kUsageJson));
  EXPECT_EQ(last[1], "[DONE]");

  options.usageAlways = true;
  answer = makeChatAnswer(options);
  answer->hear({.choice = 0, .token = token(334), .text = "The"});
  EXPECT_EQ(event(answer->hear({.choice = 0, .token = token(287), .text = " c"}))["usage"],
            json(R"({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})"));
}

TEST(ChatAnswerTest, ChoicesAreInterleavedByIndex) {
  auto options = optionsOf<ChatAnswerOptions>(true);
  options.choices = 2;
  auto answer = makeChatAnswer(options);
  for (uint32_t choice : {1u, 0u}) {
    Json first = event(answer->hear({.choice = choice, .token = token(334), .text = "The"}));
    EXPECT_EQ(first["choices"][0]["index"], choice);
    EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  }
  options.streamed = false;
  answer = makeChatAnswer(options);
  answer->end({.choice = 1, .reason = "stop", .text = "b", .rest = ""});
  answer->end({.choice = 0, .reason = "length", .text = "a", .rest = ""});
  Json choices = json(answer->close(kUsage))["choices"];
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0]["message"]["content"], "a");
  EXPECT_EQ(choices[0]["finish_reason"], "length");
  EXPECT_EQ(choices[1]["index"], 1);
}

// "é" is the bytes 195 169, a token each.
const char *const kLogprobs = R"([
  {"token": "The", "logprob": -0.25, "bytes": [84, 104, 101], "top_logprobs": [
    {"token": "The", "logprob": -0.25, "bytes": [84, 104, 101]}, {"token": "\ufffd", "logprob": -2.5, "bytes": [195]}]},
  {"token": "\ufffd", "logprob": -9999.0, "bytes": [169], "top_logprobs": []}])";

TEST(ChatAnswerTest, Logprobs) {
  auto options = optionsOf<ChatAnswerOptions>(false);
  options.logprobs = true;
  HeardToken first = {.choice = 0, .token = token(334, -0.25f, {{334, -0.25f}, {130, -2.5f}}), .text = "The"};
  HeardToken second = {.choice = 0, .token = token(105, -INFINITY), .text = ""};
  HeardToken stop = {.choice = 0, .token = token(2, -0.1f), .text = "", .ends = true};
  auto whole = makeChatAnswer(options);
  for (const HeardToken &heard : {first, second, stop})
    EXPECT_EQ(whole->hear(heard), "");
  whole->end({.choice = 0, .reason = "stop", .text = "The", .rest = ""});
  Json logprobs = json(whole->close(kUsage))["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["content"], json(kLogprobs));
  EXPECT_TRUE(logprobs["refusal"].is_null());

  options.streamed = true;
  auto stream = makeChatAnswer(options);
  Json list = Json::array();
  for (const HeardToken &heard : {first, second})
    list.push_back(event(stream->hear(heard))["choices"][0]["logprobs"]["content"][0]);
  EXPECT_EQ(list, json(kLogprobs));
  EXPECT_EQ(stream->hear(stop), "");
}

ChatAnswerOptions withTool(bool streamed) {
  auto options = optionsOf<ChatAnswerOptions>(streamed);
  options.tools = {{.name = "add", .parameters = json(R"({"type": "object"})")}};
  options.style = ToolStyle::Hermes;
  return options;
}

TEST(ChatAnswerTest, ToolCalls) {
  const std::string text = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";
  auto whole = makeChatAnswer(withTool(false));
  whole->end({.choice = 0, .reason = "stop", .text = text, .rest = ""});
  Json choice = json(whole->close(kUsage))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u);
  Json call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "add");
  EXPECT_EQ(json(call["function"]["arguments"].get<std::string>()), json(R"({"a": 1})"));

  auto stream = makeChatAnswer(withTool(true));
  std::string all;
  for (char c : text)
    all += stream->hear({.choice = 0, .token = token(5), .text = std::string(1, c)});
  all += stream->end({.choice = 0, .reason = "stop", .text = "", .rest = ""});
  std::string name, arguments, id, content;
  Json finish;
  int roles = 0;
  for (const std::string &data : events(all)) {
    Json part = json(data)["choices"][0];
    roles += part["delta"].contains("role");
    if (part["delta"].contains("content"))
      content += part["delta"]["content"].get<std::string>();
    Json calls = part["delta"].value("tool_calls", Json::array());
    for (const Json &piece : calls) {
      EXPECT_EQ(piece["index"], 0);
      id += piece.value("id", "");
      name += piece["function"].value("name", "");
      arguments += piece["function"].value("arguments", "");
    }
    finish = part["finish_reason"];
  }
  EXPECT_EQ(roles, 1);
  EXPECT_EQ(content, "");
  EXPECT_EQ(name, "add");
  EXPECT_TRUE(id.starts_with("call_")) << id;
  EXPECT_EQ(json(arguments), json(R"({"a": 1})"));
  EXPECT_EQ(finish, "tool_calls");
}

TEST(ChatAnswerTest, TextWithoutACallStaysText) {
  auto whole = makeChatAnswer(withTool(false));
  whole->end({.choice = 0, .reason = "stop", .text = "No calls.", .rest = ""});
  Json choice = json(whole->close(kUsage))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["message"]["content"], "No calls.");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
}

//===- Completions ------------------------------------------------------------------------------------===//

TEST(CompletionAnswerTest, Whole) {
  auto options = optionsOf<CompletionAnswerOptions>(false);
  options.choices = 2;
  auto answer = makeCompletionAnswer(options);
  answer->end({.choice = 1, .reason = "stop", .text = "b", .rest = ""});
  answer->end({.choice = 0, .reason = "length", .text = "a", .rest = ""});
  Json expected = json(R"({"id": "id-1", "object": "text_completion", "created": 1700000000, "model": "m",
    "system_fingerprint": "fp", "choices": [
    {"index": 0, "text": "a", "logprobs": null, "finish_reason": "length"},
    {"index": 1, "text": "b", "logprobs": null, "finish_reason": "stop"}]})");
  expected["usage"] = json(kUsageJson);
  EXPECT_EQ(json(answer->close(kUsage)), expected);
}

TEST(CompletionAnswerTest, Stream) {
  auto answer = makeCompletionAnswer(optionsOf<CompletionAnswerOptions>(true));
  Json first = event(answer->hear({.choice = 0, .token = token(334), .text = "The"}));
  EXPECT_EQ(first, json(R"({"id": "id-1", "object": "text_completion", "created": 1700000000, "model": "m",
    "system_fingerprint": "fp", "choices": [{"index": 0, "text": "The", "logprobs": null, "finish_reason": null}]})"));
  EXPECT_EQ(answer->hear({.choice = 0, .token = token(287), .text = ""}), "");
  EXPECT_EQ(event(answer->end({.choice = 0, .reason = "length", .text = "", .rest = " c"}))["choices"],
            json(R"([{"index": 0, "text": " c", "logprobs": null, "finish_reason": "length"}])"));
  EXPECT_EQ(answer->close(kUsage), "data: [DONE]\n\n");
}

TEST(CompletionAnswerTest, EchoRepeatsThePrompt) {
  auto options = optionsOf<CompletionAnswerOptions>(false);
  options.choices = 4;
  options.prompts = {{.ids = {334}, .text = "The", .hidden = 0}, {.ids = {341}, .text = "at", .hidden = 0}};
  auto whole = makeCompletionAnswer(options);
  for (uint32_t choice = 0; choice < 4; ++choice)
    whole->end({.choice = choice, .reason = "stop", .text = "!", .rest = ""});
  std::vector<std::string> texts;
  Json body = json(whole->close(kUsage));
  for (const Json &choice : body["choices"])
    texts.push_back(choice["text"]);
  EXPECT_THAT(texts, ElementsAre("The!", "The!", "at!", "at!"));

  options.streamed = true;
  auto stream = makeCompletionAnswer(options);
  EXPECT_EQ(event(stream->hear({.choice = 2, .token = token(5), .text = "?"}))["choices"][0]["text"], "at?");
  EXPECT_EQ(event(stream->hear({.choice = 2, .token = token(5), .text = "?"}))["choices"][0]["text"], "?");
}

TEST(CompletionAnswerTest, LogprobsOfPromptAndAnswer) {
  auto options = optionsOf<CompletionAnswerOptions>(false);
  options.logprobs = true;
  // "The" and the two bytes of "é"; <|im_start|> before them is no part of the text.
  options.prompts = {{.ids = {1, 334, 130, 105}, .text = "The\u00e9", .hidden = 1}};
  const SampledToken prompt[] = {token(334, -1, {{334, -1}}), token(130, -2, {{334, -0.5f}}),
                                 token(105, -3, {})};
  HeardToken heard = {.choice = 0, .token = token(287, -4, {{287, -4}, {341, -5}}), .text = " c"};
  const Json expected = json(R"({
    "tokens": ["<|im_start|>", "The", "bytes:\\xc3", "bytes:\\xa9", " c"],
    "token_logprobs": [null, -1.0, -2.0, -3.0, -4.0],
    "top_logprobs": [null, {"The": -1.0}, {"The": -0.5, "bytes:\\xc3": -2.0}, {"bytes:\\xa9": -3.0}, {" c": -4.0, "at": -5.0}],
    "text_offset": [0, 0, 3, 3, 4]})");
  auto whole = makeCompletionAnswer(options);
  whole->hearPrompt(0, prompt);
  whole->hear(heard);
  whole->end({.choice = 0, .reason = "length", .text = " c", .rest = ""});
  Json choice = json(whole->close(kUsage))["choices"][0];
  EXPECT_EQ(choice["text"], "The\u00e9 c");
  EXPECT_EQ(choice["logprobs"], expected);

  options.streamed = true;
  auto stream = makeCompletionAnswer(options);
  stream->hearPrompt(0, prompt);
  EXPECT_EQ(event(stream->hear(heard))["choices"][0]["logprobs"], expected);
  heard.token = token(341, -6);
  Json second = event(stream->hear(heard))["choices"][0]["logprobs"];
  EXPECT_EQ(second["tokens"], json(R"(["at"])"));
  EXPECT_EQ(second["text_offset"], json("[6]"));
}

TEST(CompletionAnswerTest, ThePromptAlone) {
  for (bool streamed : {false, true}) {
    auto options = optionsOf<CompletionAnswerOptions>(streamed);
    options.logprobs = options.dropsTokens = true;
    options.prompts = {{.ids = {334, 287}, .text = "The c", .hidden = 0}};
    auto answer = makeCompletionAnswer(options);
    const SampledToken prompt[] = {token(287, -1)};
    answer->hearPrompt(0, prompt);
    EXPECT_EQ(answer->hear({.choice = 0, .token = token(341), .text = "at"}), "");
    std::string end = answer->end({.choice = 0, .reason = "stop", .text = "at", .rest = "at"});
    Json choice = (streamed ? event(end) : json(answer->close(kUsage)))["choices"][0];
    EXPECT_EQ(choice["text"], "The c");
    EXPECT_EQ(choice["finish_reason"], "length");
    EXPECT_EQ(choice["logprobs"]["tokens"], json(R"(["The", " c"])"));
    EXPECT_EQ(choice["logprobs"]["token_logprobs"], json("[null, -1.0]"));
  }
}

} // namespace
