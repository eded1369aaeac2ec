//===- Answer.cpp - What a generation becomes for the client ----------------------------------===//

#include "runtime/server/Answer.h"
#include "runtime/server/JsonText.h"

using namespace nibble;
using namespace nibble::server;

void Answer::hearPrompt(uint32_t, std::span<const SampledToken>) {}

void server::appendEvent(std::string &out, std::string_view json) {
  out += "data: ";
  out += json;
  out += "\n\n";
}

static void appendCounts(std::string &out, uint64_t prompt, uint64_t completion) {
  out += R"({"prompt_tokens":)";
  appendNumber(out, prompt);
  out += R"(,"completion_tokens":)";
  appendNumber(out, completion);
  out += R"(,"total_tokens":)";
  appendNumber(out, prompt + completion);
}

void server::appendUsage(std::string &out, const Usage &usage) {
  appendCounts(out, usage.promptTokens, usage.completionTokens);
  out += R"(,"prompt_tokens_details":{"cached_tokens":)";
  appendNumber(out, usage.cachedTokens);
  out += "}}";
}

std::string server::answerHead(const AnswerHead &head, std::string_view object) {
  std::string text = R"({"id":)";
  appendQuoted(text, head.id);
  text += R"(,"object":)";
  appendQuoted(text, object);
  text += R"(,"created":)" + std::to_string(head.created) + R"(,"model":)";
  appendQuoted(text, head.model);
  text += R"(,"system_fingerprint":)";
  appendQuoted(text, head.fingerprint);
  return text + R"(,"choices":[)";
}

EventWriter::EventWriter(const AnswerOptions &options, std::string_view object)
    : head(answerHead(options.head, object)), usageAtEnd(options.usageAtEnd),
      usageAlways(options.usageAlways), promptTokens(options.promptTokens) {}

void EventWriter::choice(std::string &out, std::string_view json) {
  out += "data: ";
  out += head;
  out += json;
  out += ']';
  if (usageAlways) {
    out += R"(,"usage":)";
    appendCounts(out, promptTokens, completionTokens);
    out += '}';
  } else if (usageAtEnd) {
    out += R"(,"usage":null)";
  }
  out += "}\n\n";
}

std::string EventWriter::close(const Usage &usage) const {
  std::string out;
  if (usageAtEnd) {
    out = "data: " + head + R"(],"usage":)";
    appendUsage(out, usage);
    out += "}\n\n";
  }
  return out.append(kDoneEvent);
}
