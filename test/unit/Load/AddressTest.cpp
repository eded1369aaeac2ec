//===- AddressTest.cpp - Where the server is --------------------------------------------------===//

#include "runtime/load/Address.h"
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::load;

namespace {

std::string read(const std::string &url) {
  Result<Address> address = Address::parse(url);
  return address ? address->host + "|" + address->port + "|" + address->base + "|" + address->hostHeader()
                 : "";
}

TEST(AddressTest, ReadsHostPortAndBase) {
  EXPECT_EQ(read("http://127.0.0.1:8080"), "127.0.0.1|8080||127.0.0.1:8080");
  EXPECT_EQ(read("http://localhost"), "localhost|80||localhost:80");
  EXPECT_EQ(read("http://localhost:1/"), "localhost|1||localhost:1");
  EXPECT_EQ(read("http://localhost:1/v1"), "localhost|1||localhost:1");
  EXPECT_EQ(read("http://localhost:1/v1/"), "localhost|1||localhost:1");
  EXPECT_EQ(read("http://localhost:1/api/v1"), "localhost|1|/api|localhost:1");
  EXPECT_EQ(read("http://[::1]:8080/x"), "::1|8080|/x|[::1]:8080");
  EXPECT_EQ(read("http://[::1]"), "::1|80||[::1]:80");
}

TEST(AddressTest, RefusesWhatIsNone) {
  for (const char *url : {"", "localhost:8080", "https://localhost", "http://", "http://:80", "http://a:",
                          "http://a:b", "http://a:123456", "http://a b", "http://a/\r\nX: 1", "ftp://a"})
    EXPECT_EQ(read(url), "") << url;
}

} // namespace
