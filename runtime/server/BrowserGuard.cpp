//===- BrowserGuard.cpp - Browsers that ask for a page of somebody else -----------------------===//

#include "runtime/server/BrowserGuard.h"
#include <algorithm>
#include <arpa/inet.h>

using namespace nibble;
using namespace nibble::server;

std::string server::hostName(std::string_view host) {
  if (host.starts_with('[')) {
    host.remove_prefix(1);
    host = host.substr(0, host.find(']'));
  } else if (size_t colon = host.find(':'); colon == host.rfind(':')) { // else an IPv6 address
    host = host.substr(0, colon);
  }
  if (host.ends_with('.'))
    host.remove_suffix(1);
  std::string name(host);
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return name;
}

bool server::isLoopback(std::string_view text) {
  std::string name = hostName(text);
  if (name == "localhost" || name.ends_with(".localhost"))
    return true;
  in_addr v4 = {};
  if (::inet_pton(AF_INET, name.c_str(), &v4) == 1)
    return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6 = {};
  return ::inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool has(const std::vector<std::string> &hosts, const std::string &name) {
  return std::ranges::any_of(hosts,
                             [&](const std::string &one) { return one == "*" || hostName(one) == name; });
}

/// Of "https://chat.example:8080" what a Host header would have.
static std::string_view hostOf(std::string_view origin) {
  size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

static ApiError forbidden(std::string message, std::string code) {
  return {.status = 403, .message = std::move(message), .code = std::move(code)};
}

std::optional<ApiError> BrowserGuard::refuse(const http::Request &request) const {
  std::string_view host = request.header("host");
  if (std::string name = hostName(host);
      checksHost && !host.empty() && !isLoopback(name) && !has(hosts, name))
    return forbidden("the request is for the host " + excerpt(name) +
                         ", and this server, which is for its own machine and wants no key, answers to names "
                         "such as localhost only; if the name is meant, start it with --allow-host and that "
                         "name, or with --api-key",
                     "host_not_allowed");
  bool works = request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
  std::string_view from = request.header("origin"), site = request.header("sec-fetch-site");
  if (!checksOrigin || !works || origin == "*" || (!from.empty() && from == origin))
    return std::nullopt;
  // Today's browsers say themselves whether a page asks its own server, whatever a proxy makes of the host.
  bool isOwn = !site.empty() ? site == "same-origin" || site == "none" : from.empty() || hostOf(from) == host;
  if (isOwn)
    return std::nullopt;
  return forbidden("a web page of another site" +
                       (from.empty() ? std::string() : ", " + excerpt(from) + ",") +
                       " may not ask this server, which wants no key; start it with --cors-origin and that "
                       "origin to allow it",
                   "origin_not_allowed");
}
