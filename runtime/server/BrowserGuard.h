//===- BrowserGuard.h - Browsers that ask for a page of somebody else ---------------*- C++ -*-===//
//
// Where no key is asked for, any web page could make its reader's browser ask: by a name of its own that it
// lets point to this machine (DNS rebinding), or by requests whose answers it cannot read. Only browsers send
// the headers that tell.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/Errors.h"
#include <optional>
#include <vector>

namespace nibble::server {

struct BrowserGuard {
  bool checksHost = false;        // the address is this machine's own
  bool checksOrigin = false;      // of requests that make the server work
  std::vector<std::string> hosts; // names besides those of this machine; "*": every one
  std::string origin;             // another site that may ask; "*": every one

  /// 403 for a request that is not to be answered.
  std::optional<ApiError> refuse(const http::Request &request) const;
};

/// "LOCALHOST.:8080" is "localhost", "[::1]:80" is "::1".
std::string hostName(std::string_view host);
/// Whether a name or an address means this machine, whatever any table says: localhost and names below it
/// (RFC 6761), 127.0.0.0/8 and ::1.
bool isLoopback(std::string_view name);

} // namespace nibble::server
