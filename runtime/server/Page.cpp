//===- Page.cpp - The web page at "/" ---------------------------------------------------------===//
#include "runtime/server/Page.h"

namespace nibble::server {

static std::string_view contentTypeOf(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"},
  };
  for (auto [ending, type] : types)
    if (name.ends_with(ending))
      return type;
  return "application/octet-stream";
}

std::optional<PageReply> pageReply(std::string_view path, std::string_view ifNoneMatch) {
  std::string_view name = path == "/"              ? "index.html"
                          : path == "/favicon.ico" ? "icon.svg" // asked for unbidden; any image will do
                          : path.starts_with('/')  ? path.substr(1)
                                                   : "";
  for (const auto &file : embeddedFiles()) {
    if (file.name != name)
      continue;
    PageReply reply;
    reply.contentType = contentTypeOf(name);
    reply.headers = {
        {"ETag", std::string(file.etag)},
        {"Cache-Control", "no-cache"}, // ask each time: a new version shows at once
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    // A list, possibly with W/ before tags that a proxy compressed; the tag is long enough to search for.
    if (ifNoneMatch == "*" || ifNoneMatch.find(file.etag) != std::string_view::npos)
      reply.status = 304;
    else
      reply.body = file.bytes;
    return reply;
  }
  return std::nullopt;
}

} // namespace nibble::server
