//===- Answer.h - A streamed completion, read with a watch --------------------------*- C++ -*-===//
//
// Turns status, bytes and the moments at which they came into a record of one request. What counts as a
// token, and what as a failure, is decided here and nowhere else.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/load/EventReader.h"
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace nibble::load {

/// One request, with seconds since the run began.
struct RequestRecord {
  double due = 0;   // when it should have been sent
  double start = 0; // when it was
  double first = 0; // when the first token came
  double last = 0;  // when the last did
  /// Between one chunk and the next, and how many tokens came with that one.
  struct Gap {
    float seconds;
    uint32_t tokens;
  };
  std::vector<Gap> gaps;
  uint32_t chunks = 0; // that carried tokens
  uint32_t askedTokens = 0;
  uint32_t promptTokens = 0, outputTokens = 0; // by the server's count, else one a chunk
  bool hasUsage = false;                       // the server counted
  std::string failure; // empty: it is complete; else a status ("429") or what happened ("hang-up")
  std::string message; // what the server said about that

  double timeToFirst() const { return first - start; }
  double total() const { return last - start; }
  /// (total - time to first) / (tokens - 1); for more than one token.
  double perToken() const { return (last - first) / (outputTokens - 1); }
};

/// What a server says of an error: the message in {"error": {"message": ...}}, or whatever there is.
std::string errorMessage(std::string_view body);

class AnswerReader {
public:
  explicit AnswerReader(RequestRecord &record) : record(record) {}

  void onHead(unsigned status, bool isEventStream);
  void onBody(std::string_view bytes, double now);
  /// The answer's end. `failure`: why it ended before it was whole; empty where it is.
  void onEnd(const std::string &failure);

private:
  void onEvent(std::string_view data, double now);
  void onChunk(const nlohmann::json &chunk, double now);
  void fail(std::string kind, std::string message = {});

  RequestRecord &record;
  EventReader events;
  std::string body; // of an answer that is no stream, as far as it is of interest
  unsigned status = 0;
  bool isStream = false, isDone = false;
  uint32_t countedTokens = 0; // as the usage of the last chunk had it
};

} // namespace nibble::load
