//===- Visit.cpp - One HTTP request and all that is said about it -----------------------------===//

#include "runtime/server/Visit.h"
#include "runtime/server/AccessLog.h"
#include <algorithm>
#include <random>

using namespace nibble;
using namespace nibble::server;

static constexpr size_t kMostIdBytes = 128;

std::string server::newId(std::string_view prefix) {
  static thread_local std::mt19937_64 random = [] {
    std::random_device entropy;
    std::seed_seq seeds = {entropy(), entropy(), entropy(), entropy()};
    return std::mt19937_64(seeds);
  }();
  std::string id(prefix);
  for (uint64_t word : {random(), random()})
    for (int digit = 0; digit < 16; ++digit, word >>= 4)
      id += "0123456789abcdef"[word & 15];
  return id;
}

/// The client's own id for the request where it is harmless, else a new one.
static std::string requestIdOf(const http::Request &request) {
  std::string_view given = request.header("x-request-id");
  bool plain = !given.empty() && given.size() <= kMostIdBytes &&
               std::all_of(given.begin(), given.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return plain ? std::string(given) : newId("req-");
}

Visit::Visit(Reception &reception, http::Request request, http::Response response)
    : reception(reception), incoming(std::move(request)), response(std::move(response)),
      requestId(requestIdOf(incoming)), begun(Clock::now()) {
  ++reception.visits;
}

Visit::~Visit() {
  if (!complete)
    reception.metrics->hungUp();
  log();
  --reception.visits;
}

void Visit::log() {
  if (!reception.accessLog || std::exchange(logged, true))
    return;
  reception.accessLog->write(
      accessLine({.peer = incoming.peer,
                  .method = incoming.method,
                  .path = incoming.path,
                  .id = requestId,
                  .status = complete ? status : 499,
                  .seconds = std::chrono::duration<double>(Clock::now() - begun).count(),
                  .usage = usage}));
}

void Visit::addHeaders(http::Headers &headers) const {
  headers.emplace_back("x-request-id", requestId);
  if (!reception.allowedOrigin.empty()) {
    headers.emplace_back("Access-Control-Allow-Origin", reception.allowedOrigin);
    if (reception.allowedOrigin != "*")
      headers.emplace_back("Vary", "Origin");
  }
}

void Visit::send(http::Reply reply) {
  addHeaders(reply.headers);
  status = reply.status;
  complete = true;
  reception.metrics->responded(status);
  log(); // before the client may ask again: lines are in order
  response.send(std::move(reply));
}

void Visit::sendJson(std::string body, unsigned code) {
  send({.status = code, .contentType = "application/json", .body = std::move(body), .headers = {}});
}

/// Which of the refusals that are counted an error is.
static std::optional<Rejection> rejectionOf(const ApiError &error) {
  switch (error.status) {
  case 401:
    return Rejection::Unauthorized;
  case 403:
    return Rejection::Forbidden;
  case 404:
    return Rejection::NotFound;
  case 413:
    return Rejection::TooLarge;
  case 429:
    return Rejection::QueueFull;
  case 503:
    return error.code == "draining" ? std::optional(Rejection::Draining) : std::nullopt;
  case 400:
    return error.code == "context_length_exceeded" ? Rejection::TooLong : Rejection::Invalid;
  default:
    return std::nullopt;
  }
}

void Visit::fail(const ApiError &error) {
  if (auto rejection = rejectionOf(error))
    reception.metrics->rejected(*rejection);
  send(errorReply(error));
}

void Visit::beginEvents(std::string first) {
  // Proxies must hand on each event as it comes.
  http::Reply reply = {.contentType = "text/event-stream; charset=utf-8",
                       .body = std::move(first),
                       .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
  addHeaders(reply.headers);
  status = reply.status;
  reception.metrics->responded(status);
  response.begin(std::move(reply));
}

void Visit::write(std::string events) { response.write(std::move(events)); }

void Visit::finish(std::string last) {
  complete = response.isOpen();
  log();
  if (!last.empty())
    response.write(std::move(last));
  response.finish();
}
