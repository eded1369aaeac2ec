//===- Text.h - HTTP's own text: heads of replies, chunks, dates --------------------*- C++ -*-===//
//
// What a handler gives is written so that it cannot break the message: a header with a line break in it is
// left out.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Server.h"
#include <ctime>
#include <optional>

namespace nibble::http {

/// Of ASCII letters.
bool equalsIgnoringCase(std::string_view a, std::string_view b);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7), whatever the locale.
std::string dateText(std::time_t seconds);

/// How the end of a body is told.
struct Framing {
  std::optional<uint64_t> length =
      std::nullopt; // Content-Length; none, and not chunked: the connection's end
  bool chunked = false;
  bool keepsAlive = true;
  bool isHTTP11 = true; // of the client
};
/// Status line and headers of a reply, with the empty line. A status outside of [200, 599] becomes 500.
std::string headText(const Reply &reply, const Framing &framing);

/// Whether a reply with this status has a body, and lengths of one.
bool hasBody(unsigned status);

/// "1f4\r\n": what stands before so many bytes of a chunk (behind which "\r\n" stands). `bytes` is not 0.
std::string chunkText(uint64_t bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

} // namespace nibble::http
