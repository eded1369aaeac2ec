//===- Prompts.cpp - From requests to what the engine runs ------------------------------------===//

#include "runtime/server/Prompts.h"

using namespace nibble;
using namespace nibble::server;

// Tokens of a completion that does not say how many, as OpenAI's.
static constexpr uint32_t kDefaultTokens = 16;

static ApiError tooLong(const std::string &field, uint64_t prompt, uint64_t asked, uint32_t context,
                        const char *asking) {
  std::string message = "this model's context holds " + std::to_string(context) + " tokens; the prompt has " +
                        std::to_string(prompt);
  if (asked > 1)
    message += std::string(", and ") + asking + " asks for " + std::to_string(asked) + " more";
  message += "; shorten the prompt";
  if (asked > 1)
    message += ", or ask for less";
  return {.message = message, .param = field, .code = "context_length_exceeded"};
}

/// How many tokens may be generated behind a prompt; `otherwise` is for requests that do not say it (0: what
/// the context leaves).
static Answered<uint32_t> roomFor(const ServedModel &model, const GenerationFields &fields, uint64_t prompt,
                                  uint32_t otherwise, const std::string &field) {
  uint64_t least = fields.maxTokens ? std::max(*fields.maxTokens, 1u) : 1;
  if (prompt + least > model.context)
    return tl::unexpected(tooLong(field, prompt, least, model.context, fields.maxTokensName));
  if (fields.maxTokens)
    return static_cast<uint32_t>(least);
  auto room = static_cast<uint32_t>(model.context - prompt);
  return otherwise ? std::min(otherwise, room) : room;
}

/// What chat and completions set alike.
static GenerationRequest generationOf(const ServedModel &model, const GenerationFields &fields,
                                      std::vector<int32_t> prompt, uint32_t maxTokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.maxTokens = maxTokens;
  request.choices = fields.choices;
  request.sampling = fields.sampling;
  request.stopTokens = fields.stopTokens;
  if (!fields.ignoreEos)
    request.stopTokens.insert(request.stopTokens.end(), model.endTokens.begin(), model.endTokens.end());
  request.stopStrings = fields.stops;
  request.spellsSpecial = fields.spellsSpecial;
  request.priority = fields.priority;
  return request;
}

static void describeStream(AnswerOptions &answer, const GenerationFields &fields, const ServedModel &model) {
  answer.streamed = fields.stream;
  answer.usageAtEnd = fields.usageAtEnd;
  answer.usageAlways = fields.usageAlways;
  answer.logprobs = fields.sampling.topLogprobs >= 0;
  answer.tokenizer = model.tokenizer;
}

static Answered<std::optional<Grammar>> constrain(const ServedModel &model, const Constraint &constraint) {
  if (constraint.kind == Constraint::Kind::None)
    return std::nullopt;
  if (!model.tokenizer)
    return invalid(constraint.field,
                   "this model has no tokenizer, so there is no text that could have a form");
  return model.grammars().compile(constraint);
}

//===- Chat
//------------------------------------------------------------------------------------------------===//

/// The name of the template that renders a prompt; nothing where there is none.
static std::optional<std::string> templateOf(const ServedModel &model, const ChatPrompt &prompt) {
  Conversation conversation;
  conversation.tools = prompt.tools;
  if (model.templates)
    if (auto name = chooseTemplate(*model.templates, conversation))
      return *name;
  return std::nullopt;
}

static std::string templateSource(const ServedModel &model, const ChatPrompt &prompt) {
  auto name = templateOf(model, prompt);
  return name ? model.templates->templates[*name].get<std::string>() : std::string();
}

/// Whether the template shows tools to the model.
static bool showsTools(const ServedModel &model, const ChatPrompt &prompt) {
  auto name = templateOf(model, prompt);
  if (!name)
    return false;
  const auto &parsed = model.templates->parsed.at(*name);
  return parsed && parsed->mentions("tools");
}

ToolStyle server::toolStyleOf(const ServedModel &model, const ChatPrompt &prompt) {
  if (model.toolStyle)
    return *model.toolStyle;
  return detectToolStyle(templateSource(model, prompt)).value_or(ToolStyle::Hermes);
}

/// Cuts what the template writes behind the last message, as transformers' continue_final_message does.
static Answered<std::string> cutBehindLast(std::string rendered, const std::string &last) {
  std::string_view text = last;
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  size_t at = text.empty() ? std::string::npos : rendered.rfind(text);
  if (at == std::string::npos)
    return invalid("continue_final_message", "the chat template does not show the last message as it is");
  // The white space that the message ends with is its own.
  size_t end = at + text.size();
  if (rendered.compare(at, last.size(), last) == 0)
    end = at + last.size();
  rendered.resize(end);
  return rendered;
}

Answered<std::string> server::renderChat(const ServedModel &model, ChatPrompt prompt, ToolStyle style) {
  if (!model.templates || !model.tokenizer)
    return invalid("", "this model has no chat template; use /v1/completions");
  std::string source = templateSource(model, prompt);
  if (auto normal = normalizeToolMessages(prompt.messages, style, source); !normal)
    return invalid("messages", normal.error().message);
  bool knowsDeveloper = source.find("developer") != std::string::npos;
  for (Json &message : prompt.messages)
    if (message["role"] == "developer" && !knowsDeveloper)
      message["role"] = "system";
  std::string last;
  if (prompt.continuesLast)
    if (const Json &content = prompt.messages.back()["content"]; content.is_string())
      last = content.get<std::string>();
  Conversation conversation;
  conversation.messages = std::move(prompt.messages);
  conversation.tools = std::move(prompt.tools);
  conversation.variables = std::move(prompt.templateVariables);
  conversation.generationPrompt = prompt.generationPrompt;
  auto rendered = renderConversation(*model.templates, conversation);
  if (!rendered)
    return invalid("messages", rendered.error().message);
  if (prompt.continuesLast)
    return cutBehindLast(std::move(*rendered), last);
  return std::move(*rendered);
}

/// A form that the answer must have; the model may call all the same where it may choose.
static Answered<std::optional<Grammar>> constrainChat(const ServedModel &model, const ChatRequest &request,
                                                      ToolStyle style) {
  NIBBLE_TRY(auto grammar, constrain(model, request.constraint));
  // A regular expression is about all that is generated, calls and all.
  if (!grammar || request.toolChoice.kind != ToolChoice::Kind::Auto ||
      request.constraint.kind == Constraint::Kind::Regex)
    return grammar;
  auto either = callOr(*grammar, style, request.tools, request.parallelCalls);
  if (!either)
    return invalid("tools", either.error().message);
  return std::move(*either);
}

Answered<PreparedChat> server::prepareChat(const ServedModel &model, ChatRequest request) {
  PreparedChat prepared;
  ChatAnswerOptions &answer = prepared.answer;
  answer.tools = request.tools;
  answer.style = toolStyleOf(model, request.prompt);
  bool continues = request.prompt.continuesLast;
  if (request.toolChoice.kind == ToolChoice::Kind::Auto && !showsTools(model, request.prompt))
    return invalid("tools", "this model's chat template shows it no tools; force a call by \"tool_choice\", "
                            "or leave them out");
  NIBBLE_TRY(std::string rendered, renderChat(model, std::move(request.prompt), answer.style));
  std::optional<Grammar> grammar;
  if (!mustCall(request.toolChoice)) { // else no text comes that could have a form
    NIBBLE_TRY(grammar, constrainChat(model, request, answer.style));
  } else {
    auto forced = forceCall(answer.style, request.tools, request.toolChoice, request.parallelCalls);
    if (!forced)
      return invalid("tools", forced.error().message);
    rendered += forced->prompt;
    continues |= !forced->prompt.empty();
    answer.forcedPrompt = forced->prompt;
    grammar = std::move(forced->grammar);
  }
  auto ids = encodeRendered(*model.tokenizer, rendered);
  if (!ids)
    return invalid("messages", ids.error().message);
  if (ids->empty())
    return invalid("messages", "the chat template rendered nothing");
  answer.promptTokens = ids->size();
  answer.choices = request.generation.choices;
  describeStream(answer, request.generation, model);
  NIBBLE_TRY(uint32_t room, roomFor(model, request.generation, ids->size(), 0, "messages"));
  prepared.generation = generationOf(model, request.generation, std::move(*ids), room);
  if (grammar)
    prepared.generation.grammar = model.begin(std::move(*grammar));
  prepared.generation.continuesText = continues;
  // Marks of calls are special tokens in some vocabularies.
  prepared.generation.spellsSpecial |= !request.tools.empty();
  return prepared;
}

//===- Completions
//-----------------------------------------------------------------------------------------===//

Answered<std::vector<int32_t>> server::encodeInput(const ServedModel &model, const PromptInput &prompt,
                                                   bool addSpecial, const std::string &field) {
  if (const auto *ids = std::get_if<std::vector<int32_t>>(&prompt))
    return *ids;
  if (!model.tokenizer)
    return invalid(field, "this model has no tokenizer; send token ids");
  auto ids = encodePrompt(*model.tokenizer, std::get<std::string>(prompt), {.addSpecial = addSpecial});
  if (!ids)
    return invalid(field, field + ": " + ids.error().message);
  return std::move(*ids);
}

/// The prompt as an answer repeats it.
static EchoedPrompt echoOf(const ServedModel &model, const PromptInput &prompt,
                           const std::vector<int32_t> &ids, bool addSpecial) {
  EchoedPrompt echo;
  echo.ids = ids;
  if (const std::string *text = std::get_if<std::string>(&prompt)) {
    echo.text = *text;
    // Start tokens that the tokenizer has put before the text, unless the text spells them itself.
    auto prefix = model.tokenizer->prefix();
    bool spelled = echo.text.starts_with(model.tokenizer->piece(ids.front()));
    while (addSpecial && !spelled && echo.hidden < std::min(prefix.size(), ids.size()) &&
           ids[echo.hidden] == prefix[echo.hidden])
      ++echo.hidden;
  } else if (model.tokenizer) {
    echo.text = model.tokenizer->decode(ids, false);
  }
  return echo;
}

Answered<PreparedCompletion> server::prepareCompletion(const ServedModel &model, CompletionRequest request) {
  PreparedCompletion prepared;
  CompletionAnswerOptions &answer = prepared.answer;
  GenerationFields &fields = request.generation;
  describeStream(answer, fields, model);
  answer.choices = static_cast<uint32_t>(fields.choices * request.prompts.size());
  answer.dropsTokens = fields.maxTokens == 0;
  NIBBLE_TRY(auto grammar, constrain(model, request.constraint));
  std::shared_ptr<const GrammarState> form;
  if (grammar)
    form = model.begin(std::move(*grammar));
  if (!model.tokenizer && !fields.stops.empty())
    return invalid("stop", "this model has no tokenizer; use \"stop_token_ids\"");
  for (const PromptInput &prompt : request.prompts) {
    NIBBLE_TRY(auto ids, encodeInput(model, prompt, request.addSpecial, "prompt"));
    if (ids.empty())
      return invalid("prompt", "prompt: is empty, and this model has no start token to begin with");
    NIBBLE_TRY(uint32_t room, roomFor(model, fields, ids.size(), kDefaultTokens, "prompt"));
    answer.promptTokens += ids.size();
    if (request.echo)
      answer.prompts.push_back(echoOf(model, prompt, ids, request.addSpecial));
    GenerationRequest generation = generationOf(model, fields, std::move(ids), room);
    generation.grammar = form;
    generation.continuesText = true;
    if (!fields.seeded) // equal prompts get different texts
      generation.sampling.seed += prepared.generations.size();
    if (request.echo)
      generation.promptLogprobs = fields.sampling.topLogprobs;
    prepared.generations.push_back(std::move(generation));
  }
  return prepared;
}
