//===- BrowserGuardTest.cpp - Browsers that ask for a page of somebody else -------------------===//

#include "runtime/server/BrowserGuard.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::server;
using testing::HasSubstr;

namespace {

TEST(HostNameTest, NamesOfThisMachine) {
  for (const char *own :
       {"localhost", "LocalHost", "localhost.", "localhost:8080", "a.b.localhost:1", "127.0.0.1",
        "127.0.0.1:80", "127.255.0.3", "[::1]", "[::1]:8080", "::1", "[0:0:0:0:0:0:0:1]:80"})
    EXPECT_TRUE(isLoopback(own)) << own;
  for (const char *other :
       {"", "evil.example", "localhost.evil.example", "notlocalhost", "127.evil.example",
        "127.0.0.1.evil.example", "128.0.0.1", "0.0.0.0", "10.0.0.1", "[::2]", "[::]", "127.1", "2130706433",
        "localhost@evil.example", "evil.example/localhost", ".localhost.x", "[::1", "localhost:8080:1"})
    EXPECT_EQ(isLoopback(other), std::string_view(other) == "[::1") << other;
  EXPECT_EQ(hostName("Chat.Example.:8080"), "chat.example");
}

struct BrowserGuardTest : testing::Test {
  BrowserGuard guard = {.checksHost = true, .checksOrigin = true, .hosts = {}, .origin = {}};
  /// The code of the error, or "".
  std::string ask(http::Headers headers, const char *method = "POST") {
    http::Request request;
    request.method = method;
    request.headers = std::move(headers);
    auto refusal = guard.refuse(request);
    if (!refusal)
      return "";
    EXPECT_EQ(refusal->status, 403u);
    EXPECT_THAT(refusal->message, HasSubstr("--"));
    return refusal->code;
  }
};

TEST_F(BrowserGuardTest, OtherNamesAreRefused) {
  for (const char *method : {"GET", "POST", "OPTIONS"}) {
    EXPECT_EQ(ask({{"Host", "localhost:8080"}}, method), "");
    EXPECT_EQ(ask({{"host", "evil.example:8080"}}, method), "host_not_allowed");
  }
  EXPECT_EQ(ask({}), ""); // of HTTP/1.0, which no browser speaks
  guard.hosts = {"Models.Example", "10.0.0.1"};
  EXPECT_EQ(ask({{"Host", "models.example:8080"}}), "");
  EXPECT_EQ(ask({{"Host", "10.0.0.1"}}), "");
  EXPECT_EQ(ask({{"Host", "x.models.example"}}), "host_not_allowed");
  guard.hosts = {"*"};
  EXPECT_EQ(ask({{"Host", "evil.example"}}), "");
  guard.hosts = {};
  guard.checksHost = false;
  EXPECT_EQ(ask({{"Host", "evil.example"}}), "");
  guard.checksHost = true;
  http::Request request;
  request.headers = {{"Host", std::string(20'000, '"')}};
  EXPECT_LT(guard.refuse(request)->message.size(), 1000u);
}

TEST_F(BrowserGuardTest, PagesOfOtherSitesAreRefused) {
  const std::pair<std::string, std::string> host = {"Host", "localhost:8080"};
  EXPECT_EQ(ask({host, {"Origin", "http://localhost:8080"}}), "");
  for (const char *other : {"http://localhost:3000", "https://evil.example", "null", "http://localhost", "",
                            "evil", "http://localhost:8080.evil.example", "://"}) {
    EXPECT_EQ(ask({host, {"Origin", other}}), *other ? "origin_not_allowed" : "") << other;
    EXPECT_EQ(ask({host, {"Origin", other}}, "GET"), "") << other; // its answer cannot be read
  }
  // What today's browsers say counts for more.
  EXPECT_EQ(ask({host, {"Origin", "https://proxy.example"}, {"Sec-Fetch-Site", "same-origin"}}), "");
  EXPECT_EQ(ask({host, {"Sec-Fetch-Site", "none"}}), "");
  for (const char *site : {"cross-site", "same-site"})
    EXPECT_EQ(ask({host, {"Sec-Fetch-Site", site}}), "origin_not_allowed");
  guard.origin = "https://chat.example";
  EXPECT_EQ(ask({host, {"Origin", "https://chat.example"}, {"Sec-Fetch-Site", "cross-site"}}), "");
  EXPECT_EQ(ask({host, {"Origin", "https://other.example"}}), "origin_not_allowed");
  guard.origin = "*";
  EXPECT_EQ(ask({host, {"Origin", "https://other.example"}, {"Sec-Fetch-Site", "cross-site"}}), "");
  guard.origin = "";
  guard.checksOrigin = false;
  EXPECT_EQ(ask({host, {"Origin", "https://other.example"}}), "");
}

} // namespace
