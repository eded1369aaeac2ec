//===- TokenRoutes.cpp - POST /tokenize and /detokenize ---------------------------------------===//
//
// With vLLM's fields: a prompt, or a conversation, to token ids, and back.
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/server/Prompts.h"
#include "runtime/server/Routes.h"

using namespace nibble;
using namespace nibble::server;

static Answered<std::string> answerTokenize(const ServedModel &model, std::string_view text) {
  NIBBLE_TRY(Json body, parseBody(text));
  Fields fields(body);
  NIBBLE_TRY(std::vector<int32_t> ids, [&]() -> Answered<std::vector<int32_t>> {
    NIBBLE_CHECK(model.checkName(fields.text("model")));
    bool isChat = body.contains("messages");
    bool addSpecial = fields.flag("add_special_tokens").value_or(!isChat);
    if (!isChat) {
      auto prompt = fields.text("prompt");
      if (!prompt)
        fields.fail("prompt", "is missing: expected a string, or \"messages\"");
      if (fields.problem())
        return tl::unexpected(*fields.problem());
      return encodeInput(model, *prompt, addSpecial, "prompt");
    }
    ChatPrompt prompt = parseChatPrompt(fields);
    if (fields.problem())
      return tl::unexpected(*fields.problem());
    ToolStyle style = toolStyleOf(model, prompt);
    NIBBLE_TRY(std::string rendered, renderChat(model, std::move(prompt), style));
    auto encoded = model.tokenizer->encode(rendered, {.addSpecial = addSpecial, .parseSpecial = true});
    if (!encoded)
      return invalid("messages", encoded.error().message);
    return std::move(*encoded);
  }());
  bool strings = fields.flag("return_token_strs").value_or(false);
  if (fields.problem())
    return tl::unexpected(*fields.problem());
  Json answer = {
      {"count", ids.size()}, {"max_model_len", model.context}, {"tokens", ids}, {"token_strs", nullptr}};
  if (strings) {
    answer["token_strs"] = Json::array();
    for (int32_t id : ids)
      answer["token_strs"].push_back(std::string(model.tokenizer->piece(id)));
  }
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

static Answered<std::string> answerDetokenize(const ServedModel &model, std::string_view text) {
  NIBBLE_TRY(Json body, parseBody(text));
  Fields fields(body);
  NIBBLE_CHECK(model.checkName(fields.text("model")));
  if (!model.tokenizer)
    return invalid("", "this model has no tokenizer");
  const Json *tokens = fields.list("tokens");
  if (!tokens)
    fields.fail("tokens", "is missing: expected a list of token ids");
  std::vector<int32_t> ids;
  for (size_t i = 0; tokens && i < tokens->size(); ++i) {
    const Json &id = (*tokens)[i];
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= model.rules.vocabulary) {
      fields.fail("tokens", "expected ids of tokens below " + std::to_string(model.rules.vocabulary));
      break;
    }
    ids.push_back(id.get<int32_t>());
  }
  if (fields.problem())
    return tl::unexpected(*fields.problem());
  return Json({{"prompt", model.tokenizer->decode(ids, false)}}).dump() + "\n";
}

static void answer(Visit &visit, Answered<std::string> body) {
  if (body)
    visit.sendJson(std::move(*body));
  else
    visit.fail(body.error());
}

void Routes::tokenize(const VisitPtr &visit) {
  answer(*visit, answerTokenize(backstage.model, visit->takeBody()));
}

void Routes::detokenize(const VisitPtr &visit) {
  answer(*visit, answerDetokenize(backstage.model, visit->takeBody()));
}
