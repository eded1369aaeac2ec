//===- RequestReader.h - One request off a stream of bytes --------------------------*- C++ -*-===//
//
// The parser is Beast's; what surrounds it refuses what is ambiguous (lengths that are given twice, codings
// that are not known) and bounds all that a client may make it hold. test/fuzz feeds this very class.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Server.h"
#include <memory>

namespace nibble::http {

/// Why a request was refused, as a reply's status and a sentence for its message.
struct Refused {
  unsigned status = 400;
  std::string reason;
};

class RequestReader {
public:
  enum class Stage : uint8_t {
    Waiting, // no byte of the request has come
    Header,
    Body,
    Done,
    Failed,
  };

  explicit RequestReader(const Limits &limits);
  RequestReader(RequestReader &&) noexcept;
  RequestReader &operator=(RequestReader &&) noexcept;
  ~RequestReader();

  /// Takes from the front of `bytes` what belongs to this request, and returns how many bytes it took. What
  /// it did not take must be at the front of the next call's bytes. Once Done or Failed it takes nothing.
  size_t take(std::string_view bytes);
  Stage stage() const;
  const Refused &refused() const; // where it failed

  uint64_t bodyBytes() const; // that have come

  // From Body on.
  bool expectsContinue() const; // the client waits for "100 Continue" before it sends the body
  bool keepsAlive() const;      // the client would send further requests
  bool isHTTP11() const;
  const Request &request() const; // as far as it has come

  /// The request, once Done; its peer is left empty.
  Request takeRequest();

private:
  class Parser;
  std::unique_ptr<Parser> parser;
};

} // namespace nibble::http
