//===- ChatAnswer.cpp - Answers of /v1/chat/completions ---------------------------------------===//

#include "runtime/server/ChatAnswer.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/Logprobs.h"

using namespace nibble;
using namespace nibble::server;

namespace {

/// {"index":...,WHAT:{ begins a choice; WHAT is "delta" or "message".
std::string choiceHead(uint32_t choice, std::string_view what) {
  std::string json = R"({"index":)";
  appendNumber(json, choice);
  json += ",\"";
  json += what;
  return json += "\":{";
}

/// },"logprobs":...,"finish_reason":...} and ends. No list, or an empty reason: null.
void appendChoiceTail(std::string &json, std::optional<std::string_view> logprobs, std::string_view reason) {
  json += R"(},"logprobs":)";
  if (logprobs)
    json.append(R"({"content":[)").append(*logprobs).append(R"(],"refusal":null})");
  else
    json += "null";
  json += R"(,"finish_reason":)";
  if (reason.empty())
    json += "null}";
  else
    json.append("\"").append(reason).append("\"}");
}

/// A call, or the beginning of one: {"id":...,"type":"function","function":{"name":...,"arguments":...}}
/// without the opening brace.
void appendCall(std::string &json, std::string_view id, std::string_view name, std::string_view arguments) {
  json += R"("id":)";
  appendQuoted(json, id);
  json += R"(,"type":"function","function":{"name":)";
  appendQuoted(json, name);
  json += R"(,"arguments":)";
  appendQuoted(json, arguments);
  json += "}}";
}

class ChatStream : public Answer {
public:
  explicit ChatStream(ChatAnswerOptions given)
      : options(std::move(given)), events(options, "chat.completion.chunk"), choices(options.choices) {
    if (!options.tools.empty())
      for (Choice &choice : choices)
        choice.parser.emplace(options.style, options.tools,
                              ToolCallParser::Options{.wholeCalls = false, .prompt = options.forcedPrompt});
  }

  std::string hear(const HeardToken &token) override {
    std::string out;
    std::optional<std::string> logprobs;
    events.count();
    Choice &choice = choices[token.choice];
    if (options.logprobs && options.tokenizer && !token.ends)
      appendChatLogprob(logprobs.emplace(), *options.tokenizer, token.token);
    write(out, token.choice, piecesOf(choice, token.text), logprobs);
    return out;
  }

  std::string end(const EndedChoice &ended) override {
    std::string out;
    Choice &choice = choices[ended.choice];
    auto pieces = piecesOf(choice, ended.rest);
    if (choice.parser)
      for (ToolPiece &piece : choice.parser->finish())
        pieces.push_back(std::move(piece));
    if (!pieces.empty())
      write(out, ended.choice, pieces, std::nullopt);
    bool called = choice.parser && choice.parser->completeCalls() > 0 && ended.reason == "stop";
    std::string json = choiceHead(ended.choice, "delta");
    appendChoiceTail(json, std::nullopt, called ? "tool_calls" : ended.reason);
    events.choice(out, json);
    return out;
  }

  std::string close(const Usage &usage) override { return events.close(usage); }

private:
  struct Choice {
    std::optional<ToolCallParser> parser;
    bool begun = false; // the role was sent
  };

  static std::vector<ToolPiece> piecesOf(Choice &choice, std::string_view text) {
    if (text.empty())
      return {};
    if (choice.parser)
      return choice.parser->feed(text);
    ToolPiece piece;
    piece.text = text;
    return {piece};
  }

  /// An event for each piece. The first token makes one in any case, and so do log probabilities.
  void write(std::string &out, uint32_t index, const std::vector<ToolPiece> &pieces,
             std::optional<std::string_view> logprobs) {
    if (pieces.empty() && (!choices[index].begun || logprobs))
      writePiece(out, index, {}, logprobs);
    for (const ToolPiece &piece : pieces) {
      writePiece(out, index, piece, logprobs);
      logprobs.reset();
    }
  }

  void writePiece(std::string &out, uint32_t index, const ToolPiece &piece,
                  std::optional<std::string_view> logprobs) {
    std::string json = choiceHead(index, "delta");
    if (!std::exchange(choices[index].begun, true))
      json += R"("role":"assistant",)";
    if (piece.kind == ToolPiece::Kind::Content) {
      json += R"("content":)";
      appendQuoted(json, piece.text);
    } else {
      json += R"("tool_calls":[{"index":)";
      appendNumber(json, piece.index);
      json += ',';
      if (piece.kind == ToolPiece::Kind::Call) {
        appendCall(json, piece.id, piece.name, piece.text);
      } else {
        json += R"("function":{"arguments":)";
        appendQuoted(json, piece.text);
        json += "}}";
      }
      json += ']';
    }
    appendChoiceTail(json, logprobs, "");
    events.choice(out, json);
  }

  ChatAnswerOptions options;
  EventWriter events;
  std::vector<Choice> choices;
};

class WholeChat : public Answer {
public:
  explicit WholeChat(ChatAnswerOptions given) : options(std::move(given)), choices(options.choices) {}

  std::string hear(const HeardToken &token) override {
    if (!options.logprobs || !options.tokenizer || token.ends)
      return {};
    std::string &logprobs = choices[token.choice].logprobs;
    if (!logprobs.empty())
      logprobs += ',';
    appendChatLogprob(logprobs, *options.tokenizer, token.token);
    return {};
  }

  std::string end(const EndedChoice &ended) override {
    ParsedAnswer parsed;
    if (options.tools.empty())
      parsed.content = ended.text;
    else
      parsed = parseToolCalls(options.style, options.tools, ended.text, options.forcedPrompt);
    std::string &json = choices[ended.choice].json;
    json = choiceHead(ended.choice, "message") + R"("role":"assistant","content":)";
    if (parsed.content.empty() && !parsed.calls.empty())
      json += "null";
    else
      appendQuoted(json, parsed.content);
    json += R"(,"refusal":null)";
    for (size_t i = 0; i < parsed.calls.size(); ++i) {
      json += i ? ",{" : R"(,"tool_calls":[{)";
      appendCall(json, parsed.calls[i].id, parsed.calls[i].name, parsed.calls[i].arguments);
    }
    json += parsed.calls.empty() ? "" : "]";
    bool called = !parsed.calls.empty() && ended.reason == "stop";
    std::optional<std::string_view> logprobs;
    if (options.logprobs)
      logprobs = choices[ended.choice].logprobs;
    appendChoiceTail(json, logprobs, called ? "tool_calls" : ended.reason);
    return {};
  }

  std::string close(const Usage &usage) override {
    std::string body = answerHead(options.head, "chat.completion");
    for (size_t i = 0; i < choices.size(); ++i)
      body.append(i ? "," : "").append(choices[i].json);
    body += R"(],"usage":)";
    appendUsage(body, usage);
    return body += "}\n";
  }

private:
  struct Choice {
    std::string logprobs, json;
  };

  ChatAnswerOptions options;
  std::vector<Choice> choices;
};

} // namespace

std::unique_ptr<Answer> server::makeChatAnswer(ChatAnswerOptions options) {
  if (options.streamed)
    return std::make_unique<ChatStream>(std::move(options));
  return std::make_unique<WholeChat>(std::move(options));
}
