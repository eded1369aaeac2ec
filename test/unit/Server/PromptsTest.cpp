//===- PromptsTest.cpp - From requests to what the engine runs --------------------------------===//

#include "runtime/server/Prompts.h"
#include "Expect.h"
#include <algorithm>
#include <set>

using namespace nibble;
using namespace nibble::server;
using namespace nibble::server::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

const char *const kChatML =
    R"({% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %})";

/// The demo model with a context of 40 tokens.
class PromptsTest : public testing::Test {
protected:
  PromptsTest() { setTemplate(kChatML); }

  void setTemplate(const std::string &source) {
    auto set = parseTemplates(R"({"templates": {"default": ")" + source + "\"}}", "templates");
    ASSERT_TRUE(set) << set.error().message;
    model.templates = std::move(*set);
    model.tokenizer = &demoTokenizer();
    model.name = "demo";
    model.context = 40;
    model.rules.vocabulary = 1024;
    model.endTokens = {2, 0};
  }
  Answered<PreparedChat> chat(const std::string &members,
                              const std::string &messages = R"([{"role": "user", "content": "Hi"}])") {
    auto request = parseChatRequest(json("{\"messages\": " + messages + members + "}"), model.rules);
    EXPECT_TRUE(request) << request.error().message;
    return prepareChat(model, std::move(*request));
  }
  Answered<PreparedCompletion> completion(const std::string &body) {
    auto request = parseCompletionRequest(json(body), model.rules);
    EXPECT_TRUE(request) << request.error().message;
    return prepareCompletion(model, std::move(*request));
  }

  ServedModel model;
};

// Ids are those that Hugging Face `tokenizers` gives.
TEST_F(PromptsTest, AConversationIsRenderedAndTokenized) {
  auto prepared = chat("");
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_THAT(prepared->generation.prompt, ElementsAre(1, 277, 201, 42, 75, 2, 201, 1, 278, 201));
  EXPECT_EQ(prepared->generation.maxTokens, 40 - 10u); // the rest of the context
  EXPECT_THAT(prepared->generation.stopTokens, ElementsAre(2, 0));
  EXPECT_FALSE(prepared->generation.continuesText || prepared->generation.spellsSpecial);
  EXPECT_EQ(prepared->answer.promptTokens, 10u);
  EXPECT_TRUE(chat(R"(, "ignore_eos": true)")->generation.stopTokens.empty());
  EXPECT_THAT(chat(R"(, "ignore_eos": true, "stop_token_ids": [9])")->generation.stopTokens, ElementsAre(9));
}

TEST_F(PromptsTest, DevelopersAreSystemsWhereTheTemplateKnowsNone) {
  const char *developer = R"([{"role": "developer", "content": "Hi"}])";
  EXPECT_THAT(chat("", developer)->generation.prompt,
              ElementsAre(1, 1023, 675, 201, 42, 75, 2, 201, 1, 278, 201));
  setTemplate(std::string("{# developer #}") + kChatML);
  EXPECT_NE(chat("", developer)->generation.prompt,
            chat("", R"([{"role": "system", "content": "Hi"}])")->generation.prompt);
}

TEST_F(PromptsTest, ALastMessageMayBeContinued) {
  auto prepared = chat(R"(, "continue_final_message": true)",
                       R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "The cat"}])");
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_THAT(prepared->generation.prompt,
              ElementsAre(1, 277, 201, 42, 75, 2, 201, 1, 278, 201, 334, 287, 341));
  EXPECT_TRUE(prepared->generation.continuesText);
  setTemplate("nothing of it");
  EXPECT_EQ(chat(R"(, "continue_final_message": true)", R"([{"role": "assistant", "content": "The cat"}])")
                .error()
                .param,
            "continue_final_message");
}

TEST_F(PromptsTest, ATemplateSeesTheVariablesThatAreSent) {
  setTemplate("{{ word }}");
  EXPECT_THAT(chat(R"(, "chat_template_kwargs": {"word": "The cat", "messages": []})")->generation.prompt,
              ElementsAre(334, 287, 341));
  setTemplate("{{ messages | length }}");
  EXPECT_EQ(chat(R"(, "chat_template_kwargs": {"messages": []})")->generation.prompt,
            *demoTokenizer().encode("1"));
  setTemplate("{{ raise_exception('no such roles') }}");
  EXPECT_THAT(chat("").error().message, HasSubstr("no such roles"));
  setTemplate("");
  EXPECT_THAT(chat("").error().message, HasSubstr("rendered nothing"));
}

TEST_F(PromptsTest, WhatDoesNotFitIsRefused) {
  auto tooLong = [&](const auto &prepared, const char *field) {
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().status, 400u);
    EXPECT_EQ(prepared.error().code, "context_length_exceeded");
    EXPECT_EQ(prepared.error().param, field);
  };
  std::string fits = R"({"prompt": "The cat", "max_tokens": 37})";
  EXPECT_EQ(completion(fits)->generations[0].maxTokens, 37u);
  tooLong(completion(R"({"prompt": "The cat", "max_tokens": 38})"), "prompt");
  EXPECT_THAT(completion(R"({"prompt": "The cat", "max_tokens": 38})").error().message,
              HasSubstr("asks for 38 more"));
  std::string ids = "[3";
  for (int i = 1; i < 40; ++i)
    ids += ",3";
  tooLong(completion("{\"prompt\": " + ids + "]}"), "prompt");
  tooLong(chat(R"(, "max_completion_tokens": 39)"), "messages");
}

TEST_F(PromptsTest, CompletionsAreShortUnlessTheySayMore) {
  EXPECT_EQ(completion(R"({"prompt": "The cat"})")->generations[0].maxTokens, 16u);
  std::string ids = "[3";
  for (int i = 1; i < 30; ++i)
    ids += ",3";
  EXPECT_EQ(completion("{\"prompt\": " + ids + "]}")->generations[0].maxTokens, 10u);
  EXPECT_EQ(completion(R"({"prompt": ""})").error().param, "prompt"); // there is no start token
}

TEST_F(PromptsTest, SeveralPromptsAreSeveralGenerations) {
  auto prepared = completion(R"({"prompt": ["The cat", "The"], "n": 2, "echo": true, "logprobs": 1})");
  ASSERT_TRUE(prepared);
  ASSERT_EQ(prepared->generations.size(), 2u);
  EXPECT_EQ(prepared->answer.choices, 4u);
  EXPECT_EQ(prepared->answer.promptTokens, 4u);
  EXPECT_EQ(prepared->generations[0].choices, 2u);
  EXPECT_EQ(prepared->generations[0].promptLogprobs, 1);
  EXPECT_TRUE(prepared->generations[0].continuesText);
  EXPECT_NE(prepared->generations[0].sampling.seed, prepared->generations[1].sampling.seed);
  EXPECT_EQ(prepared->answer.prompts[1].text, "The");
  auto seeded = completion(R"({"prompt": ["a", "b"], "seed": 4})");
  EXPECT_EQ(seeded->generations[1].sampling.seed, 4u);
  EXPECT_EQ(completion(R"({"prompt": [334, 287]})")->generations[0].promptLogprobs, -1);
  EXPECT_EQ(completion(R"({"prompt": [334, 287], "echo": true})")->answer.prompts[0].text, "The c");
}

const char *const kTools =
    R"(, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";

TEST_F(PromptsTest, ToolsThatTheModelCannotSeeAreRefusedUnlessForced) {
  EXPECT_EQ(chat(kTools).error().param, "tools");
  auto forced = chat(std::string(kTools) + R"(, "tool_choice": "required")");
  ASSERT_TRUE(forced) << forced.error().message;
  EXPECT_TRUE(forced->generation.grammar && forced->generation.spellsSpecial);
  EXPECT_EQ(forced->answer.tools.size(), 1u);
  setTemplate(std::string("{% if tools %}{{ tools | tojson }}{% endif %}") + kChatML);
  model.context = 400;
  auto shown = chat(kTools);
  ASSERT_TRUE(shown) << shown.error().message;
  EXPECT_GT(shown->answer.promptTokens, 30u);
  EXPECT_FALSE(shown->generation.grammar);
}

/// What follows is told from the grammar itself: which of these texts may come.
std::set<std::string> possible(const PreparedChat &prepared, const std::vector<std::string> &texts) {
  std::set<std::string> found;
  for (const std::string &text : texts) {
    GrammarState state(*prepared.generation.grammar);
    auto ids = demoTokenizer().encode(text);
    if (std::ranges::all_of(*ids, [&](int32_t id) { return state.accept(id); }) && state.isComplete())
      found.insert(text);
  }
  return found;
}

TEST_F(PromptsTest, ToolsAndAFormOfTheAnswer) {
  setTemplate(std::string("{% if tools %}{{ tools | tojson }}{% endif %}") + kChatML);
  model.context = 400;
  std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
              answer = R"({"sum": 19})", other = R"({"sum": "x"})";
  std::string form =
      std::string(kTools) + R"(, "response_format": {"type": "json_schema", "json_schema": {"name": "s",
      "schema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": false}}})";
  auto prepared = chat(form);
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_TRUE(prepared->generation.spellsSpecial);
  EXPECT_EQ(possible(*prepared, {call, answer, other}), (std::set<std::string>{call, answer}));
  prepared = chat(form + R"(, "tool_choice": "none")");
  EXPECT_FALSE(prepared->generation.spellsSpecial);
  EXPECT_EQ(possible(*prepared, {call, answer, other}), (std::set<std::string>{answer}));
  std::string forced = call.substr(std::string_view("<tool_call>\n").size()); // the mark is in the prompt
  for (const char *choice : {"\"required\"", R"({"type": "function", "function": {"name": "f"}})"}) {
    prepared = chat(form + ", \"tool_choice\": " + choice);
    ASSERT_TRUE(prepared) << prepared.error().message;
    EXPECT_EQ(possible(*prepared, {call, answer, other, forced}), (std::set<std::string>{forced}));
  }
  prepared = chat(std::string(kTools) + R"(, "response_format": {"type": "json_object"})");
  EXPECT_EQ(possible(*prepared, {call, answer, other, "text"}), (std::set<std::string>{call, answer, other}));
  auto wrong = chat(
      R"(, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "x"}}}], "response_format": {"type": "json_object"})");
  EXPECT_EQ(wrong.error().param, "tools");
}

TEST_F(PromptsTest, FormsBecomeGrammars) {
  EXPECT_TRUE(chat(R"(, "response_format": {"type": "json_object"})")->generation.grammar);
  EXPECT_TRUE(completion(R"({"prompt": "a", "guided_regex": "[a-z]+"})")->generations[0].grammar);
  auto wrong = completion(R"({"prompt": "a", "guided_regex": "("})");
  EXPECT_EQ(wrong.error().param, "guided_regex");
  EXPECT_EQ(
      chat(R"(, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}})")
          .error()
          .param,
      "response_format.json_schema.schema");
}

TEST_F(PromptsTest, WithoutATokenizerThereAreIdsOnly) {
  model.tokenizer = nullptr;
  EXPECT_TRUE(completion(R"({"prompt": [3, 4]})"));
  EXPECT_EQ(completion(R"({"prompt": "a"})").error().param, "prompt");
  EXPECT_EQ(completion(R"({"prompt": [3], "stop": "a"})").error().param, "stop");
  EXPECT_EQ(completion(R"({"prompt": [3], "guided_regex": "a"})").error().param, "guided_regex");
  EXPECT_THAT(chat("").error().message, HasSubstr("no chat template"));
}

TEST(ServedModelTest, IsCalledAsItsFile) {
  EXPECT_EQ(ServedModel::nameOf("demo"), "demo");
  EXPECT_EQ(ServedModel::nameOf("/models/Qwen2.5-0.5B"), "Qwen2.5-0.5B");
  EXPECT_EQ(ServedModel::nameOf("./a.b/llama-3.2-1b.Q4_0.nibble"), "llama-3.2-1b.Q4_0");
}

TEST_F(PromptsTest, OnlyTheServedNameIsKnown) {
  EXPECT_TRUE(model.checkName("demo"));
  EXPECT_TRUE(model.checkName(std::nullopt));
  EXPECT_EQ(model.checkName("gpt-9").error().status, 404u);
  EXPECT_EQ(model.checkName("").error().code, "model_not_found");
}

} // namespace
