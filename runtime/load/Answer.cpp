//===- Answer.cpp - A streamed completion, read with a watch ----------------------------------===//

#include "runtime/load/Answer.h"
#include <algorithm>

using namespace nibble::load;
using Json = nlohmann::json;

void AnswerReader::fail(std::string kind, std::string message) {
  if (!record.failure.empty())
    return;
  record.failure = std::move(kind);
  record.message = std::move(message);
}

void AnswerReader::onHead(unsigned newStatus, bool isEventStream) {
  status = newStatus;
  isStream = status == 200 && isEventStream;
}

void AnswerReader::onBody(std::string_view bytes, double now) {
  if (!isStream) {
    body.append(bytes.substr(0, 4096 - std::min<size_t>(body.size(), 4096)));
    return;
  }
  if (!events.take(bytes, [&](std::string_view data) { onEvent(data, now); }))
    fail("malformed", "an event is larger than a megabyte");
}

/// {"error": {"message": ...}}, or whatever there is.
static std::string messageIn(const Json &document, std::string_view text) {
  if (document.is_object() && document.contains("error")) {
    const Json &error = document["error"];
    if (error.is_string())
      return error.get<std::string>();
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      return error["message"].get<std::string>();
  }
  return std::string(text.substr(0, 200));
}

std::string nibble::load::errorMessage(std::string_view body) {
  return messageIn(Json::parse(body, nullptr, false), body);
}

void AnswerReader::onEvent(std::string_view data, double now) {
  if (data == "[DONE]") {
    isDone = true;
    return;
  }
  Json chunk = Json::parse(data, nullptr, false);
  if (!chunk.is_object())
    return fail("malformed", "an event is no JSON object: " + std::string(data.substr(0, 200)));
  if (chunk.contains("error"))
    return fail("error event", messageIn(chunk, data));
  onChunk(chunk, now);
}

/// What a server says is not trusted to be small.
static constexpr uint32_t kMostTokensOfAChunk = 1024;

static uint32_t numberIn(const Json &object, const char *key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned()
             ? static_cast<uint32_t>(std::min<uint64_t>(found->get<uint64_t>(), UINT32_MAX))
             : 0;
}

/// Whether a choice's delta brings a token. One whose text is empty does, too (its characters come with a
/// later one), unless it only names the role or the end.
static bool carriesToken(const Json &choice) {
  if (!choice.is_object())
    return false;
  auto filled = [](const Json &object, const char *key) {
    auto found = object.find(key);
    return found != object.end() && !found->is_null() && !found->empty() && *found != "";
  };
  auto delta = choice.find("delta");
  bool hasRole = false, hasText = filled(choice, "text");
  if (delta != choice.end() && delta->is_object()) {
    hasRole = delta->contains("role");
    for (const char *key : {"content", "reasoning_content", "reasoning", "tool_calls", "refusal"})
      hasText = hasText || filled(*delta, key);
  }
  return hasText || (!hasRole && !filled(choice, "finish_reason"));
}

void AnswerReader::onChunk(const Json &chunk, double now) {
  uint32_t tokens = 0; // one for each choice, unless the server says it better
  if (auto choices = chunk.find("choices"); choices != chunk.end() && choices->is_array())
    for (const Json &choice : *choices)
      tokens += carriesToken(choice);
  bool carries = tokens != 0;
  if (auto usage = chunk.find("usage"); usage != chunk.end() && usage->is_object()) {
    record.hasUsage = true;
    record.promptTokens = numberIn(*usage, "prompt_tokens");
    record.outputTokens = numberIn(*usage, "completion_tokens");
    if (carries && record.outputTokens > countedTokens)
      tokens = std::min(record.outputTokens - countedTokens, kMostTokensOfAChunk);
    countedTokens = record.outputTokens;
  }
  if (!carries)
    return;
  if (record.chunks++ == 0)
    record.first = now;
  else
    record.gaps.push_back({static_cast<float>(now - record.last), tokens});
  record.last = now;
}

void AnswerReader::onEnd(const std::string &failure) {
  if (status != 0 && status != 200) {
    fail(std::to_string(status), errorMessage(body));
  } else if (status == 200 && !isStream) {
    fail("not a stream", errorMessage(body));
  } else if (!failure.empty() && !isDone) {
    fail(failure, failure == "hang-up" && record.chunks != 0
                      ? "the connection ended behind " + std::to_string(record.chunks) + " chunks"
                      : "");
  } else if (!isDone) {
    fail("hang-up", "the stream ended without [DONE]");
  } else if (record.chunks == 0) {
    fail("empty", "the stream has no token");
  }
  if (!record.hasUsage || record.outputTokens == 0)
    record.outputTokens = record.chunks;
}
