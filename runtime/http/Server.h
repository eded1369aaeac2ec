//===- Server.h - HTTP/1.1 over a port, without a word about models -----------------*- C++ -*-===//
//
// Reads requests within limits, hands each to one handler, and writes what comes back, at once or as a stream
// of parts. Connections are served by one thread's event loop, so that thousands of them cost a few kilobytes
// each; handlers that take long go on elsewhere and answer by the Response, from any thread.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method, path; // "POST", "/v1/completions": without what follows '?'
  std::string query;        // behind '?'
  Headers headers;          // names as they came
  std::string body;
  std::string peer; // "127.0.0.1:51234"

  /// The first header of that name, in any case; empty: none.
  std::string_view header(std::string_view name) const;
};

struct Reply {
  unsigned status = 200;
  std::string contentType = "application/json";
  std::string body = {};
  Headers headers = {}; // besides Content-Type, Content-Length, Date, Server and Connection
};

class Exchange;

/// The answer to one request. Copies name the same answer; each may be used from any thread, and outlives the
/// connection: what is written after a hang-up goes nowhere. If the last copy goes without an answer, the
/// client gets a 500.
class Response {
public:
  /// Answers whole. Only the first answer counts.
  void send(Reply reply) const;
  /// Answers by parts: status and headers now (Reply::body is the first part), write() for each further one,
  /// finish() behind the last.
  void begin(Reply reply) const;
  void write(std::string part) const;
  void finish() const;

  /// Calls back once, on the event loop's thread, if the client hangs up before the answer is complete (at
  /// once where it has already). A client that reads too slowly (Limits::waitingBytes) counts as gone, and so
  /// does one that closes its half of the connection. The callback must not hold the Response.
  void onHangUp(std::function<void()> callback) const;
  /// Whether what is written may still reach the client: it is there, and the answer is not complete.
  bool isOpen() const;

private:
  friend class Connection;
  struct State;
  explicit Response(std::shared_ptr<Exchange> exchange);
  std::shared_ptr<State> state;
};

struct Limits {
  uint32_t headerBytes = 32u << 10;
  uint64_t bodyBytes = 16u << 20;
  uint64_t allBodyBytes = 256u << 20;       // of all requests that are not complete; further ones get 503
  std::chrono::milliseconds header{10'000}; // from the first byte (or the connection) to the last header
  std::chrono::milliseconds body{60'000};   // from there to the body's last byte
  std::chrono::milliseconds idle{75'000};   // between two requests of a connection
  // Of a client that has to be waited for:
  std::chrono::milliseconds stalled{30'000}; // it takes nothing
  std::chrono::milliseconds slow{60'000};    // it takes less than `slowBytes` in that time
  uint64_t slowBytes = 32u << 10;
  uint64_t waitingBytes = 8u << 20; // written by the handler and not yet taken by the client; a single part
                                    // may be larger
  uint64_t allWaitingBytes = 256u << 20; // the same of all; beyond it those are closed who have most waiting
  uint32_t connections = 16384;          // further ones get 503 and are closed
};

/// Answers what HTTP itself forbids: a reply for a status (400, 408, 413, 417, 431, 500, 501, 503) and a
/// reason. Called on the event loop's thread.
using ErrorReply = std::function<Reply(unsigned status, const std::string &reason)>;

/// Whether a request whose headers are there, and whose body is yet to come, is worth waiting for. Else the
/// handler gets it at once, without a body, and its connection is closed behind the answer: who may not ask
/// takes no memory. Called on the event loop's thread.
using WantsBody = std::function<bool(const Request &)>;

class Server {
public:
  /// Binds; `port` 0 takes any. Errors name the address and what to do.
  static Result<Server> listen(const std::string &address, uint16_t port, Limits limits,
                               std::function<void(Request, Response)> handler, ErrorReply errorReply,
                               WantsBody wantsBody = nullptr);
  Server(Server &&) noexcept;
  Server &operator=(Server &&) noexcept;
  ~Server();

  uint16_t port() const;
  /// Whether the address can be reached from this machine alone.
  bool isLoopback() const;
  uint32_t connections() const;
  /// Clients so far that were closed because they did not take what was written for them (Limits).
  uint64_t slowClients() const;
  /// Serves on the calling thread until stop(); once. The server must not be destroyed meanwhile.
  void run();
  /// From any thread: runs `task` on the event loop's thread, soon or after a delay.
  void post(std::function<void()> task);
  void postAfter(std::chrono::milliseconds delay, std::function<void()> task);
  /// From any thread: no new connections; those without a request in progress are closed, and each other one
  /// behind its answer.
  void stopAccepting();
  /// From any thread: closes everything, which handlers hear by onHangUp; run() returns. What is posted later
  /// is dropped.
  void stop();

private:
  struct State;
  explicit Server(std::shared_ptr<State> state);
  std::shared_ptr<State> state;
};

} // namespace nibble::http
