//===- AnswerTest.cpp - What counts as a token, and what as a failure -------------------------===//

#include "runtime/load/Answer.h"
#include "runtime/load/Summary.h"
#include <gmock/gmock.h>

using namespace nibble::load;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A stream of these events, one each second from second 1 on.
RequestRecord read(const std::vector<std::string> &events, const std::string &failure = "") {
  RequestRecord record;
  AnswerReader reader(record);
  reader.onHead(200, true);
  double now = 1;
  for (const std::string &event : events)
    reader.onBody("data: " + event + "\n\n", now++);
  reader.onEnd(failure);
  return record;
}

TEST(AnswerTest, ReadsCompletions) {
  auto record = read({R"({"choices": [{"text": "a", "finish_reason": null}]})",
                      R"({"choices": [{"text": "b", "finish_reason": null}]})",
                      R"({"choices": [{"text": "c", "finish_reason": "length"}]})", "[DONE]"});
  EXPECT_EQ(record.failure, "");
  EXPECT_EQ(record.first, 1);
  EXPECT_EQ(record.last, 3);
  EXPECT_EQ(record.chunks, 3u);
  EXPECT_EQ(record.outputTokens, 3u); // a chunk each, for want of better
  EXPECT_FALSE(record.hasUsage);
  EXPECT_THAT(betweenTokens(record), ElementsAre(1, 1));
}

TEST(AnswerTest, RolesAndEndsAreNoTokens) {
  auto record =
      read({R"({"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]})",
            R"({"choices": [{"delta": {"content": "a"}, "finish_reason": null}]})",
            R"({"choices": [{"delta": {"content": ""}, "finish_reason": null}]})", // half a character
            R"({"choices": [{"delta": {"reasoning_content": "b"}, "finish_reason": null}]})",
            R"({"choices": [{"delta": {}, "finish_reason": "stop"}]})", "[DONE]"});
  EXPECT_EQ(record.first, 2);
  EXPECT_EQ(record.last, 4);
  EXPECT_EQ(record.chunks, 3u);
  record = read({R"({"choices": [{"delta": {"role": "assistant", "content": "a"}}]})", "[DONE]"});
  EXPECT_EQ(record.chunks, 1u); // the role comes with the first token
}

TEST(AnswerTest, TheServersCountIsBetter) {
  auto record = read({R"({"choices": [{"text": "ab"}]})", R"({"choices": [{"text": "cd"}]})",
                      R"({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})", "[DONE]"});
  EXPECT_TRUE(record.hasUsage);
  EXPECT_EQ(record.outputTokens, 5u);
  EXPECT_EQ(record.promptTokens, 7u);
  EXPECT_EQ(record.last, 2); // the usage is no token
  EXPECT_DOUBLE_EQ(record.perToken(), 0.25);
}

/// A chunk of several tokens is several short times, where the server says how many.
TEST(AnswerTest, ContinuousUsageDividesGaps) {
  auto record = read({R"({"choices": [{"text": "a"}], "usage": {"completion_tokens": 1}})",
                      R"({"choices": [{"text": "bcde"}], "usage": {"completion_tokens": 5}})",
                      R"({"choices": [{"text": "f"}], "usage": {"completion_tokens": 6}})", "[DONE]"});
  EXPECT_EQ(record.outputTokens, 6u);
  EXPECT_THAT(betweenTokens(record), ElementsAre(0.25, 0.25, 0.25, 0.25, 1));
  record = read({R"({"choices": [{"text": "a"}], "usage": {"completion_tokens": 1}})",
                 R"({"choices": [{"text": "b"}], "usage": {"completion_tokens": 4000000000}})", "[DONE]"});
  EXPECT_LE(betweenTokens(record).size(), 1024u); // what a server says costs no memory
}

TEST(AnswerTest, FailuresHaveNames) {
  std::string token = R"({"choices": [{"text": "a"}]})";
  EXPECT_EQ(read({token}, "hang-up").failure, "hang-up");
  EXPECT_THAT(read({token}, "hang-up").message, HasSubstr("behind 1 chunks"));
  EXPECT_EQ(read({token}).failure, "hang-up"); // a stream that ends without its mark
  EXPECT_EQ(read({token, "[DONE]"}, "hang-up").failure, "");
  EXPECT_EQ(read({token}, "timeout").failure, "timeout");
  EXPECT_EQ(read({"[DONE]"}).failure, "empty");
  EXPECT_EQ(read({token, R"({"error": {"message": "no memory", "code": 500}})", "[DONE]"}).failure,
            "error event");
  EXPECT_EQ(read({token, R"({"error": {"message": "no memory"}})", "[DONE]"}).message, "no memory");
  EXPECT_EQ(read({token, "{]", "[DONE]"}).failure, "malformed");
}

TEST(AnswerTest, StatusesAreFailures) {
  auto refuse = [](unsigned status, bool stream, const std::string &body) {
    RequestRecord record;
    AnswerReader reader(record);
    reader.onHead(status, stream);
    reader.onBody(body, 1);
    reader.onEnd("");
    return record.failure + ": " + record.message;
  };
  EXPECT_EQ(refuse(429, false, R"({"error": {"message": "later"}})"), "429: later");
  EXPECT_EQ(refuse(503, true, R"({"error": "later"})"), "503: later");
  EXPECT_EQ(refuse(500, false, "<html>"), "500: <html>");
  EXPECT_EQ(refuse(200, false, "{}"), "not a stream: {}");
  RequestRecord record;
  AnswerReader(record).onEnd("connect: Connection refused");
  EXPECT_EQ(record.failure, "connect: Connection refused");
}

} // namespace
