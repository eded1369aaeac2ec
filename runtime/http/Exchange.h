//===- Exchange.h - An answer on its way from any thread to the event loop ----------*- C++ -*-===//
//
// The handler's threads leave what they write in an Exchange; the event loop is woken once for all that came
// since it last looked, and takes it in one piece. So a step of a model that has a token for each of a
// thousand streams costs one wake-up, and a slow client's text waits here, counted.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Server.h"
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <optional>

namespace nibble::http {

class Connection;
class Exchange;

/// Exchanges that have news for the event loop. It outlives the loop: after close() what is put is dropped.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
public:
  explicit Mailbox(boost::asio::io_context &loop) : loop(&loop) {}
  void put(std::shared_ptr<Exchange> exchange);
  void post(std::function<void()> task);
  void close();

private:
  void deliver();

  std::mutex mutex;
  boost::asio::io_context *loop; // null once closed
  std::vector<std::shared_ptr<Exchange>> waiting;
};

/// One request's answer. Everything but what is said to be the loop's may be called from any thread.
class Exchange : public std::enable_shared_from_this<Exchange> {
public:
  Exchange(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Connection> connection, uint64_t waitingBytes)
      : mailbox(std::move(mailbox)), owner(std::move(connection)), waitingBytes(waitingBytes) {}

  void send(Reply reply);
  void begin(Reply reply);
  void write(std::string part);
  void finish();
  /// The handler has dropped it.
  void abandon();
  void onHangUp(std::function<void()> callback);
  bool isOpen() const;

  /// What has come since the last time.
  struct News {
    std::optional<Reply> reply; // its head; whole replies have their body in it
    bool whole = false;         // the reply is the answer
    std::string parts;          // of a stream, behind the reply
    bool finished = false;      // nothing follows
    bool abandoned = false;     // nothing follows, but the answer is missing or not whole
    bool overflow = false;      // the client does not take what is written
  };
  // The loop's:
  News take();
  /// Bytes that were taken and that the client has not got yet.
  void setUnsent(uint64_t bytes) { unsent = bytes; }
  /// The client is gone. False where the answer had already been given whole.
  bool hangUp();
  std::shared_ptr<Connection> connection() const { return owner.lock(); }

private:
  enum class Stage : uint8_t { Unanswered, Streaming, Answered, Gone };
  /// Marks that there is news. True where the mailbox does not know yet.
  bool mark() { return !std::exchange(marked, true); }
  void put(bool isNew) {
    if (isNew)
      mailbox->put(shared_from_this());
  }

  const std::shared_ptr<Mailbox> mailbox;
  const std::weak_ptr<Connection> owner;
  const uint64_t waitingBytes;
  std::atomic<uint64_t> unsent = 0;

  mutable std::mutex mutex;
  Stage stage = Stage::Unanswered;
  bool marked = false;
  News news;
  std::vector<std::function<void()>> hangUps;
};

/// What the copies of a Response share.
struct Response::State {
  explicit State(std::shared_ptr<Exchange> exchange) : exchange(std::move(exchange)) {}
  ~State() { exchange->abandon(); }
  const std::shared_ptr<Exchange> exchange;
};

} // namespace nibble::http
