//===- Server.cpp - HTTP/1.1 over a port, without a word about models -------------------------===//

#include "runtime/http/Server.h"
#include "runtime/http/Connection.h"
#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

using namespace nibble;
using namespace nibble::http;
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// How long accepting pauses where the system has no descriptor or memory for one more connection.
static constexpr std::chrono::milliseconds kAcceptPause{100};
/// Connections beyond the limit that may be told so at a time.
static constexpr uint32_t kRefusals = 1024;

struct Server::State : Loop {
  using Loop::Loop;

  void accept();
  void onAccept(error_code code, tcp::socket socket);
  void tick();
  void boundWaiting(const std::vector<std::shared_ptr<Connection>> &all);
  void stopAccepting();
  void stop();

  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io}, ticker{io};
  std::chrono::milliseconds tickEvery{100};
  bool ticking = false;
  bool isLoopback = false;
  uint16_t port = 0;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
};

//===- Accepting ----------------------------------------------------------------------------------------===//

void Server::State::accept() {
  acceptor.async_accept([this](error_code code, tcp::socket socket) { onAccept(code, std::move(socket)); });
}

void Server::State::onAccept(error_code code, tcp::socket socket) {
  if (!acceptor.is_open())
    return;
  if (code == asio::error::connection_aborted)
    return accept();
  if (code) {
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](error_code cancelled) {
      if (!cancelled && acceptor.is_open())
        accept();
    });
    return;
  }
  accept();
  if (count >= limits.connections + kRefusals)
    return; // which closes it
  bool full = count >= limits.connections;
  auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections.insert(connection);
  ++count;
  if (full)
    connection->refuse(503, "the server has " + std::to_string(limits.connections) +
                                " connections, as many as it may");
  else
    connection->start();
  if (!ticking)
    tick();
}

void Server::State::tick() {
  ticking = !connections.empty();
  if (!ticking)
    return;
  ticker.expires_after(tickEvery);
  ticker.async_wait([this](error_code cancelled) {
    if (cancelled)
      return;
    try {
      Clock::time_point now = Clock::now();
      std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
      for (auto &connection : all)
        connection->tick(now);
      boundWaiting(all);
    } catch (const std::bad_alloc &) { // the next tick may have more luck; without one nothing would end
    }
    tick();
  });
}

/// Whoever has most waiting goes first: those who read have next to nothing.
void Server::State::boundWaiting(const std::vector<std::shared_ptr<Connection>> &all) {
  std::vector<std::pair<uint64_t, Connection *>> waiting;
  uint64_t sum = 0;
  for (const auto &connection : all)
    if (uint64_t bytes = connection->unsentBytes()) {
      waiting.emplace_back(bytes, connection.get());
      sum += bytes;
    }
  if (sum <= limits.allWaitingBytes)
    return;
  std::sort(waiting.begin(), waiting.end(), std::greater());
  for (auto [bytes, connection] : waiting) {
    if (sum <= limits.allWaitingBytes)
      return;
    connection->closeSlow();
    sum -= bytes;
  }
}

//===- Ending -------------------------------------------------------------------------------------------===//

void Server::State::stopAccepting() {
  draining = true;
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
  for (auto &connection : all)
    connection->drain();
}

void Server::State::stop() {
  error_code ignored;
  acceptor.close(ignored);
  while (!connections.empty())
    std::shared_ptr<Connection>(*connections.begin())->close(); // which leaves the set
  io.stop();
}

//===- Server -------------------------------------------------------------------------------------------===//

static const std::string kLoopback = "127.0.0.1";

static bool isOfThisMachine(const asio::ip::address &address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  return address.is_loopback();
}

Result<Server> Server::listen(const std::string &address, uint16_t port, Limits limits,
                              std::function<void(Request, Response)> handler, ErrorReply errorReply,
                              WantsBody wantsBody) {
  auto state = std::make_shared<State>(limits);
  state->handler = std::move(handler);
  state->wantsBody = std::move(wantsBody);
  state->errorReply = std::move(errorReply);
  auto shortest = std::min({limits.header, limits.body, limits.idle, limits.stalled, limits.slow});
  state->tickEvery = std::clamp(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(100));

  std::string name = address + ":" + std::to_string(port);
  error_code code;
  tcp::resolver resolver(state->io);
  // This name means the machine itself (RFC 6761), also where no table says so.
  const std::string &asked = address == "localhost" ? kLoopback : address;
  auto found = resolver.resolve(asked, std::to_string(port), tcp::resolver::passive, code);
  if (code || found.empty())
    return failure(name + ": cannot listen: the address is not known (" + code.message() +
                   "); give one of this machine, such as 127.0.0.1, or 0.0.0.0 for all");
  tcp::endpoint end = found.begin()->endpoint();
  tcp::acceptor &acceptor = state->acceptor;
  acceptor.open(end.protocol(), code);
  if (!code)
    acceptor.set_option(tcp::acceptor::reuse_address(true), code);
  if (!code)
    acceptor.bind(end, code);
  if (!code)
    acceptor.listen(asio::socket_base::max_listen_connections, code);
  if (code == asio::error::address_in_use)
    return failure(name + ": cannot listen: another program does; stop it, or choose another port");
  if (code == asio::error::access_denied)
    return failure(name +
                   ": cannot listen: permission denied; ports below 1024 need rights, choose a larger one");
  if (code)
    return failure(name + ": cannot listen: " + code.message() +
                   "; choose an address of this machine and a free port");
  end = acceptor.local_endpoint(code);
  state->port = end.port();
  state->isLoopback = isOfThisMachine(end.address());
  state->accept();
  return Server(std::move(state));
}

Server::Server(std::shared_ptr<State> state) : state(std::move(state)) {}
Server::Server(Server &&) noexcept = default;
Server &Server::operator=(Server &&other) noexcept {
  std::swap(state, other.state);
  return *this;
}
Server::~Server() {
  if (!state)
    return;
  state->stop(); // on this thread: nobody runs the loop any more
  state->mailbox->close();
}

uint16_t Server::port() const { return state->port; }
bool Server::isLoopback() const { return state->isLoopback; }
uint32_t Server::connections() const { return state->count; }
uint64_t Server::slowClients() const { return state->slow; }

void Server::run() {
  // What a posted task throws must not end the server.
  while (!state->io.stopped())
    try {
      state->io.run();
    } catch (const std::exception &) {
    }
}

void Server::post(std::function<void()> task) { asio::post(state->io, std::move(task)); }
void Server::postAfter(std::chrono::milliseconds delay, std::function<void()> task) {
  auto timer = std::make_shared<asio::steady_timer>(state->io, delay);
  timer->async_wait([timer, task = std::move(task)](error_code cancelled) {
    if (!cancelled)
      task();
  });
}
void Server::stopAccepting() {
  asio::post(state->io, [state = state.get()] { state->stopAccepting(); });
}
void Server::stop() {
  asio::post(state->io, [state = state.get()] { state->stop(); });
}
