//===- Visit.h - One HTTP request and all that is said about it ---------------------*- C++ -*-===//
//
// Every answer goes through its visit, which adds the headers that all answers have, and tells the access log
// and the metrics how it went.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Clock.h"
#include "runtime/http/Server.h"
#include "runtime/server/Answer.h"
#include "runtime/server/Errors.h"
#include "runtime/server/LogWriter.h"
#include "runtime/server/Metrics.h"

namespace nibble::server {

/// What all visits share; outlives them.
struct Reception {
  Metrics *metrics = nullptr;
  LogWriter *accessLog = nullptr;   // null: none
  std::string allowedOrigin;        // for Access-Control-Allow-Origin; empty: none
  std::atomic<uint32_t> visits = 0; // that are not over
};

/// A new random word of hexadecimal digits: "chatcmpl-5f3a...".
std::string newId(std::string_view prefix);

class Visit {
public:
  Visit(Reception &reception, http::Request request, http::Response response);
  Visit(const Visit &) = delete;
  Visit &operator=(const Visit &) = delete;
  /// One without an answer was ended by the client, or by the server's end.
  ~Visit();

  const http::Request &request() const { return incoming; }
  /// Once: a body need not be kept while its request is answered.
  std::string takeBody() { return std::exchange(incoming.body, {}); }

  // Answers whole.
  void send(http::Reply reply);
  void sendJson(std::string body, unsigned status = 200);
  void fail(const ApiError &error);
  // Answers as a stream of events; the last part ends it.
  void beginEvents(std::string first);
  void write(std::string events);
  void finish(std::string last);

  bool hasBegun() const { return status != 0; }
  void onHangUp(std::function<void()> callback) { response.onHangUp(std::move(callback)); }
  /// For the log.
  void setUsage(const Usage &given) { usage = given; }

  std::string owner; // who shares fairly with others

private:
  void addHeaders(http::Headers &headers) const;
  void log();

  Reception &reception;
  http::Request incoming;
  http::Response response;
  std::string requestId;
  TimePoint begun;
  unsigned status = 0; // 0: no answer yet
  bool complete = false, logged = false;
  Usage usage;
};

} // namespace nibble::server
