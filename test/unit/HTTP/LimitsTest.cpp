//===- LimitsTest.cpp - What one client, or many, may take ------------------------------------===//

#include "Client.h"
#include <atomic>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

namespace {

TEST(LimitsTest, HeadersTooLarge) {
  Limits limits;
  limits.headerBytes = 1000;
  Host host(echo, limits);
  Client client(host.port());
  Answer answer = client.ask(get("/", "X: " + std::string(2000, 'x') + "\r\n"));
  EXPECT_EQ(answer.status, 431);
  EXPECT_THAT(answer.body, HasSubstr("larger than 1000 bytes"));
  EXPECT_TRUE(client.isClosed());
}

TEST(LimitsTest, BodyTooLargeIsRefusedBeforeItIsRead) {
  Limits limits;
  limits.bodyBytes = 1000;
  Host host(echo, limits);
  Client waiting(host.port());
  Answer answer =
      waiting.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(answer.status, 413); // and not 100
  EXPECT_TRUE(waiting.isClosed());
  // A client that sends all of it all the same can read the answer.
  Client sending(host.port());
  EXPECT_TRUE(sending.send(post("/", std::string(8 << 20, 'x'))));
  answer = sending.read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(Client(host.port()).ask(post("/", std::string(1000, 'x'))).status, 200);
}

/// Who may not ask takes no memory: the answer comes before the body, which is dropped.
TEST(LimitsTest, BodiesThatNobodyWantsAreNotRead) {
  Limits limits;
  limits.allBodyBytes = 1000;
  std::atomic<int> bodies = 0;
  Host host(
      [&](Request request, Response response) {
        bodies += !request.body.empty();
        echo(std::move(request), std::move(response));
      },
      limits, [](const Request &request) { return request.header("key") == "right"; });
  std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n";
  Client client(host.port());
  Answer answer = client.ask(head + "Key: wrong\r\n\r\n");
  EXPECT_EQ(answer.body, "POST /a  ");
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_TRUE(client.isClosed());
  // The same where the body comes all the same, and for one that asks first.
  Client sending(host.port());
  EXPECT_TRUE(sending.send(head + "\r\n" + std::string(4'000'000, 'x')));
  EXPECT_TRUE(sending.read().whole);
  Client asking(host.port());
  EXPECT_EQ(asking.ask(head + "Expect: 100-continue\r\n\r\n").status, 200);
  Client chunked(host.port());
  EXPECT_TRUE(
      chunked.ask("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").whole);
  EXPECT_EQ(bodies, 0);
  Client right(host.port());
  right.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nKey: right\r\n\r\n");
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(right.ask("abc").body, "POST /b  abc");
  EXPECT_EQ(right.ask(get("/again")).status, 200);
}

TEST(LimitsTest, AllBodiesTogetherAreBounded) {
  Limits limits;
  limits.allBodyBytes = 1 << 20;
  Host host(echo, limits);
  std::vector<Client> clients;
  std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500001\r\n\r\n", half(500'000, 'x');
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back(host.port());
    clients.back().send(head + half);
  }
  std::this_thread::sleep_for(100ms);
  Client third(host.port());
  third.send(head + half);
  EXPECT_EQ(third.read().status, 503);
  for (Client &client : clients) {
    client.send("x");
    EXPECT_EQ(client.read().status, 200);
  }
  EXPECT_EQ(Client(host.port()).ask(post("/", half)).status, 200); // there is room again
}

/// Sends a byte every few milliseconds, which must not help.
void dribble(Client &client, std::string_view bytes, std::chrono::milliseconds until,
             const std::atomic<bool> &enough) {
  auto end = Clock::now() + until;
  for (size_t i = 0; Clock::now() < end && !enough; ++i) {
    char byte = bytes[i % bytes.size()];
    if (!client.send({&byte, 1}))
      return;
    std::this_thread::sleep_for(5ms);
  }
}

TEST(LimitsTest, SlowHeadersTimeOut) {
  Limits limits;
  limits.header = 150ms;
  Host host(echo, limits);
  Client slow(host.port()), silent(host.port());
  auto before = Clock::now();
  slow.send("GET / HTTP/1.1\r\n");
  std::atomic<bool> enough = false;
  std::thread sender([&] { dribble(slow, "X-A: b\r\n", 2s, enough); });
  Answer answer = slow.read();
  enough = true;
  EXPECT_EQ(answer.status, 408);
  EXPECT_THAT(answer.body, HasSubstr("150 ms"));
  EXPECT_GE(Clock::now() - before, 150ms);
  EXPECT_LT(Clock::now() - before, 2s);
  sender.join();
  EXPECT_EQ(silent.readBytes(1), ""); // who says nothing is told nothing
  EXPECT_TRUE(silent.isClosed());
  // The second request of a connection has its time from its own first byte.
  Client later(host.port());
  EXPECT_EQ(later.ask(get("/")).status, 200);
  std::this_thread::sleep_for(250ms);
  EXPECT_EQ(later.ask(get("/")).status, 200);
  before = Clock::now();
  later.send("GET");
  EXPECT_EQ(later.read().status, 408);
  EXPECT_LT(Clock::now() - before, 2s);
}

TEST(LimitsTest, LineBreaksDoNotKeepAConnection) {
  Limits limits;
  limits.header = limits.idle = 100ms;
  Host host(echo, limits);
  Client client(host.port());
  dribble(client, "\r\n", 2s, false);
  EXPECT_TRUE(client.isClosed(0ms));
}

TEST(LimitsTest, SlowBodiesTimeOut) {
  Limits limits;
  limits.body = 150ms;
  Host host(echo, limits);
  Client client(host.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n");
  auto before = Clock::now();
  std::atomic<bool> enough = false;
  std::thread sender([&] { dribble(client, "x", 2s, enough); });
  EXPECT_EQ(client.read().status, 408);
  enough = true;
  EXPECT_GE(Clock::now() - before, 150ms);
  EXPECT_LT(Clock::now() - before, 2s);
  sender.join();
}

TEST(LimitsTest, IdleConnectionsAreClosed) {
  Limits limits;
  limits.idle = 100ms;
  Host host(echo, limits);
  Client client(host.port());
  EXPECT_EQ(client.ask(get("/")).status, 200);
  auto before = Clock::now();
  EXPECT_TRUE(client.isClosed());
  EXPECT_GE(Clock::now() - before, 90ms);
}

TEST(LimitsTest, ComputingHasNoTimeOut) {
  Limits limits;
  limits.header = limits.body = limits.idle = limits.stalled = 50ms;
  std::thread worker;
  Host host(
      [&](Request, Response response) {
        worker = std::thread([response] {
          std::this_thread::sleep_for(250ms);
          response.begin({200, "text/plain", "a"});
          std::this_thread::sleep_for(250ms);
          response.write("b");
          response.finish();
        });
      },
      limits);
  Client client(host.port());
  Answer answer = client.ask(get("/"));
  EXPECT_EQ(answer.body, "ab");
  EXPECT_TRUE(answer.whole);
  worker.join();
}

TEST(LimitsTest, ConnectionsAreBounded) {
  Limits limits;
  limits.connections = 5;
  Host host(echo, limits);
  std::vector<Client> clients;
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back(host.port());
    EXPECT_EQ(clients.back().ask(get("/")).status, 200);
  }
  Client sixth(host.port());
  Answer answer = sixth.ask(get("/"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.body, HasSubstr("5 connections"));
  EXPECT_TRUE(sixth.isClosed());
  sixth.close();
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return Client(host.port()).ask(get("/")).status == 200; }));
}

/// Where the system has no descriptors left, those who wait are served later, and the loop does not spin.
TEST(LimitsTest, DescriptorsMayRunOut) {
  Host host(echo);
  Client first(host.port()), another(host.port());
  EXPECT_EQ(first.ask(get("/")).status, 200);
  EXPECT_EQ(another.ask(get("/")).status, 200);
  rlimit before = {};
  ::getrlimit(RLIMIT_NOFILE, &before);
  int lowest = ::dup(0); // the only free number, for the client's own end
  rlimit few = {static_cast<rlim_t>(lowest) + 1, before.rlim_max};
  ::close(lowest);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  rusage start = {}, end = {};
  {
    Client waiting(host.port());
    waiting.send(get("/waiting"));
    ::getrusage(RUSAGE_SELF, &start);
    EXPECT_EQ(waiting.read(false, 300ms).status, 0);
    ::getrusage(RUSAGE_SELF, &end);
    EXPECT_EQ(first.ask(get("/")).status, 200); // who is there is served
    another.close();
    waiting.readBytes(1, 0ms);
    EXPECT_EQ(waiting.read().body, "GET /waiting  "); // which got the other's descriptor
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  auto cpu = [](const rusage &use) {
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
  };
  EXPECT_LT(cpu(end) - cpu(start), 100); // of 300 ms
  EXPECT_EQ(Client(host.port()).ask(get("/")).status, 200);
}

} // namespace
