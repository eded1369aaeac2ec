//===- Page.h - The web page at "/" -------------------------------------------------*- C++ -*-===//
//
// A chat over the server's own routes, in four files that are embedded at build time (runtime/server/page).
// The browser may load nothing from elsewhere, run no inline script, and show it in no frame.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble::server {

struct EmbeddedFile {
  std::string_view name; // "index.html"
  std::string_view etag; // with its quotes
  std::string_view bytes;
};
std::span<const EmbeddedFile> embeddedFiles();

/// An answer to GET or HEAD of one of the page's paths.
struct PageReply {
  unsigned status = 200; // 304 where the client has it already
  std::string_view contentType, body;
  std::vector<std::pair<std::string, std::string>> headers; // ETag, Content-Security-Policy and others
};
/// Nothing for a path that is not the page's. `ifNoneMatch` is the header of that name, or empty. The paths
/// are served without an API key: the page asks for it.
std::optional<PageReply> pageReply(std::string_view path, std::string_view ifNoneMatch);

} // namespace nibble::server
