//===- CompletionRequest.cpp - POST /v1/completions -------------------------------------------===//

#include "runtime/server/CompletionRequest.h"

using namespace nibble;
using namespace nibble::server;

/// Token ids, or nothing where the list holds something else (which is reported).
static std::vector<int32_t> parseIds(Fields &fields, const char *name, const Json &list,
                                     const RequestRules &rules) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json &id : list) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= rules.vocabulary) {
      fields.fail(name, "expected ids of tokens from 0 to " + std::to_string(rules.vocabulary - 1) +
                            ", found " + excerpt(id.dump(), 24));
      return {};
    }
    ids.push_back(id.get<int32_t>());
  }
  if (ids.empty())
    fields.fail(name, "a list of token ids is empty");
  return ids;
}

std::vector<PromptInput> server::parsePrompts(Fields &fields, const char *name, const RequestRules &rules) {
  std::vector<PromptInput> prompts;
  const Json *value = fields.find(name);
  if (!value) {
    fields.fail(name, "is missing: expected a string, token ids, or a list of them");
  } else if (value->is_string()) {
    prompts.emplace_back(value->get<std::string>());
  } else if (!value->is_array() || value->empty()) {
    fields.fail(name, "expected a string, token ids, or a list of them");
  } else if (value->front().is_number()) {
    prompts.emplace_back(parseIds(fields, name, *value, rules));
  } else if (value->size() > rules.mostPrompts) {
    fields.fail(name, "has " + std::to_string(value->size()) + " prompts; at most " +
                          std::to_string(rules.mostPrompts) + " are taken in one request");
  } else {
    for (const Json &prompt : *value) {
      if (prompt.is_string() && value->front().is_string())
        prompts.emplace_back(prompt.get<std::string>());
      else if (prompt.is_array() && value->front().is_array())
        prompts.emplace_back(parseIds(fields, name, prompt, rules));
      else
        fields.fail(name, "a list holds strings, token ids, or lists of token ids, all of one kind");
      if (fields.problem())
        break;
    }
  }
  return prompts;
}

Answered<CompletionRequest> server::parseCompletionRequest(const Json &body, const RequestRules &rules) {
  Fields fields(body);
  CompletionRequest request;
  GenerationFields &generation = request.generation;
  generation = parseGenerationFields(fields, rules);
  request.prompts = parsePrompts(fields, "prompt", rules);
  request.constraint = parseConstraint(fields);
  request.echo = fields.flag("echo").value_or(false);
  request.addSpecial = fields.flag("add_special_tokens").value_or(true);
  auto logprobs = fields.integer("logprobs", 0, rules.mostLogprobs);
  generation.sampling.topLogprobs = static_cast<int32_t>(logprobs.value_or(-1));
  if (generation.maxTokens == 0 && !request.echo)
    fields.fail(generation.maxTokensName, "expected a whole number of at least 1, or \"echo\": true");
  if (fields.integer("best_of", 1, INT32_MAX).value_or(generation.choices) != generation.choices)
    fields.fail("best_of", "is not offered; ask for \"n\" choices");
  if (!fields.text("suffix").value_or("").empty())
    fields.fail("suffix", "is not offered: the model continues texts only");
  if (fields.problem())
    return tl::unexpected(*fields.problem());
  request.unknown = fields.unknown();
  return request;
}
