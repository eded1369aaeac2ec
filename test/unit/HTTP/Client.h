//===- Client.h - A raw socket, and a server to talk to -----------------------------*- C++ -*-===//
//
// The client sends bytes as they are, right or wrong, and reads what comes within a time; it knows no more of
// HTTP than it takes to tell where an answer ends.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Server.h"
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <thread>

namespace nibble::http::test {

using namespace std::chrono_literals;

/// An answer as it was on the wire.
struct Answer {
  int status = 0;
  std::string head;                           // status line and headers
  std::map<std::string, std::string> headers; // names in lower case
  std::string body;                           // chunks put together
  std::vector<std::string> chunks;
  bool whole = false; // its end came
};

class Client {
public:
  explicit Client(uint16_t port, int receiveBuffer = 0);
  Client(Client &&other) noexcept
      : socket(std::exchange(other.socket, -1)), buffer(std::move(other.buffer)) {}
  ~Client() { close(); }

  /// False where the server does not take it any more.
  bool send(std::string_view bytes);
  /// The next answer; `isHead`: of a HEAD request. Its status is 0 where none comes.
  Answer read(bool isHead = false, std::chrono::milliseconds within = 5s);
  Answer ask(std::string_view request) {
    send(request);
    return read(request.substr(0, 4) == "HEAD");
  }
  /// Reads on until so many bytes are there in all, or the end comes; what there is.
  std::string readBytes(size_t count, std::chrono::milliseconds within = 5s);
  /// Whether the server closes within this time (what comes before is dropped).
  bool isClosed(std::chrono::milliseconds within = 5s);
  void shutdownSend();
  /// Closes; `hard`: with a reset.
  void close(bool hard = false);
  int descriptor() const { return socket; }

private:
  /// Waits for more bytes; false at the end, or when time is over.
  bool receive(std::chrono::steady_clock::time_point until);

  int socket;
  std::string buffer;
};

/// "GET /path" with a Host header.
std::string get(const std::string &path, const std::string &headers = "");
std::string post(const std::string &path, const std::string &body, const std::string &headers = "");

/// Waits until it holds.
bool eventually(const std::function<bool()> &holds, std::chrono::milliseconds within = 5s);

/// A server on a thread of its own. Its errors are {"error": REASON}.
class Host {
public:
  explicit Host(std::function<void(Request, Response)> handler, Limits limits = {},
                WantsBody wantsBody = nullptr);
  ~Host();
  Server server;
  uint16_t port() const { return server.port(); }
  void join();

private:
  std::thread thread;
};

/// Answers "METHOD PATH QUERY BODY".
void echo(Request request, Response response);

} // namespace nibble::http::test
