//===- Errors.cpp - What goes wrong, as OpenAI's clients read it ------------------------------===//

#include "runtime/server/Errors.h"
#include "runtime/server/JsonText.h"
#include <utility>

using namespace nibble;
using namespace nibble::server;

// Messages repeat what was wrong, however long that was.
static constexpr size_t kMostMessageBytes = 4096;

tl::unexpected<ApiError> server::invalid(std::string param, std::string message, std::string code) {
  return tl::unexpected<ApiError>(
      ApiError{.message = std::move(message), .param = std::move(param), .code = std::move(code)});
}

ApiError server::notFound(std::string message, std::string code, std::string param) {
  return {.status = 404, .message = std::move(message), .param = std::move(param), .code = std::move(code)};
}

ApiError server::unauthorized() {
  return {.status = 401,
          .message = "this server wants an API key: send the header \"Authorization: Bearer KEY\" with a key "
                     "that it knows",
          .code = "invalid_api_key"};
}

ApiError server::overloaded(std::string message, uint32_t retryAfter) {
  return {.status = 429,
          .message = std::move(message),
          .type = "rate_limit_error",
          .code = "queue_full",
          .retryAfter = retryAfter};
}

ApiError server::draining(uint32_t retryAfter) {
  return {.status = 503,
          .message = "the server is shutting down and takes no new requests; try again elsewhere, or later",
          .type = "server_error",
          .code = "draining",
          .retryAfter = retryAfter};
}

ApiError server::internal(std::string message) {
  return {.status = 500, .message = std::move(message), .type = "server_error"};
}

ApiError server::ofStatus(unsigned status, std::string message) {
  ApiError error = {.status = status, .message = std::move(message)};
  if (status == 429)
    error.type = "rate_limit_error";
  else if (status >= 500)
    error.type = "server_error";
  if (status == 503)
    error.retryAfter = 1;
  return error;
}

http::Reply server::errorReply(const ApiError &error) {
  http::Reply reply = {.status = error.status, .body = errorJson(error) + "\n"};
  if (error.retryAfter)
    reply.headers.emplace_back("Retry-After", std::to_string(error.retryAfter));
  if (error.status == 401)
    reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

std::string server::errorJson(const ApiError &error) {
  auto orNull = [](std::string &text, std::string_view value) {
    if (value.empty())
      text += "null";
    else
      appendQuoted(text, value);
  };
  std::string text = R"({"error":{"message":)";
  appendQuoted(text, std::string_view(error.message).substr(0, kMostMessageBytes));
  text += R"(,"type":)";
  appendQuoted(text, error.type);
  text += R"(,"param":)";
  orNull(text, error.param);
  text += R"(,"code":)";
  orNull(text, error.code);
  return text + "}}";
}

std::string server::excerpt(std::string_view text, size_t most) {
  std::string result;
  appendQuoted(result, text.substr(0, most));
  if (text.size() > most)
    result += "...";
  return result;
}
