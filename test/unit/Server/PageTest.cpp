//===- PageTest.cpp - The files of the page, and how they are served --------------------------===//
#include "runtime/server/Page.h"
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <map>

using namespace nibble::server;
using testing::HasSubstr;
using testing::Not;

namespace {

TEST(Page, ServesItsFilesAsTheyAre) {
  std::map<std::string, std::string> files = {{"/", "index.html"},
                                              {"/page.css", "page.css"},
                                              {"/page.js", "page.js"},
                                              {"/icon.svg", "icon.svg"},
                                              {"/favicon.ico", "icon.svg"}};
  for (const auto &[path, name] : files) {
    std::ifstream file(NIBBLE_PAGE "/" + name);
    std::string bytes(std::istreambuf_iterator<char>(file), {});
    auto reply = pageReply(path, "");
    ASSERT_TRUE(reply) << path;
    EXPECT_EQ(reply->status, 200u);
    EXPECT_EQ(reply->body, bytes) << path;
    EXPECT_FALSE(bytes.empty());
    // Nothing from elsewhere, and nothing that the policy would forbid.
    EXPECT_THAT(bytes, Not(HasSubstr("https://"))) << path;
    EXPECT_THAT(bytes, Not(HasSubstr("innerHTML"))) << path;
    EXPECT_THAT(bytes, Not(HasSubstr("style=\""))) << path;
  }
  EXPECT_EQ(pageReply("/", "")->contentType, "text/html; charset=utf-8");
  EXPECT_EQ(pageReply("/page.js", "")->contentType, "text/javascript; charset=utf-8");
}

TEST(Page, HasNoOtherFiles) {
  for (const char *path :
       {"/v1/models", "/page", "/../page.js", "//page.js", "", "/page/page.js", "/Embed.cmake"})
    EXPECT_FALSE(pageReply(path, "")) << path;
}

TEST(Page, IsNotSentTwice) {
  auto reply = pageReply("/page.js", "");
  std::map<std::string, std::string> headers(reply->headers.begin(), reply->headers.end());
  EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("default-src 'none'"));
  EXPECT_THAT(headers["Content-Security-Policy"], Not(HasSubstr("unsafe")));
  std::string etag = headers["ETag"];
  EXPECT_EQ(etag.front(), '"');
  for (auto match : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    EXPECT_EQ(pageReply("/page.js", match)->status, 304u);
    EXPECT_EQ(pageReply("/page.js", match)->body, "");
  }
  EXPECT_EQ(pageReply("/page.css", etag)->status, 200u);
}

} // namespace
