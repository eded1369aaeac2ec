//===- FieldsTest.cpp - Bodies, fields and errors ---------------------------------------------===//

#include "Expect.h"
#include "runtime/server/JsonText.h"

using namespace nibble::server;
using namespace nibble::server::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TEST(BodyTest, WhatIsNoObjectIsRefusedWithTheReason) {
  auto message = [](std::string_view body) {
    auto parsed = parseBody(body);
    EXPECT_FALSE(parsed) << body;
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_THAT(message(""), HasSubstr("no body"));
  EXPECT_THAT(message("[1]"), HasSubstr("expected a JSON object, found array"));
  EXPECT_THAT(message("{\"a\": 1,\n \"b\": }"), HasSubstr("line 2, column 7"));
  EXPECT_THAT(message("{\"a\": \"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(message("{\"a\": 1e999}"), HasSubstr("1e999"));
  EXPECT_THAT(message("{\"a\": \"\\ud800\"}"), HasSubstr("surrogate"));
  std::string deep(65, '[');
  EXPECT_THAT(message("{\"a\": " + deep), HasSubstr("nested 66 deep"));
  EXPECT_EQ(parseBody("{\"a\": 1").error().code, "invalid_json");
  EXPECT_EQ(parseBody("{\"a\": 1").error().status, 400u);
}

TEST(BodyTest, KeysAreBoundedWhoseOrderIsKept) {
  auto objectOf = [](int keys) {
    std::string body = "{";
    for (int i = 0; i < keys; ++i)
      body += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
    return body + "}";
  };
  EXPECT_TRUE(parseBody(objectOf(4096)));
  EXPECT_THAT(parseBody(objectOf(20000)).error().message, HasSubstr("too many keys"));
  std::string many = "{\"list\": [";
  for (int i = 0; i < 80; ++i)
    many += (i ? "," : "") + objectOf(1000);
  EXPECT_THAT(parseBody(many + "]}").error().message, HasSubstr("too many keys"));
}

TEST(BodyTest, ValuesAreBounded) {
  auto list = [](size_t count) {
    std::string body = "{\"tokens\": [0";
    for (size_t i = 1; i < count; ++i)
      body += ",0";
    return body + "]}";
  };
  EXPECT_TRUE(parseBody(list(1'000'000)));
  EXPECT_THAT(parseBody(list(1'100'000)).error().message, HasSubstr("more than 1048576 values"));
  EXPECT_TRUE(parseBody("{\"text\": \"" + std::string(2'000'000, ',') + "\"}")); // no values
}

TEST(FieldsTest, WrongTypesAndRangesNameTheField) {
  auto paramOf = [](std::string_view body, const auto &read) {
    Json object = json(body);
    Fields fields(object);
    read(fields);
    return fields.problem() ? fields.problem()->param + " | " + fields.problem()->message
                            : std::string("fine");
  };
  auto integer = [](Fields &fields) { fields.integer("n", 1, 16); };
  EXPECT_EQ(paramOf(R"({"n": 16})", integer), "fine");
  EXPECT_EQ(paramOf(R"({"n": null})", integer), "fine");
  EXPECT_EQ(paramOf(R"({"n": 17})", integer), "n | n: expected a whole number from 1 to 16, found 17");
  for (const char *wrong : {"0", "-1", "1.5", "\"1\"", "true", "[1]", "99999999999999999999",
                            "18446744073709551615", "-9223372036854775808", "1e3"})
    EXPECT_THAT(paramOf("{\"n\": " + std::string(wrong) + "}", integer), HasSubstr("n | n: expected"))
        << wrong;
  auto real = [](Fields &fields) { fields.real("x", -2, 2); };
  EXPECT_EQ(paramOf(R"({"x": 2})", real), "fine");
  EXPECT_THAT(paramOf(R"({"x": 2.01})", real), HasSubstr("from -2.0 to 2.0, found 2.01"));
  EXPECT_THAT(paramOf(R"({"x": "hot"})", real), HasSubstr("found the string \"hot\""));
  EXPECT_THAT(paramOf(R"({"x": {}})", real), HasSubstr("found an object"));
  EXPECT_THAT(paramOf(R"({"b": 1})", [](Fields &fields) { fields.flag("b"); }), HasSubstr("true or false"));
  EXPECT_THAT(paramOf(R"({"t": 1})", [](Fields &fields) { fields.text("t"); }),
              HasSubstr("a string, found 1"));
}

TEST(FieldsTest, TheFirstProblemCountsAndUnknownMembersAreKnown) {
  Json object = json(R"({"a": -1, "b": -1, "odd": 0, "c": null})");
  Fields fields(object, "outer.");
  fields.integer("a", 0, 9);
  fields.integer("b", 0, 9);
  EXPECT_EQ(fields.problem()->param, "outer.a");
  EXPECT_THAT(fields.unknown(), ElementsAre("outer.odd", "outer.c"));
}

TEST(ErrorsTest, HaveOpenAIsForm) {
  EXPECT_EQ(
      json(errorJson({.message = "bad \"n\"", .param = "n"})),
      json(
          R"({"error": {"message": "bad \"n\"", "type": "invalid_request_error", "param": "n", "code": null}})"));
  EXPECT_LT(errorJson({.message = std::string(1 << 20, 'x')}).size(), 8192u); // which repeats what came
  auto full = errorReply(overloaded("full", 3));
  EXPECT_EQ(full.status, 429u);
  EXPECT_THAT(full.headers, testing::Contains(testing::Pair("Retry-After", "3")));
  EXPECT_EQ(json(full.body)["error"]["type"], "rate_limit_error");
  auto unauthorizedReply = errorReply(unauthorized());
  EXPECT_EQ(unauthorizedReply.status, 401u);
  EXPECT_THAT(unauthorizedReply.headers, testing::Contains(testing::Pair("WWW-Authenticate", "Bearer")));
  EXPECT_EQ(json(errorReply(draining(2)).body)["error"]["type"], "server_error");
  for (unsigned status : {400u, 408u, 413u, 431u, 500u, 503u})
    EXPECT_EQ(errorReply(ofStatus(status, "why")).status, status);
}

TEST(ErrorsTest, WhatAClientSentStaysOnALine) {
  EXPECT_EQ(excerpt("a\nb\x1b[31m"), "\"a\\nb\\u001b[31m\"");
  EXPECT_EQ(excerpt("abcdef", 3), "\"abc\"...");
}

TEST(JsonTextTest, EveryByteStringBecomesJson) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte)
    all += static_cast<char>(byte);
  std::string out;
  appendQuoted(out, all);
  std::string back = Json::parse(out).get<std::string>();
  EXPECT_EQ(back.substr(0, 128), all.substr(0, 128));
  EXPECT_EQ(back.size(), 128 + 128 * 3u); // each other byte is U+FFFD
  out.clear();
  appendQuoted(out, "\u00e9\U0001f600");
  EXPECT_EQ(out, "\"\u00e9\U0001f600\"");
}

TEST(JsonTextTest, LogprobsAreNumbers) {
  auto written = [](float value) {
    std::string out;
    appendLogprob(out, value);
    return out;
  };
  EXPECT_EQ(written(-0.25f), "-0.25");
  EXPECT_EQ(written(0), "0.0");
  EXPECT_EQ(written(-3), "-3.0");
  EXPECT_EQ(written(-INFINITY), "-9999.0");
  EXPECT_EQ(written(NAN), "-9999.0");
  EXPECT_EQ(Json::parse(written(-1e-7f)).get<float>(), -1e-7f);
}

} // namespace
