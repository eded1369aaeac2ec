//===- Call.cpp - One request to a server, and its answer as it comes -------------------------===//

#include "runtime/load/Call.h"
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/basic_parser.hpp>

using namespace nibble;
using namespace nibble::load;
namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

static constexpr size_t kReadBytes = 16u << 10;

Result<void> Pool::resolve() {
  error_code code;
  ends = tcp::resolver(loop).resolve(address.host, address.port, code);
  if (code)
    return failure("--url: the host " + address.host + " is not known: " + code.message());
  return {};
}

/// Hands the body on as it comes.
class Call::Parser final : public beast::http::basic_parser<false> {
public:
  explicit Parser(const Hearer &hearer) : hearer(hearer) {
    eager(true);
    header_limit(64u << 10);
    body_limit(UINT64_MAX); // none at all would be less than any length in Boost 1.74
  }

private:
  void on_response_impl(int code, beast::string_view, int, beast::error_code &) override {
    status = static_cast<unsigned>(code);
  }
  void on_field_impl(beast::http::field name, beast::string_view, beast::string_view value,
                     beast::error_code &) override {
    if (name == beast::http::field::content_type)
      isEventStream = value.substr(0, 17) == "text/event-stream";
  }
  void on_header_impl(beast::error_code &) override { hearer.onHead(status, isEventStream); }
  size_t hear(beast::string_view part) {
    hearer.onBody({part.data(), part.size()});
    return part.size();
  }
  size_t on_body_impl(beast::string_view part, beast::error_code &) override { return hear(part); }
  size_t on_chunk_body_impl(uint64_t, beast::string_view part, beast::error_code &) override {
    return hear(part);
  }
  void on_body_init_impl(const boost::optional<uint64_t> &, beast::error_code &) override {}
  void on_chunk_header_impl(uint64_t, beast::string_view, beast::error_code &) override {}
  void on_finish_impl(beast::error_code &) override {}
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       beast::error_code &) override {}

  const Hearer &hearer;
  unsigned status = 0;
  bool isEventStream = false;
};

Call::Call(Pool &pool, Hearer hearer)
    : pool(pool), hearer(std::move(hearer)), socket(pool.loop),
      parser(std::make_unique<Parser>(this->hearer)) {}
Call::~Call() = default;

void Call::start(const std::string &method, const std::string &path, const std::string &headers,
                 const std::string &body) {
  request = method + " " + pool.address.base + path + " HTTP/1.1\r\nHost: " + pool.address.hostHeader() +
            "\r\nUser-Agent: nibble-bench-serve\r\n" + headers;
  if (!body.empty())
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  if (pool.idle.empty())
    return connect();
  socket = std::move(pool.idle.back());
  pool.idle.pop_back();
  reused = true;
  write();
}

void Call::connect() {
  reused = false;
  asio::async_connect(socket, pool.ends, [self = shared_from_this()](error_code code, const tcp::endpoint &) {
    if (self->ended)
      return;
    if (code)
      return self->end("connect: " + code.message());
    self->socket.set_option(tcp::no_delay(true), code);
    self->write();
  });
}

void Call::write() {
  asio::async_write(socket, asio::buffer(request), [self = shared_from_this()](error_code code, size_t) {
    if (self->ended)
      return;
    // A server may refuse before it has read all; what it says is worth reading.
    if (code && code != asio::error::broken_pipe && code != asio::error::connection_reset)
      return self->onBroken();
    self->read();
  });
}

void Call::read() {
  if (ended)
    return;
  buffer.resize(held + kReadBytes);
  socket.async_read_some(
      asio::buffer(buffer.data() + held, kReadBytes),
      [self = shared_from_this()](error_code code, size_t bytes) { self->onRead(code, bytes); });
}

void Call::onRead(error_code code, size_t bytes) {
  if (ended)
    return;
  held += bytes;
  if (code == asio::error::eof && parser->got_some()) {
    parser->put_eof(code); // an answer may end with its connection
    return end(code ? "hang-up" : "");
  }
  if (code)
    return onBroken();
  size_t taken = 0;
  while (taken < held && !parser->is_done() && !ended) {
    size_t count = parser->put(asio::const_buffer(buffer.data() + taken, held - taken), code);
    taken += count;
    if (code == beast::http::error::need_more || (!code && count == 0))
      break;
    if (code)
      return end("malformed");
  }
  buffer.erase(0, taken);
  held -= taken;
  if (held > (128u << 10))
    return end("malformed");
  if (!parser->is_done())
    return read();
  if (held == 0 && parser->keep_alive() && !ended)
    pool.idle.push_back(std::move(socket));
  end("");
}

void Call::onBroken() {
  if (ended)
    return;
  if (!reused || parser->got_some())
    return end("hang-up");
  error_code ignored; // the server had closed it while it was idle
  socket.close(ignored);
  connect();
}

void Call::end(const std::string &failure) {
  if (std::exchange(ended, true))
    return;
  error_code ignored;
  socket.close(ignored);
  hearer.onEnd(failure);
}

void Call::cancel(const std::string &why) { end(why); }
