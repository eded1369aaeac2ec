//===- TextTest.cpp - Heads of replies, chunks, dates -----------------------------------------===//

#include "runtime/http/Text.h"
#include <gmock/gmock.h>

using namespace nibble::http;
using testing::HasSubstr;
using testing::Not;

namespace {

TEST(TextTest, DatesAreThoseOfTheStandard) {
  EXPECT_EQ(dateText(784111777), "Sun, 06 Nov 1994 08:49:37 GMT"); // RFC 9110's own example
  EXPECT_EQ(dateText(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(TextTest, ChunksHaveHexadecimalSizes) {
  EXPECT_EQ(chunkText(1), "1\r\n");
  EXPECT_EQ(chunkText(500), "1f4\r\n");
}

TEST(TextTest, ReasonsBelongToStatuses) {
  EXPECT_EQ(headText({429}, {0}).find("HTTP/1.1 429 Too Many Requests\r\n"), 0u);
  EXPECT_EQ(headText({99}, {0}).find("HTTP/1.1 500 "), 0u);
  EXPECT_EQ(headText({1000}, {0}).find("HTTP/1.1 500 "), 0u);
}

TEST(TextTest, LengthsAreToldOnce) {
  std::string head = headText({200}, {.length = 12});
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 12\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_THAT(head, Not(HasSubstr("Connection")));
  head = headText({200}, {.chunked = true});
  EXPECT_THAT(head, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
  head = headText({204}, {.length = 0});
  EXPECT_THAT(head, Not(HasSubstr("Content-")));
  EXPECT_THAT(headText({200}, {.keepsAlive = false}), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(headText({200}, {.length = 1, .isHTTP11 = false}), HasSubstr("\r\nConnection: keep-alive\r\n"));
}

TEST(TextTest, NoHeaderCanEndTheHead) {
  Reply reply{200,
              "text/plain\r\nX-Type: 1",
              "",
              {{"X-Good", "a\tb"},
               {"X-Break", "a\r\nX-Evil: 1"},
               {"X-Zero", std::string("a\0b", 3)},
               {"X Space", "1"},
               {"", "1"},
               {"X-Utf", "\xc3\xa4"}}};
  std::string head = headText(reply, {0});
  EXPECT_THAT(head, HasSubstr("\r\nX-Good: a\tb\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nX-Utf: \xc3\xa4\r\n"));
  for (const char *bad : {"X-Break", "X-Evil", "X-Zero", "X Space", "X-Type", "\r\n: 1"})
    EXPECT_THAT(head, Not(HasSubstr(bad)));
  EXPECT_EQ(head.find("\r\n\r\n"), head.size() - 4);
}

TEST(TextTest, NamesOfHeadersHaveNoCase) {
  Request request;
  request.headers = {{"content-TYPE", "a"}, {"Content-Type", "b"}};
  EXPECT_EQ(request.header("Content-Type"), "a");
  EXPECT_EQ(request.header("Content"), "");
  EXPECT_FALSE(equalsIgnoringCase("a[", "A{")); // 32 apart, too
}

} // namespace
