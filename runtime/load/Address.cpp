//===- Address.cpp - Where the server is ------------------------------------------------------===//

#include "runtime/load/Address.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::load;

std::string Address::hostHeader() const {
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

Result<Address> Address::parse(const std::string &url) {
  const std::string scheme = "http://";
  if (url.compare(0, 8, "https://") == 0)
    return failure("--url " + url +
                   ": only http:// is spoken; give the server's own address behind its proxy");
  if (url.compare(0, scheme.size(), scheme) != 0)
    return failure("--url " + url + ": expected an address such as http://127.0.0.1:8080");
  std::string rest = url.substr(scheme.size());
  Address address;
  size_t slash = std::min(rest.find('/'), rest.size());
  address.base = rest.substr(slash);
  rest.resize(slash);
  while (!address.base.empty() && address.base.back() == '/')
    address.base.pop_back();
  if (address.base.size() >= 3 && address.base.compare(address.base.size() - 3, 3, "/v1") == 0)
    address.base.resize(address.base.size() - 3);
  size_t close = rest.find(']');
  size_t colon = rest.find(':', close == std::string::npos ? 0 : close);
  address.host = rest.substr(0, colon);
  address.port = colon == std::string::npos ? "80" : rest.substr(colon + 1);
  if (close != std::string::npos && address.host.size() > 2)
    address.host = address.host.substr(1, close - 1);
  bool isPort =
      !address.port.empty() && address.port.size() <= 5 &&
      std::all_of(address.port.begin(), address.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::string words = address.host + address.base;
  bool isPlain = std::all_of(words.begin(), words.end(), [](char c) { return c > ' ' && c < 127; });
  if (address.host.empty() || !isPort || !isPlain)
    return failure("--url " + url + ": expected an address such as http://127.0.0.1:8080");
  return address;
}
