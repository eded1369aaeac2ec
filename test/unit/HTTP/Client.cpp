//===- Client.cpp - A raw socket, and a server to talk to -------------------------------------===//

#include "Client.h"
#include <algorithm>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;
using Clock = std::chrono::steady_clock;

Client::Client(uint16_t port, int receiveBuffer) : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receiveBuffer)
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
  int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
    ::close(socket);
    socket = -1;
  }
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool Client::receive(Clock::time_point until) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd wait = {socket, POLLIN, 0};
  if (socket < 0 || left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0)
    return false;
  char bytes[65536];
  ssize_t count = ::recv(socket, bytes, sizeof bytes, 0);
  if (count <= 0)
    return false;
  buffer.append(bytes, static_cast<size_t>(count));
  return true;
}

Answer Client::read(bool isHead, std::chrono::milliseconds within) {
  auto until = Clock::now() + within;
  Answer answer;
  auto line = [&]() -> std::optional<std::string> {
    size_t end;
    while ((end = buffer.find("\r\n")) == std::string::npos)
      if (!receive(until))
        return std::nullopt;
    std::string text = buffer.substr(0, end);
    buffer.erase(0, end + 2);
    return text;
  };
  auto take = [&](size_t count) {
    while (buffer.size() < count && receive(until))
      ;
    std::string text = buffer.substr(0, count);
    buffer.erase(0, text.size());
    return text;
  };
  auto first = line();
  if (!first || first->size() < 12)
    return answer;
  answer.head = *first + "\n";
  answer.status = std::atoi(first->c_str() + 9);
  for (auto header = line(); header && !header->empty(); header = line()) {
    answer.head += *header + "\n";
    size_t colon = header->find(": ");
    std::string name = header->substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = header->substr(colon + 2);
  }
  if (isHead || answer.status == 204 || answer.status == 304 || answer.status < 200) {
    answer.whole = true;
  } else if (answer.headers.count("content-length")) {
    size_t size = std::stoul(answer.headers["content-length"]);
    answer.body = take(size);
    answer.whole = answer.body.size() == size;
  } else if (answer.headers.count("transfer-encoding")) {
    while (auto size = line()) {
      size_t count = std::stoul(*size, nullptr, 16);
      std::string chunk = take(count + 2);
      if (chunk.size() != count + 2)
        break;
      if (count == 0) {
        answer.whole = true;
        break;
      }
      chunk.resize(count);
      answer.body += chunk;
      answer.chunks.push_back(std::move(chunk));
    }
  } else {
    while (receive(until))
      ;
    answer.body.swap(buffer);
    answer.whole = isClosed(0ms);
  }
  return answer;
}

std::string Client::readBytes(size_t count, std::chrono::milliseconds within) {
  auto until = Clock::now() + within;
  while (buffer.size() < count && receive(until))
    ;
  return std::exchange(buffer, {});
}

bool Client::isClosed(std::chrono::milliseconds within) {
  auto until = Clock::now() + within + 1ms;
  while (receive(until))
    buffer.clear();
  char byte;
  return ::recv(socket, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void Client::shutdownSend() { ::shutdown(socket, SHUT_WR); }

void Client::close(bool hard) {
  if (socket < 0)
    return;
  if (hard) {
    linger reset = {1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  ::close(std::exchange(socket, -1));
}

std::string test::get(const std::string &path, const std::string &headers) {
  return "GET " + path + " HTTP/1.1\r\nHost: here\r\n" + headers + "\r\n";
}

std::string test::post(const std::string &path, const std::string &body, const std::string &headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: here\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + headers + "\r\n" + body;
}

bool test::eventually(const std::function<bool()> &holds, std::chrono::milliseconds within) {
  auto until = Clock::now() + within;
  while (!holds()) {
    if (Clock::now() > until)
      return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

static Server listenOrThrow(std::function<void(Request, Response)> handler, Limits limits,
                            WantsBody wantsBody) {
  auto server = Server::listen(
      "127.0.0.1", 0, limits, std::move(handler),
      [](unsigned status, const std::string &reason) {
        return Reply{status, "application/json", "{\"error\": \"" + reason + "\"}"};
      },
      std::move(wantsBody));
  if (!server)
    throw std::runtime_error(server.error().message);
  return std::move(*server);
}

Host::Host(std::function<void(Request, Response)> handler, Limits limits, WantsBody wantsBody)
    : server(listenOrThrow(std::move(handler), limits, std::move(wantsBody))),
      thread([this] { server.run(); }) {}
Host::~Host() {
  server.stop();
  join();
}
void Host::join() {
  if (thread.joinable())
    thread.join();
}

void test::echo(Request request, Response response) {
  response.send(
      {200, "text/plain", request.method + " " + request.path + " " + request.query + " " + request.body});
}
