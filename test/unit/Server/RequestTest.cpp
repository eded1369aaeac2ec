//===- RequestTest.cpp - What chat and completions are asked ----------------------------------===//

#include "Expect.h"
#include "runtime/server/ChatRequest.h"
#include "runtime/server/CompletionRequest.h"

using namespace nibble;
using namespace nibble::server;
using namespace nibble::server::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

namespace {

RequestRules rules() {
  RequestRules rules;
  rules.vocabulary = 1000;
  rules.defaults = {.sample = true,
                    .temperature = 0.7f,
                    .topK = 40,
                    .topP = 0.9f,
                    .minP = 0.05f,
                    .repetitionPenalty = 1.1f};
  return rules;
}

/// A chat request with these members besides its one message.
Answered<ChatRequest> chat(const std::string &members) {
  return parseChatRequest(json(R"({"messages": [{"role": "user", "content": "Hi"}])" +
                               (members.empty() ? "}" : ", " + members + "}")),
                          rules());
}
Answered<CompletionRequest> completion(const std::string &members) {
  return parseCompletionRequest(json(R"({"prompt": "Hi")" + (members.empty() ? "}" : ", " + members + "}")),
                                rules());
}
/// The field that is at fault.
template <typename Request> std::string param(const Answered<Request> &request) {
  if (request)
    return "fine";
  EXPECT_EQ(request.error().status, 400u);
  EXPECT_THAT(request.error().message, testing::Not(testing::IsEmpty()));
  return request.error().param;
}

TEST(GenerationFieldsTest, WhatIsLeftOutHasTheCheckpointsValues) {
  auto fields = completion("")->generation;
  EXPECT_EQ(fields.sampling.temperature, 0.7f);
  EXPECT_EQ(fields.sampling.topK, 40);
  EXPECT_EQ(fields.sampling.topP, 0.9f);
  EXPECT_EQ(fields.sampling.minP, 0.05f);
  EXPECT_EQ(fields.sampling.repetitionPenalty, 1.1f);
  EXPECT_EQ(fields.sampling.typicalP, 1);
  EXPECT_EQ(fields.sampling.topLogprobs, -1);
  EXPECT_EQ(fields.choices, 1u);
  EXPECT_FALSE(fields.maxTokens);
  EXPECT_FALSE(fields.stream || fields.ignoreEos || fields.seeded);
  EXPECT_NE(fields.sampling.seed, completion("")->generation.sampling.seed);
  // null means the same
  auto nulls = completion(R"("temperature": null, "stop": null, "n": null, "logit_bias": null, "seed": null,
                             "stream": null, "stream_options": null, "max_tokens": null, "user": null)");
  ASSERT_TRUE(nulls) << nulls.error().message;
  EXPECT_EQ(nulls->generation.sampling.temperature, 0.7f);
}

TEST(GenerationFieldsTest, EveryFieldArrives) {
  auto request =
      completion(R"("model": "m", "temperature": 0, "top_p": 0.5, "top_k": -1, "min_p": 0.1, "typical_p": 0.9,
      "repetition_penalty": 1.2, "presence_penalty": -2, "frequency_penalty": 2, "logit_bias": {"5": -100, "999": 1.5},
      "seed": -1, "max_tokens": 7, "n": 3, "stop": ["a", "b"], "stop_token_ids": [4], "ignore_eos": true,
      "skip_special_tokens": false, "stream": true, "stream_options": {"include_usage": true, "continuous_usage_stats": true},
      "priority": -5, "user": "ann")");
  ASSERT_TRUE(request) << request.error().message;
  const GenerationFields &fields = request->generation;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.sampling.temperature, 0);
  EXPECT_EQ(fields.sampling.topP, 0.5f);
  EXPECT_EQ(fields.sampling.topK, -1);
  EXPECT_EQ(fields.sampling.minP, 0.1f);
  EXPECT_EQ(fields.sampling.typicalP, 0.9f);
  EXPECT_EQ(fields.sampling.repetitionPenalty, 1.2f);
  EXPECT_EQ(fields.sampling.presencePenalty, -2);
  EXPECT_EQ(fields.sampling.frequencyPenalty, 2);
  EXPECT_THAT(fields.sampling.logitBias, ElementsAre(Pair(5, -100.0f), Pair(999, 1.5f)));
  EXPECT_EQ(fields.sampling.seed, UINT64_MAX);
  EXPECT_EQ(fields.maxTokens, 7u);
  EXPECT_EQ(fields.choices, 3u);
  EXPECT_THAT(fields.stops, ElementsAre("a", "b"));
  EXPECT_THAT(fields.stopTokens, ElementsAre(4));
  EXPECT_TRUE(fields.ignoreEos && fields.spellsSpecial && fields.stream && fields.usageAtEnd &&
              fields.usageAlways);
  EXPECT_EQ(fields.priority, -5);
  EXPECT_EQ(fields.user, "ann");
  EXPECT_TRUE(request->unknown.empty()) << request->unknown.front();
}

TEST(GenerationFieldsTest, MaxCompletionTokensIsTheNewerName) {
  EXPECT_EQ(chat(R"("max_tokens": 5, "max_completion_tokens": 9)")->generation.maxTokens, 9u);
  EXPECT_STREQ(chat(R"("max_completion_tokens": 9)")->generation.maxTokensName, "max_completion_tokens");
}

TEST(GenerationFieldsTest, WrongValuesNameTheField) {
  const std::pair<const char *, const char *> wrong[] = {
      {"temperature", "-0.1"},
      {"temperature", "1e6"},
      {"temperature", "\"hot\""},
      {"top_p", "1.1"},
      {"top_p", "-1"},
      {"top_k", "-2"},
      {"top_k", "4294967296"},
      {"min_p", "2"},
      {"typical_p", "0"},
      {"repetition_penalty", "0"},
      {"presence_penalty", "2.5"},
      {"frequency_penalty", "-3"},
      {"logit_bias", "[]"},
      {"logit_bias", "{\"1000\": 1}"},
      {"logit_bias", "{\"-1\": 1}"},
      {"logit_bias", "{\"1x\": 1}"},
      {"logit_bias", "{\"\": 1}"},
      {"logit_bias", "{\"99999999999\": 1}"},
      {"logit_bias", "{\"1\": 101}"},
      {"logit_bias", "{\"1\": \"a\"}"},
      {"seed", "1.5"},
      {"max_tokens", "-1"},
      {"max_tokens", "99999999999999"},
      {"max_completion_tokens", "-1"},
      {"n", "0"},
      {"n", "17"},
      {"n", "-1"},
      {"stop", "1"},
      {"stop", "\"\""},
      {"stop", "[1]"},
      {"stop", "[\"\"]"},
      {"stop_token_ids", "[-1]"},
      {"stop_token_ids", "[1000]"},
      {"stop_token_ids", "3"},
      {"ignore_eos", "1"},
      {"stream", "\"yes\""},
      {"stream_options", "{}"}, // without stream
      {"stream_options", "1"},
      {"priority", "2147483648"},
      {"priority", "0.5"},
      {"user", "1"},
      {"model", "1"},
  };
  for (auto [name, value] : wrong) {
    std::string members = std::string("\"") + name + "\": " + value;
    EXPECT_EQ(param(completion(members)), name) << value;
    EXPECT_EQ(param(chat(members)), name) << value;
  }
  EXPECT_EQ(param(chat(R"("stream": true, "stream_options": {"include_usage": 1})")),
            "stream_options.include_usage");
  std::string many = "\"stop\": [\"a\"";
  for (int i = 0; i < 16; ++i)
    many += ",\"a\"";
  EXPECT_EQ(param(chat(many + "]")), "stop");
}

TEST(GenerationFieldsTest, UnknownFieldsAreNoErrors) {
  auto request = chat(R"("store": true, "metadata": {"a": "b"}, "x-odd": null)");
  ASSERT_TRUE(request);
  EXPECT_THAT(request->unknown, ElementsAre("store", "metadata", "x-odd"));
}

//===- Completions ------------------------------------------------------------------------------------===//

TEST(CompletionRequestTest, PromptsComeInFourForms) {
  auto prompts = [](const std::string &prompt) {
    auto request = parseCompletionRequest(json("{\"prompt\": " + prompt + "}"), rules());
    EXPECT_TRUE(request) << prompt;
    return request ? request->prompts : std::vector<PromptInput>();
  };
  using Ids = std::vector<int32_t>;
  EXPECT_THAT(prompts(R"("a")"), ElementsAre(PromptInput("a")));
  EXPECT_THAT(prompts(R"(["a", "b"])"), ElementsAre(PromptInput("a"), PromptInput("b")));
  EXPECT_THAT(prompts("[1, 2]"), ElementsAre(PromptInput(Ids{1, 2})));
  EXPECT_THAT(prompts("[[1, 2], [999]]"), ElementsAre(PromptInput(Ids{1, 2}), PromptInput(Ids{999})));
  for (const char *wrong :
       {"null", "1", "{}", "[]", "[null]", "[[]]", "[1, \"a\"]", "[\"a\", 1]", "[\"a\", [1]]", "[-1]",
        "[1000]", "[1.5]", "[[1], 2]", "[[[1]]]", "[99999999999999999999]", "true"})
    EXPECT_EQ(param(parseCompletionRequest(json("{\"prompt\": " + std::string(wrong) + "}"), rules())),
              "prompt")
        << wrong;
  EXPECT_EQ(param(parseCompletionRequest(json("{}"), rules())), "prompt");
  std::string many = "[\"a\"";
  for (int i = 0; i < 256; ++i)
    many += ",\"a\"";
  EXPECT_EQ(param(parseCompletionRequest(json("{\"prompt\": " + many + "]}"), rules())), "prompt");
}

TEST(CompletionRequestTest, ItsOwnFields) {
  auto request = completion(R"("echo": true, "logprobs": 5, "max_tokens": 0, "best_of": 1, "suffix": null)");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->echo);
  EXPECT_EQ(request->generation.sampling.topLogprobs, 5);
  EXPECT_EQ(request->generation.maxTokens, 0u);
  EXPECT_EQ(completion(R"("logprobs": 0)")->generation.sampling.topLogprobs, 0);
  EXPECT_EQ(param(completion(R"("logprobs": 21)")), "logprobs");
  EXPECT_EQ(param(completion(R"("logprobs": true)")), "logprobs");
  EXPECT_EQ(param(completion(R"("max_tokens": 0)")), "max_tokens");
  EXPECT_EQ(param(completion(R"("best_of": 4)")), "best_of");
  EXPECT_EQ(param(completion(R"("suffix": "end")")), "suffix");
}

//===- Chat -------------------------------------------------------------------------------------------===//

Answered<ChatRequest> messages(const std::string &list) {
  return parseChatRequest(json("{\"messages\": " + list + "}"), rules());
}

TEST(ChatRequestTest, ContentIsAStringOrTextParts) {
  auto request = messages(R"([{"role": "system", "content": "Be brief."},
      {"role": "developer", "content": "x"},
      {"role": "user", "name": "ann", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "tool_calls": []}, {"role": "tool", "tool_call_id": "1", "content": "19"}])");
  ASSERT_TRUE(request) << request.error().message;
  const Json &found = request->prompt.messages;
  EXPECT_EQ(found[2], json(R"({"role": "user", "name": "ann", "content": "a\nb"})"));
  EXPECT_TRUE(found[3]["content"].is_null());
  EXPECT_TRUE(request->prompt.generationPrompt);
  EXPECT_EQ(request->toolChoice.kind, ToolChoice::Kind::None);
}

TEST(ChatRequestTest, WrongMessagesNameTheirPlace) {
  const std::pair<const char *, const char *> wrong[] = {
      {"[]", "messages"},
      {"null", "messages"},
      {"{}", "messages"},
      {"[1]", "messages[0]"},
      {"[{}]", "messages[0].role"},
      {R"([{"role": "robot", "content": "a"}])", "messages[0].role"},
      {R"([{"role": 1, "content": "a"}])", "messages[0].role"},
      {R"([{"role": "user"}])", "messages[0].content"},
      {R"([{"role": "user", "content": null}])", "messages[0].content"},
      {R"([{"role": "user", "content": "a"}, {"role": "user", "content": 7}])", "messages[1].content"},
      {R"([{"role": "user", "content": ["a"]}])", "messages[0].content[0]"},
      {R"([{"role": "user", "content": [{"type": "text"}]}])", "messages[0].content[0].text"},
      {R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])",
       "messages[0].content[0]"},
  };
  for (auto [list, place] : wrong)
    EXPECT_EQ(param(messages(list)), place) << list;
  EXPECT_EQ(param(parseChatRequest(json("{}"), rules())), "messages");
}

TEST(ChatRequestTest, Logprobs) {
  EXPECT_EQ(chat(R"("logprobs": true, "top_logprobs": 3)")->generation.sampling.topLogprobs, 3);
  EXPECT_EQ(chat(R"("logprobs": true)")->generation.sampling.topLogprobs, 0);
  EXPECT_EQ(chat(R"("logprobs": false)")->generation.sampling.topLogprobs, -1);
  EXPECT_EQ(param(chat(R"("top_logprobs": 3)")), "top_logprobs");
  EXPECT_EQ(param(chat(R"("logprobs": true, "top_logprobs": 21)")), "top_logprobs");
  EXPECT_EQ(param(chat(R"("logprobs": 3)")), "logprobs");
  EXPECT_EQ(param(chat(R"("max_tokens": 0)")), "max_tokens");
}

TEST(ChatRequestTest, TemplateFields) {
  auto request = chat(R"("chat_template_kwargs": {"enable_thinking": false}, "add_generation_prompt": false,
                         "continue_final_message": true)");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->prompt.templateVariables, json(R"({"enable_thinking": false})"));
  EXPECT_FALSE(request->prompt.generationPrompt);
  EXPECT_TRUE(request->prompt.continuesLast);
  EXPECT_EQ(param(chat(R"("chat_template_kwargs": [])")), "chat_template_kwargs");
  EXPECT_EQ(param(chat(R"("continue_final_message": true, "add_generation_prompt": true)")),
            "continue_final_message");
}

const char *const kTools =
    R"("tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}])";

TEST(ChatRequestTest, Tools) {
  auto request = chat(kTools);
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->tools.size(), 1u);
  EXPECT_EQ(request->tools[0].name, "add");
  EXPECT_EQ(request->toolChoice.kind, ToolChoice::Kind::Auto);
  EXPECT_FALSE(request->prompt.tools.is_null());
  auto none = chat(std::string(kTools) + R"(, "tool_choice": "none")");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->tools.empty() && none->prompt.tools.is_null());
  auto named =
      chat(std::string(kTools) + R"(, "tool_choice": {"type": "function", "function": {"name": "add"}})");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->toolChoice.kind, ToolChoice::Kind::Named);
  EXPECT_EQ(param(chat(std::string(kTools) + R"(, "tool_choice": "sometimes")")), "tool_choice");
  EXPECT_EQ(param(chat(R"("tool_choice": "required")")), "tool_choice");
  EXPECT_EQ(param(chat(R"("tools": 1)")), "tools");
  EXPECT_EQ(param(chat(R"("tools": [1])")), "tools");
}

TEST(ChatRequestTest, ToolsGoWithAFormOfTheAnswer) {
  for (const char *choice : {"\"auto\"", "\"required\"", "\"none\"", "null",
                             R"({"type": "function", "function": {"name": "add"}})"}) {
    std::string members = std::string(kTools) + ", \"tool_choice\": " + choice;
    auto request = chat(members + R"(, "response_format": {"type": "json_object"})");
    ASSERT_TRUE(request) << choice << request.error().message;
    EXPECT_EQ(request->constraint.kind, Constraint::Kind::AnyObject);
    // A regular expression is about everything that is generated: a forced call has a form of its own.
    auto regex = chat(members + R"(, "guided_regex": "a+")");
    EXPECT_EQ(param(regex), std::string_view(choice).find("add") != std::string_view::npos ||
                                    std::string_view(choice) == "\"required\""
                                ? "guided_regex"
                                : "fine")
        << choice;
  }
}

//===- Constraints ------------------------------------------------------------------------------------===//

TEST(ConstraintTest, OneFormByManyNames) {
  using Kind = Constraint::Kind;
  EXPECT_EQ(chat(R"("response_format": {"type": "text"})")->constraint.kind, Kind::None);
  EXPECT_EQ(chat(R"("response_format": {"type": "json_object"})")->constraint.kind, Kind::AnyObject);
  auto schema = chat(R"("response_format": {"type": "json_schema", "json_schema":
                        {"name": "point", "strict": true, "schema": {"type": "object"}}})");
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(schema->constraint.kind, Kind::Schema);
  EXPECT_EQ(schema->constraint.schema, json(R"({"type": "object"})"));
  EXPECT_EQ(completion(R"("guided_json": {"type": "null"})")->constraint.schema, json(R"({"type": "null"})"));
  EXPECT_EQ(completion(R"("guided_json": "{\"type\": \"null\"}")")->constraint.schema,
            json(R"({"type": "null"})"));
  EXPECT_EQ(completion(R"("guided_regex": "a+")")->constraint.pattern, "a+");
  EXPECT_EQ(completion(R"x("guided_choice": ["a.b", "(c)"])x")->constraint.pattern, "a\\.b|\\(c\\)");
  EXPECT_EQ(completion(R"("structured_outputs": {"regex": "b"})")->constraint.pattern, "b");
  EXPECT_EQ(completion(R"("structured_outputs": {"json_object": true})")->constraint.kind, Kind::AnyObject);
}

TEST(ConstraintTest, WrongOnesNameTheField) {
  const std::pair<const char *, const char *> wrong[] = {
      {R"("response_format": "json")", "response_format"},
      {R"("response_format": {})", "response_format.type"},
      {R"("response_format": {"type": "xml"})", "response_format.type"},
      {R"("response_format": {"type": "json_schema"})", "response_format.json_schema"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"name": "a"}})",
       "response_format.json_schema.schema"},
      {R"("guided_json": "no json")", "guided_json"},
      {R"("guided_regex": 1)", "guided_regex"},
      {R"("guided_choice": [])", "guided_choice"},
      {R"("guided_choice": [""])", "guided_choice"},
      {R"("guided_choice": [1])", "guided_choice"},
      {R"("guided_grammar": "root ::= a")", "guided_grammar"},
      {R"("structured_outputs": {"regex": 1})", "structured_outputs.regex"},
      {R"("guided_regex": "a", "guided_json": {})", "guided_regex"},
      {R"("response_format": {"type": "json_object"}, "guided_regex": "a")", "guided_regex"},
  };
  for (auto [members, field] : wrong) {
    EXPECT_EQ(param(completion(members)), field) << members;
    EXPECT_EQ(param(chat(members)), field) << members;
  }
}

} // namespace
