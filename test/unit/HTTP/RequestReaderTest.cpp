//===- RequestReaderTest.cpp - What is a request, and what is refused -------------------------===//

#include "runtime/http/RequestReader.h"
#include <gtest/gtest.h>

using namespace nibble::http;
using Stage = RequestReader::Stage;

namespace {

/// Feeds `text` in pieces of `step` bytes, as a connection does; what is left is in `rest`.
RequestReader readAll(const std::string &text, size_t step, const Limits &limits,
                      std::string *rest = nullptr) {
  RequestReader reader(limits);
  std::string buffer;
  size_t at = 0;
  do {
    buffer += text.substr(at, step);
    at += step;
    for (Stage before;;) {
      before = reader.stage();
      size_t taken = reader.take(buffer);
      EXPECT_LE(taken, buffer.size());
      buffer.erase(0, taken);
      if (buffer.empty() || (taken == 0 && reader.stage() == before))
        break;
      if (reader.stage() == Stage::Done || reader.stage() == Stage::Failed)
        break;
    }
  } while (at < text.size() && reader.stage() != Stage::Done && reader.stage() != Stage::Failed);
  if (rest)
    *rest = buffer + (at < text.size() ? text.substr(at) : "");
  return reader;
}

const size_t kSteps[] = {1, 2, 3, 7, 1000000};

unsigned refusal(const std::string &text, Limits limits = {}) {
  unsigned status = 0;
  for (size_t step : kSteps) {
    RequestReader reader = readAll(text, step, limits);
    EXPECT_EQ(reader.stage(), Stage::Failed) << text << " in pieces of " << step;
    if (reader.stage() != Stage::Failed)
      return 0;
    EXPECT_FALSE(reader.refused().reason.empty());
    EXPECT_TRUE(status == 0 || status == reader.refused().status) << text;
    status = reader.refused().status;
  }
  return status;
}

TEST(RequestReaderTest, ReadsInAnyPieces) {
  const std::string text =
      "POST /v1/completions?a=b&c=?d HTTP/1.1\r\nHost: h\r\ncontent-length: 5\r\nX-A:  1 "
      "\r\nX-Empty:\r\n\r\nhelloGET /next";
  for (size_t step : kSteps) {
    std::string rest;
    RequestReader reader = readAll(text, step, {}, &rest);
    ASSERT_EQ(reader.stage(), Stage::Done) << step;
    EXPECT_EQ(rest, "GET /next");
    EXPECT_TRUE(reader.keepsAlive());
    EXPECT_TRUE(reader.isHTTP11());
    EXPECT_FALSE(reader.expectsContinue());
    Request request = reader.takeRequest();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/completions");
    EXPECT_EQ(request.query, "a=b&c=?d");
    EXPECT_EQ(request.body, "hello");
    EXPECT_EQ(request.headers,
              (Headers{{"Host", "h"}, {"content-length", "5"}, {"X-A", "1"}, {"X-Empty", ""}}));
  }
}

TEST(RequestReaderTest, ReadsChunkedBodies) {
  const std::string text = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
                           "5;name=\"v\"\r\nhello\r\nA\r\n, 10 bytes\r\n0\r\nX-Trailer: 1\r\n\r\nrest";
  for (size_t step : kSteps) {
    std::string rest;
    RequestReader reader = readAll(text, step, {}, &rest);
    ASSERT_EQ(reader.stage(), Stage::Done) << step;
    EXPECT_EQ(rest, "rest");
    Request request = reader.takeRequest();
    EXPECT_EQ(request.body, "hello, 10 bytes");
    EXPECT_EQ(request.headers.size(), 2u); // the trailer is none of them
  }
}

TEST(RequestReaderTest, LineBreaksBeforeARequestAreSkipped) {
  RequestReader reader({});
  EXPECT_EQ(reader.take("\r\n\r\n"), 4u);
  EXPECT_EQ(reader.stage(), Stage::Waiting);
  EXPECT_EQ(reader.take("\r\nGET / HTTP/1.0\r\n\r\n"), 20u);
  EXPECT_EQ(reader.stage(), Stage::Done);
}

TEST(RequestReaderTest, TargetsBecomePaths) {
  auto path = [](const std::string &target, const std::string &method = "GET") {
    RequestReader reader({});
    reader.take(method + " " + target + " HTTP/1.0\r\n\r\n");
    Request request = reader.stage() == Stage::Done ? reader.takeRequest() : Request{};
    return request.path + "|" + request.query;
  };
  EXPECT_EQ(path("/a%20b?c"), "/a%20b|c");
  EXPECT_EQ(path("http://host:80/a/b?c"), "/a/b|c");
  EXPECT_EQ(path("HTTP://host"), "/|");
  EXPECT_EQ(path("http://host?c"), "/|c");
  EXPECT_EQ(path("*", "OPTIONS"), "*|");
  EXPECT_EQ(path("*"), "|");
  EXPECT_EQ(path("host:443", "CONNECT"), "|");
  EXPECT_EQ(path("a"), "|");
}

TEST(RequestReaderTest, ConnectionsStayAsTheClientWants) {
  auto keeps = [](const std::string &version, const std::string &headers) {
    RequestReader reader({});
    reader.take("GET / " + version + "\r\nHost: h\r\n" + headers + "\r\n");
    EXPECT_EQ(reader.stage(), Stage::Done);
    return reader.keepsAlive();
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "connection: TE, Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
}

TEST(RequestReaderTest, KnowsWhoWaitsForContinue) {
  RequestReader reader({});
  reader.take("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(reader.stage(), Stage::Body);
  EXPECT_TRUE(reader.expectsContinue());
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: tea\r\n\r\n"), 417u);
}

TEST(RequestReaderTest, RefusesWhatIsNotHTTP) {
  for (const char *text :
       {"\x16\x03\x01\x02 client hello\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n", "GET / FTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX A: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX-A : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\rX-A: 1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"})
    EXPECT_EQ(refusal(text), 400u) << text;
}

TEST(RequestReaderTest, RefusesWhatEndsInTwoPlaces) {
  auto with = [](const std::string &headers, const std::string &version = "HTTP/1.1") {
    return refusal("POST / " + version + "\r\nHost: h\r\n" + headers + "\r\n5\r\nhello\r\n0\r\n\r\n");
  };
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 5, 5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: +5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: -5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 0x5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 5 5\r\n"), 400u);
  EXPECT_EQ(with("Content-Length:\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 99999999999999999999\r\n"), 400u);
  EXPECT_EQ(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400u);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400u);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400u);
  EXPECT_EQ(with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), 400u);
  EXPECT_EQ(with("Transfer-Encoding: gzip, chunked\r\n"), 501u);
  EXPECT_EQ(with("Transfer-Encoding: chunked, identity\r\n"), 501u);
  EXPECT_EQ(with("Transfer-Encoding: \x0b"
                 "chunked\r\n"),
            400u);
  EXPECT_EQ(with("Transfer-Encoding: xchunked\r\n"), 501u);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n", "HTTP/1.0"), 400u);
}

TEST(RequestReaderTest, RefusesBadChunks) {
  auto with = [](const std::string &body) {
    return refusal("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
  };
  EXPECT_EQ(with("x\r\nhello\r\n0\r\n\r\n"), 400u);
  EXPECT_EQ(with("-1\r\nhello\r\n0\r\n\r\n"), 400u);
  EXPECT_EQ(with("5\r\nhelloX0\r\n\r\n"), 400u);
  EXPECT_EQ(with("5\nhello\r\n0\r\n\r\n\r\n"), 400u);
  EXPECT_EQ(with("11111111111111111\r\nhello"), 400u); // more than 64 bits
  EXPECT_EQ(with("0\r\nContent-Length: 3\r\n\r\n"), 400u);
  EXPECT_EQ(with("ffffffffffffffff\r\nhello"), 413u);
}

TEST(RequestReaderTest, HeadersAreBounded) {
  Limits limits;
  limits.headerBytes = 200;
  auto request = [](size_t target, size_t header) { // bytes of the whole: 35 and these
    return "GET /" + std::string(target, 'a') + " HTTP/1.1\r\nHost: h\r\nX: " + std::string(header, 'b') +
           "\r\n\r\n";
  };
  ASSERT_EQ(request(0, 0).size(), 32u);
  for (size_t step : kSteps) {
    EXPECT_EQ(readAll(request(100, 68), step, limits).stage(), Stage::Done) << step;
    EXPECT_EQ(readAll(request(0, 168), step, limits).stage(), Stage::Done) << step;
  }
  EXPECT_EQ(refusal(request(100, 69), limits), 431u);
  EXPECT_EQ(refusal(request(0, 169), limits), 431u);
  EXPECT_EQ(refusal(request(1000, 0), limits), 431u);
  EXPECT_EQ(refusal(std::string(1000, 'G'), limits), 431u);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 300; ++i)
    many += "a: b\r\n";
  EXPECT_EQ(refusal(many + "\r\n"), 431u);
}

TEST(RequestReaderTest, BodiesAreBounded) {
  Limits limits;
  limits.bodyBytes = 10;
  // Before a byte of it is read.
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", limits), 413u);
  std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(refusal(chunked + "6\r\nhello!\r\n5\r\n", limits), 413u);
  EXPECT_EQ(readAll(chunked + "6\r\nhello!\r\n4\r\nabcd\r\n0\r\n\r\n", 1, limits).stage(), Stage::Done);
  limits.headerBytes = 100;
  EXPECT_EQ(refusal(chunked + "1;" + std::string(200, 'x'), limits), 400u);
  EXPECT_EQ(refusal(chunked + "0\r\nX: " + std::string(200, 'x'), limits), 400u);
}

/// What a client announces costs nothing.
TEST(RequestReaderTest, NothingIsReserved) {
  Limits limits;
  limits.bodyBytes = UINT64_MAX;
  RequestReader reader(limits);
  reader.take("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n");
  EXPECT_EQ(reader.stage(), Stage::Body);
  EXPECT_EQ(reader.take("hello"), 5u);
  EXPECT_EQ(reader.bodyBytes(), 5u);
}

} // namespace
