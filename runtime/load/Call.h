//===- Call.h - One request to a server, and its answer as it comes -----------------*- C++ -*-===//
//
// All calls of a pool run on one event loop; a connection that is free again is used by the next call. The
// parser is Beast's.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/load/Address.h"
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace nibble::load {

/// Connections to one server.
class Pool {
public:
  explicit Pool(Address address) : address(std::move(address)) {}
  Result<void> resolve();

  const Address address;
  boost::asio::io_context loop{1};

private:
  friend class Call;
  boost::asio::ip::tcp::resolver::results_type ends;
  std::vector<boost::asio::ip::tcp::socket> idle;
};

class Call : public std::enable_shared_from_this<Call> {
public:
  struct Hearer {
    std::function<void(unsigned status, bool isEventStream)> onHead;
    std::function<void(std::string_view bytes)> onBody;
    /// Once, last. `failure` is empty where the answer is whole; else "connect: ...", "hang-up", "malformed",
    /// or what was given to cancel().
    std::function<void(const std::string &failure)> onEnd;
  };
  Call(Pool &pool, Hearer hearer);
  ~Call();

  /// `method` and `path` ("/v1/models"); `headers` are lines that end in CR LF. A body is of JSON.
  void start(const std::string &method, const std::string &path, const std::string &headers,
             const std::string &body);
  void cancel(const std::string &why);

private:
  class Parser;
  void connect();
  void write();
  void read();
  void onRead(boost::system::error_code code, size_t bytes);
  void onBroken();
  void end(const std::string &failure);

  Pool &pool;
  Hearer hearer;
  boost::asio::ip::tcp::socket socket;
  std::string request, buffer;
  size_t held = 0;
  std::unique_ptr<Parser> parser;
  bool reused = false, ended = false;
};

} // namespace nibble::load
