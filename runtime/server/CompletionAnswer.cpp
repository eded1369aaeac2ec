//===- CompletionAnswer.cpp - Answers of /v1/completions --------------------------------------===//

#include "runtime/server/CompletionAnswer.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Logprobs.h"

using namespace nibble;
using namespace nibble::server;

namespace {

/// {"index":...,"text":...,"logprobs":...,"finish_reason":...}; empty: null.
std::string choiceJson(uint32_t choice, std::string_view text, std::string_view logprobs,
                       std::string_view reason) {
  std::string json = R"({"index":)";
  appendNumber(json, choice);
  json += R"(,"text":)";
  appendQuoted(json, text);
  json.append(R"(,"logprobs":)").append(logprobs.empty() ? "null" : logprobs);
  json += R"(,"finish_reason":)";
  if (reason.empty())
    json += "null}";
  else
    json.append("\"").append(reason).append("\"}");
  return json;
}

/// Logprobs of all choices; a prompt that is echoed comes first.
class CompletionAnswer : public Answer {
public:
  explicit CompletionAnswer(CompletionAnswerOptions given)
      : options(std::move(given)), logprobs(options.choices, CompletionLogprobs(options.tokenizer)) {
    if (options.logprobs)
      for (uint32_t i = 0; i < options.choices; ++i)
        if (const EchoedPrompt *prompt = echo(i); prompt && !prompt->ids.empty())
          logprobs[i].addFirst(prompt->ids.front(), prompt->hidden == 0);
  }

  void hearPrompt(uint32_t choice, std::span<const SampledToken> tokens) override {
    const EchoedPrompt *prompt = echo(choice);
    if (options.logprobs && prompt)
      for (size_t i = 0; i < tokens.size(); ++i)
        logprobs[choice].add(tokens[i], i + 1 >= prompt->hidden);
  }

protected:
  const EchoedPrompt *echo(uint32_t choice) const {
    if (options.prompts.empty())
      return nullptr;
    return &options.prompts[choice / (options.choices / options.prompts.size())];
  }
  std::string_view echoedText(uint32_t choice) const {
    const EchoedPrompt *prompt = echo(choice);
    return prompt ? std::string_view(prompt->text) : std::string_view();
  }
  /// Whether the token is a part of the answer.
  bool takes(const HeardToken &token) const { return !options.dropsTokens && !token.ends; }
  std::string takeLogprobs(uint32_t choice) { return options.logprobs ? logprobs[choice].take() : ""; }
  std::string_view reasonOf(const EndedChoice &ended) const {
    return options.dropsTokens ? "length" : ended.reason;
  }

  CompletionAnswerOptions options;
  std::vector<CompletionLogprobs> logprobs;
};

class CompletionStream : public CompletionAnswer {
public:
  explicit CompletionStream(CompletionAnswerOptions given)
      : CompletionAnswer(std::move(given)), events(options, "text_completion"), begun(options.choices) {}

  std::string hear(const HeardToken &token) override {
    std::string out;
    if (options.dropsTokens)
      return out;
    events.count();
    bool first = !begun[token.choice];
    if (takes(token) && options.logprobs)
      logprobs[token.choice].add(token.token, true);
    if (first || !token.text.empty() || (options.logprobs && !token.ends))
      write(out, token.choice, token.text, "");
    return out;
  }

  std::string end(const EndedChoice &ended) override {
    std::string out;
    write(out, ended.choice, options.dropsTokens ? "" : ended.rest, reasonOf(ended));
    return out;
  }

  std::string close(const Usage &usage) override { return events.close(usage); }

private:
  void write(std::string &out, uint32_t choice, std::string_view text, std::string_view reason) {
    bool first = !begun[choice];
    begun[choice] = true;
    std::string whole;
    if (first)
      whole = echoedText(choice);
    whole += text;
    // The end has log probabilities only where a prompt's are still to be sent.
    std::string list = reason.empty() || first ? takeLogprobs(choice) : "";
    events.choice(out, choiceJson(choice, whole, list, reason));
  }

  EventWriter events;
  std::vector<bool> begun; // something was sent
};

class WholeCompletion : public CompletionAnswer {
public:
  explicit WholeCompletion(CompletionAnswerOptions given)
      : CompletionAnswer(std::move(given)), choices(options.choices) {}

  std::string hear(const HeardToken &token) override {
    if (options.logprobs && takes(token))
      logprobs[token.choice].add(token.token, true);
    return {};
  }

  std::string end(const EndedChoice &ended) override {
    std::string text(echoedText(ended.choice));
    if (!options.dropsTokens)
      text += ended.text;
    choices[ended.choice] = choiceJson(ended.choice, text, takeLogprobs(ended.choice), reasonOf(ended));
    return {};
  }

  std::string close(const Usage &usage) override {
    std::string body = answerHead(options.head, "text_completion");
    for (size_t i = 0; i < choices.size(); ++i)
      body.append(i ? "," : "").append(choices[i]);
    body += R"(],"usage":)";
    appendUsage(body, usage);
    return body += "}\n";
  }

private:
  std::vector<std::string> choices;
};

} // namespace

std::unique_ptr<Answer> server::makeCompletionAnswer(CompletionAnswerOptions options) {
  if (options.streamed)
    return std::make_unique<CompletionStream>(std::move(options));
  return std::make_unique<WholeCompletion>(std::move(options));
}
