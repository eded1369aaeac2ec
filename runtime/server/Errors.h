//===- Errors.h - What goes wrong, as OpenAI's clients read it ----------------------*- C++ -*-===//
//
// {"error": {"message", "type", "param", "code"}} with a status that tells a client whether to try again. A
// message is written for the person who made the request, and `param` names the field at fault.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include "runtime/http/Server.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace nibble::server {

struct ApiError {
  unsigned status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param = {}, code = {}; // empty: null
  uint32_t retryAfter = 0;           // seconds, for the header Retry-After; 0: none
};

/// A value, or what the client is told instead.
template <typename T> using Answered = tl::expected<T, ApiError>;

/// A request that is wrong in this field (empty: as a whole): 400.
tl::unexpected<ApiError> invalid(std::string param, std::string message, std::string code = {});
/// 404.
ApiError notFound(std::string message, std::string code, std::string param = {});
/// 401.
ApiError unauthorized();
/// 429 for a full queue, 503 for a server that is about to end; `retryAfter` seconds.
ApiError overloaded(std::string message, uint32_t retryAfter);
ApiError draining(uint32_t retryAfter);
/// 500.
ApiError internal(std::string message);
/// The error's kind by its status alone, for what HTTP forbids.
ApiError ofStatus(unsigned status, std::string message);

/// The whole answer, with Retry-After and WWW-Authenticate where they belong.
http::Reply errorReply(const ApiError &error);
/// {"error": {...}}
std::string errorJson(const ApiError &error);

/// Part of what a client sent, for a message or a log: on one line, and not long.
std::string excerpt(std::string_view text, size_t most = 64);

} // namespace nibble::server
