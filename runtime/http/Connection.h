//===- Connection.h - One client ----------------------------------------------------*- C++ -*-===//
//
// Reads one request after the other, hands each to the handler and writes its answer. A read is pending while
// the handler computes, too: that is how a hang-up is noticed at once. Everything here runs on the event
// loop's thread.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/http/Exchange.h"
#include "runtime/http/Pace.h"
#include "runtime/http/RequestReader.h"
#include <boost/asio/ip/tcp.hpp>
#include <unordered_set>

namespace nibble::http {

/// What all connections of a server share.
struct Loop {
  explicit Loop(Limits limits) : limits(limits) {}

  const Limits limits;
  std::function<void(Request, Response)> handler;
  ErrorReply errorReply;
  WantsBody wantsBody;                                         // null: always
  std::unordered_set<std::shared_ptr<Connection>> connections; // those that are not closed
  std::atomic<uint32_t> count = 0;                             // of them
  std::atomic<uint64_t> slow = 0;                              // that were closed for being it
  uint64_t bodyBytes = 0;                                      // of all requests that are not complete
  bool draining = false;                                       // connections end behind their answers
  boost::asio::io_context io{1};
  const std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>(io);
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
  Connection(Loop &loop, boost::asio::ip::tcp::socket socket);

  /// Reads requests.
  void start();
  /// Answers with an error, whatever the client wants, and closes.
  void refuse(unsigned status, const std::string &reason);
  /// Takes what an exchange has.
  void deliver(Exchange &from);
  /// Ends what takes too long.
  void tick(Clock::time_point now);
  /// Closes now where no request is in progress, else behind its answer.
  void drain();
  /// Closes at once.
  void close();
  /// The same for a client that does not take what is written for it.
  void closeSlow();
  /// Of the answer, that are written and that the system has not taken yet.
  uint64_t unsentBytes() const { return queuedBytes + writingBytes - writtenBytes; }

private:
  enum class Phase : uint8_t {
    Reading,   // a request
    Answering, // it, or an error
    Lingering, // all is said; what the client still sends is dropped, lest it lose the end of the answer
    Closed,
  };

  /// Runs one event's work; out of memory, and whatever else is thrown, closes this connection alone.
  template <typename Work> void guarded(Work work);

  void read();
  void onRead(boost::system::error_code code, size_t bytes);
  void advance();
  void dispatch();
  /// Counts the body of a request that is not complete among all of them; false: they would be too much.
  bool countBody(uint64_t bytes);
  /// The client closed its half (`wholly`: both).
  void onEnd(bool wholly);

  void queue(std::string part);
  void queueHead(const Reply &reply, std::optional<uint64_t> length);
  void queueWhole(Reply reply);
  void queuePart(std::string part);
  void flush();
  void onWritten(boost::system::error_code code);
  void onAnswered();
  void linger();

  std::string_view received() const { return std::string_view(buffer).substr(parsed, held - parsed); }
  void expect(std::chrono::milliseconds within) { readDeadline = Clock::now() + within; }
  void tellUnsent();
  /// In all, by the client's own system.
  uint64_t takenBytes();

  Loop &loop;
  boost::asio::ip::tcp::socket socket;
  std::string peer;
  Phase phase = Phase::Reading;
  Clock::time_point readDeadline = Clock::time_point::max(), lingersUntil;

  std::string buffer; // [parsed, held) is received and not used; a pending read fills what is behind
  size_t parsed = 0, held = 0;
  bool reading = false, ended = false; // a read is pending; the client sends nothing any more
  RequestReader reader;
  uint64_t countedBody = 0;

  std::shared_ptr<Exchange> exchange; // while Answering a request
  bool fresh = true;                  // no byte of a first request has come
  bool wantsRest = true;              // of the request; else the connection ends behind its answer
  bool keepsAlive = true, isHTTP11 = true, isHead = false;
  bool begun = false, answered = false; // the answer's head, or all of it, is queued
  bool bodyless = false, chunked = false;

  std::vector<std::string> queued, writing;
  uint64_t queuedBytes = 0, writingBytes = 0, writtenBytes = 0; // the last: of `writing`
  uint64_t givenBytes = 0;                                      // to the system, of earlier writes
  Pace pace;
};

} // namespace nibble::http
