//===- BodyFuzz.cpp - Bodies of requests to the server ----------------------------------------===//
//
// From the text of a body to what the engine would run, and an answer's first line: everything that a client
// can choose. An error must be well-formed, and a request that is taken must be one that the engine can run.
//
//===------------------------------------------------------------------------------------------===//

#include "Fuzz.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Prompts.h"
#include "test/unit/Runtime/ToyModel.h"
#include <cstring>

using namespace nibble;
using namespace nibble::server;

static constexpr const char *kTemplates = R"({"templates": {"default":
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments | tojson }})\n{% endfor %}{% endfor %}{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}{% if add_generation_prompt %}assistant: {% endif %}"}})";

static const ServedModel &model() {
  static ServedModel model;
  static const std::string bytes = toy::tokenizer();
  static std::vector<uint64_t> aligned((bytes.size() + 7) / 8);
  if (model.tokenizer)
    return model;
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  static auto tokenizer = Tokenizer::open(std::as_bytes(std::span(aligned)).first(bytes.size()));
  auto templates = parseTemplates(kTemplates, "templates");
  fuzz::require(tokenizer && templates, "the harness has a tokenizer and a template");
  model.name = "toy";
  model.context = toy::kContext;
  model.rules.vocabulary = toy::kVocabulary;
  model.endTokens = {2};
  model.templates = std::move(*templates);
  model.tokenizer = &*tokenizer;
  return model;
}

static void checkError(const ApiError &error) {
  Json parsed = Json::parse(errorJson(error), nullptr, false);
  fuzz::require(parsed.is_object() && parsed["error"]["message"].is_string(), "an error is well-formed");
  fuzz::require(!error.message.empty() && (error.status == 400 || error.status == 404),
                "an error says what is wrong with the request");
}

static void checkGeneration(const GenerationRequest &request) {
  fuzz::require(!request.prompt.empty() && request.maxTokens > 0 &&
                    request.prompt.size() + request.maxTokens <= toy::kContext,
                "a request fits into the context");
  fuzz::require(request.choices >= 1 && request.choices <= 16, "choices are bounded");
  fuzz::require(bool(validate(request.sampling, toy::kVocabulary)), "sampling options are in their ranges");
  for (int32_t token : request.prompt)
    fuzz::require(token >= 0 && token < static_cast<int32_t>(toy::kVocabulary),
                  "prompts are of known tokens");
  for (int32_t token : request.stopTokens)
    fuzz::require(token >= 0 && token < static_cast<int32_t>(toy::kVocabulary), "stop tokens are known");
  for (const std::string &stop : request.stopStrings)
    fuzz::require(!stop.empty(), "no stop string is empty");
}

/// Two tokens and the end of the first choice.
static void checkAnswer(Answer &answer, uint32_t choices, bool streamed, std::string_view text) {
  std::string out;
  SampledToken token = {.token = 5, .logprob = -1, .top = {{5, -1}, {6, -2}}};
  out += answer.hear({.choice = 0, .token = token, .text = std::string(text), .ends = false});
  out += answer.hear({.choice = 0, .token = token, .text = "", .ends = true});
  for (uint32_t choice = 0; choice < choices; ++choice)
    out += answer.end({.choice = choice, .reason = "stop", .text = std::string(text), .rest = "rest"});
  out += answer.close({.promptTokens = 1, .completionTokens = 2});
  if (!streamed)
    return fuzz::require(Json::accept(out), "an answer is JSON");
  fuzz::require(out.ends_with(kDoneEvent), "a stream says that it is done");
  out.resize(out.size() - kDoneEvent.size());
  for (size_t at = 0, end = 0; at < out.size(); at = end + 2) {
    end = out.find("\n\n", at);
    fuzz::require(end != std::string::npos && out.compare(at, 6, "data: ") == 0, "a stream is events");
    fuzz::require(Json::accept(out.substr(at + 6, end - at - 6)), "an event is JSON");
  }
}

static void tryChat(const Json &body) {
  auto request = parseChatRequest(body, model().rules);
  if (!request)
    return checkError(request.error());
  bool streamed = request->generation.stream;
  auto prepared = prepareChat(model(), std::move(*request));
  if (!prepared)
    return checkError(prepared.error());
  checkGeneration(prepared->generation);
  uint32_t choices = prepared->answer.choices;
  auto answer = makeChatAnswer(std::move(prepared->answer));
  checkAnswer(*answer, choices, streamed,
              "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>");
}

static void tryCompletion(const Json &body) {
  auto request = parseCompletionRequest(body, model().rules);
  if (!request)
    return checkError(request.error());
  bool streamed = request->generation.stream;
  auto prepared = prepareCompletion(model(), std::move(*request));
  if (!prepared)
    return checkError(prepared.error());
  for (const GenerationRequest &generation : prepared->generations)
    checkGeneration(generation);
  uint32_t choices = prepared->answer.choices;
  auto answer = makeCompletionAnswer(std::move(prepared->answer));
  checkAnswer(*answer, choices, streamed, "text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto body = parseBody(fuzz::text(data, size));
  if (!body) {
    checkError(body.error());
    return 0;
  }
  tryChat(*body);
  tryCompletion(*body);
  return 0;
}
