//===- Connection.cpp - One client ------------------------------------------------------------===//

#include "runtime/http/Connection.h"
#include "runtime/http/Text.h"
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

using namespace nibble;
using namespace nibble::http;
namespace asio = boost::asio;
using boost::system::error_code;

/// Bytes of a read: for what is small at first, and for bodies.
static constexpr size_t kSmallRead = 2048, kLargeRead = 64u << 10;
/// How long a client may take to notice that it is closed: without, and with bytes coming from it.
static constexpr std::chrono::milliseconds kQuietLinger{2000}, kBusyLinger{15000};

static std::string describe(const asio::ip::tcp::endpoint &end) {
  auto address = end.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + std::to_string(end.port());
}

Connection::Connection(Loop &loop, asio::ip::tcp::socket taken)
    : loop(loop), socket(std::move(taken)), reader(loop.limits), pace(loop.limits) {
  error_code code;
  auto end = socket.remote_endpoint(code);
  peer = code ? "unknown" : describe(end);
  socket.set_option(asio::ip::tcp::no_delay(true), code);
}

template <typename Work> void Connection::guarded(Work work) {
  try {
    work();
  } catch (const std::exception &) {
    close();
  }
}

void Connection::start() {
  expect(loop.limits.header);
  guarded([&] { read(); });
}

void Connection::refuse(unsigned status, const std::string &reason) {
  countBody(0);
  keepsAlive = isHead = false;
  phase = Phase::Answering;
  readDeadline = Clock::time_point::max();
  guarded([&] {
    reader = RequestReader(loop.limits); // and what it holds
    queueWhole(loop.errorReply(status, reason));
    flush();
    read();
  });
}

void Connection::close() {
  if (phase == Phase::Closed)
    return;
  auto self = shared_from_this(); // the set may hold the last reference
  phase = Phase::Closed;
  error_code ignored;
  socket.close(ignored);
  if (loop.connections.erase(self))
    --loop.count;
  countBody(0);
  if (auto left = std::move(exchange))
    left->hangUp();
}

void Connection::closeSlow() {
  if (phase != Phase::Closed)
    ++loop.slow;
  close();
}

void Connection::drain() {
  if (phase == Phase::Reading && reader.stage() == RequestReader::Stage::Waiting && received().empty())
    close();
}

void Connection::tick(Clock::time_point now) {
  guarded([&] {
    if (!writing.empty() && !pace.keeps(now, takenBytes()))
      return closeSlow();
    // While nothing can be read any more for lack of room, a hang-up is noticed here.
    if (phase == Phase::Answering && !reading) {
      pollfd state = {socket.native_handle(), POLLRDHUP, 0};
      if (::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLERR | POLLHUP)))
        onEnd(state.revents & (POLLERR | POLLHUP));
      return;
    }
    if (now < readDeadline)
      return;
    if (phase == Phase::Reading && reader.stage() == RequestReader::Stage::Header)
      return refuse(408, "the request's headers did not come within " +
                             std::to_string(loop.limits.header.count()) + " ms");
    if (phase == Phase::Reading && reader.stage() == RequestReader::Stage::Body)
      return refuse(408, "the request's body did not come within " +
                             std::to_string(loop.limits.body.count()) + " ms");
    close();
  });
}

//===- Reading ------------------------------------------------------------------------------------------===//

void Connection::read() {
  if (reading || ended || phase == Phase::Closed)
    return;
  // While a request is answered, the next ones may come; more than this has to wait in the system's buffers.
  if (phase == Phase::Answering && received().size() >= loop.limits.headerBytes)
    return;
  bool isBody = phase == Phase::Reading && reader.stage() == RequestReader::Stage::Body;
  size_t size = isBody ? kLargeRead : kSmallRead;
  buffer.resize(held);
  buffer.erase(0, std::exchange(parsed, 0));
  held = buffer.size();
  if (held == 0 && buffer.capacity() > size)
    std::string().swap(buffer);
  buffer.resize(held + size);
  reading = true;
  socket.async_read_some(asio::buffer(buffer.data() + held, size),
                         [self = shared_from_this()](error_code code, size_t bytes) {
                           self->reading = false;
                           self->held += bytes;
                           self->guarded([&] { self->onRead(code, bytes); });
                         });
}

void Connection::onRead(error_code code, size_t bytes) {
  if (phase == Phase::Closed)
    return;
  if (code)
    return onEnd(code != asio::error::eof);
  if (phase == Phase::Lingering) {
    parsed = held;
    readDeadline = std::min(Clock::now() + kQuietLinger, lingersUntil);
  } else if (phase == Phase::Reading && bytes != 0) {
    advance();
  }
  read();
}

void Connection::onEnd(bool wholly) {
  ended = true;
  // Whoever goes before the answer is there does not want it; one that is on its way is sent to the end.
  if (wholly || phase != Phase::Answering || (exchange && exchange->hangUp()))
    close();
}

void Connection::advance() {
  using Stage = RequestReader::Stage;
  while (phase == Phase::Reading) {
    Stage before = reader.stage();
    size_t taken = reader.take(received());
    parsed += taken;
    Stage stage = reader.stage();
    if (!countBody(reader.bodyBytes()))
      return refuse(503, "the server holds as many bytes of requests as it may");
    if (before == Stage::Waiting && stage != Stage::Waiting && !std::exchange(fresh, false))
      expect(loop.limits.header);
    if (stage == Stage::Failed) {
      auto refused = reader.refused();
      return refuse(refused.status, refused.reason);
    }
    if (stage == Stage::Done)
      return dispatch();
    if (stage == Stage::Body && before != Stage::Body) {
      if (loop.wantsBody && !loop.wantsBody(reader.request())) {
        wantsRest = false;
        return dispatch();
      }
      expect(loop.limits.body);
      if (reader.expectsContinue() && received().empty()) {
        queue("HTTP/1.1 100 Continue\r\n\r\n");
        flush();
      }
    } else if (taken == 0 || received().empty()) {
      return;
    }
  }
}

bool Connection::countBody(uint64_t bytes) {
  loop.bodyBytes += bytes - std::exchange(countedBody, bytes);
  return bytes == 0 || loop.bodyBytes <= loop.limits.allBodyBytes;
}

void Connection::dispatch() {
  countBody(0);
  phase = Phase::Answering;
  readDeadline = Clock::time_point::max();
  begun = answered = false;
  Request request = reader.takeRequest();
  request.peer = peer;
  isHTTP11 = reader.isHTTP11();
  keepsAlive = reader.keepsAlive() && wantsRest;
  if (!wantsRest)
    request.body = {};
  isHead = request.method == "HEAD";
  exchange = std::make_shared<Exchange>(loop.mailbox, weak_from_this(), loop.limits.waitingBytes);
  auto mine = exchange;
  Response response(mine);
  try {
    loop.handler(std::move(request), response);
  } catch (const std::exception &error) {
    response.send(loop.errorReply(500, std::string("the server failed: ") + error.what()));
  }
  if (ended && mine->hangUp())
    close();
}

//===- Writing ------------------------------------------------------------------------------------------===//

void Connection::deliver(Exchange &from) {
  if (exchange.get() != &from || answered)
    return;
  guarded([&] {
    Exchange::News news = exchange->take();
    if (news.overflow)
      return closeSlow();
    if (news.whole || (news.abandoned && !begun && !news.reply)) {
      queueWhole(news.whole ? std::move(*news.reply)
                            : loop.errorReply(500, "the request was dropped without an answer"));
      return flush();
    }
    if (news.reply)
      queueHead(*news.reply, std::nullopt);
    queuePart(std::move(news.parts));
    if (news.finished) {
      answered = true;
      if (news.abandoned)
        keepsAlive = false; // that the end is missing is how the client learns of it
      else if (chunked && !bodyless)
        queue(std::string(kLastChunk));
    }
    tellUnsent();
    flush();
  });
}

void Connection::queue(std::string part) {
  constexpr size_t kMerged = 16u << 10; // below it, copying is cheaper than one more buffer
  queuedBytes += part.size();
  if (!queued.empty() && queued.back().size() + part.size() <= kMerged)
    queued.back() += part;
  else
    queued.push_back(std::move(part));
}

void Connection::queueHead(const Reply &reply, std::optional<uint64_t> length) {
  begun = true;
  chunked = !length && isHTTP11;
  keepsAlive = keepsAlive && !loop.draining && (length || chunked);
  bodyless = isHead || !hasBody(reply.status);
  queue(headText(reply, {length, chunked, keepsAlive, isHTTP11}));
}

void Connection::queueWhole(Reply reply) {
  queueHead(reply, reply.body.size());
  if (!bodyless)
    queue(std::move(reply.body));
  answered = true;
}

void Connection::queuePart(std::string part) {
  if (part.empty() || bodyless)
    return;
  if (!chunked)
    return queue(std::move(part));
  queue(chunkText(part.size()));
  queue(std::move(part));
  queue("\r\n");
}

void Connection::tellUnsent() {
  if (exchange)
    exchange->setUnsent(unsentBytes());
}

uint64_t Connection::takenBytes() {
  int waits = 0; // with the system: not acknowledged by the client's
  if (::ioctl(socket.native_handle(), SIOCOUTQ, &waits) != 0)
    waits = 0;
  uint64_t given = givenBytes + writtenBytes;
  return given - std::min(given, static_cast<uint64_t>(std::max(waits, 0)));
}

/// Sends what is queued, and goes on behind an answer that is sent whole.
void Connection::flush() {
  if (!writing.empty() || phase == Phase::Closed)
    return;
  if (queued.empty()) {
    pace.rest();
    if (phase == Phase::Answering && answered)
      onAnswered();
    return;
  }
  writing.swap(queued);
  writingBytes = std::exchange(queuedBytes, 0);
  writtenBytes = 0;
  std::vector<asio::const_buffer> buffers;
  for (const std::string &part : writing)
    buffers.push_back(asio::buffer(part));
  auto onProgress = [this](error_code code, size_t bytes) -> size_t {
    if (bytes > writtenBytes) {
      writtenBytes = bytes;
      tellUnsent();
    }
    return code ? 0 : kLargeRead;
  };
  asio::async_write(socket, buffers, onProgress, [self = shared_from_this()](error_code code, size_t) {
    self->guarded([&] { self->onWritten(code); });
  });
}

void Connection::onWritten(error_code code) {
  writing.clear();
  givenBytes += writingBytes;
  writingBytes = writtenBytes = 0;
  if (phase == Phase::Closed)
    return;
  if (code)
    return close();
  tellUnsent();
  flush();
}

void Connection::onAnswered() {
  exchange.reset();
  if (!keepsAlive || loop.draining)
    return linger();
  phase = Phase::Reading;
  reader = RequestReader(loop.limits);
  expect(loop.limits.idle);
  advance();
  if (phase == Phase::Reading && ended)
    return close();
  read();
}

void Connection::linger() {
  phase = Phase::Lingering;
  parsed = held;
  lingersUntil = Clock::now() + kBusyLinger;
  expect(kQuietLinger);
  error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (ended)
    return close();
  read();
}
