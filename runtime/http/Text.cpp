//===- Text.cpp - HTTP's own text: heads of replies, chunks, dates ----------------------------===//

#include "runtime/http/Text.h"
#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <cstdio>

using namespace nibble;
using namespace nibble::http;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool http::equalsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Request::header(std::string_view name) const {
  for (auto &[key, value] : headers)
    if (equalsIgnoringCase(key, name))
      return value;
  return {};
}

std::string http::dateText(std::time_t seconds) {
  static const char *const kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm parts = {};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday], parts.tm_mday,
                kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text;
}

static bool isToken(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

static bool isValue(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; });
}

bool http::hasBody(unsigned status) { return status != 204 && status != 304; }

std::string http::headText(const Reply &reply, const Framing &framing) {
  unsigned status = reply.status >= 200 && reply.status <= 599 ? reply.status : 500;
  auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
  text.append(reason.data(), reason.size());
  text += "\r\n";
  auto add = [&](std::string_view name, std::string_view value) {
    if (isToken(name) && isValue(value))
      text.append(name).append(": ").append(value).append("\r\n");
  };
  add("Server", "nibble");
  add("Date", dateText(std::time(nullptr)));
  for (auto &[name, value] : reply.headers)
    add(name, value);
  if (hasBody(status)) {
    if (!reply.contentType.empty())
      add("Content-Type", reply.contentType);
    if (framing.chunked)
      add("Transfer-Encoding", "chunked");
    else if (framing.length)
      add("Content-Length", std::to_string(*framing.length));
  }
  if (!framing.keepsAlive)
    add("Connection", "close");
  else if (!framing.isHTTP11)
    add("Connection", "keep-alive");
  return text + "\r\n";
}

std::string http::chunkText(uint64_t bytes) {
  char text[24];
  std::snprintf(text, sizeof text, "%llx\r\n", static_cast<unsigned long long>(bytes));
  return text;
}
