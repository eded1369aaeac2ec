//===- HangUpTest.cpp - Clients that go, and servers that do ----------------------------------===//

#include "Client.h"
#include <csignal>
#include <sys/socket.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;
using Clock = std::chrono::steady_clock;

namespace {

/// Keeps every answer open and notes when its client hangs up.
struct Watch {
  std::mutex mutex;
  std::vector<Response> responses;
  std::atomic<int> asked = 0, hungUp = 0;
  bool stream = false;

  std::function<void(Request, Response)> handler() {
    return [this](Request, Response response) {
      response.onHangUp([this] { ++hungUp; });
      if (stream)
        response.begin({200, "text/plain", "begun"});
      std::lock_guard lock(mutex);
      responses.push_back(std::move(response));
      ++asked;
    };
  }
  Response last() {
    std::lock_guard lock(mutex);
    return responses.back();
  }
};

void hangUpIsNoticed(bool stream, bool hard) {
  Watch watch;
  watch.stream = stream;
  Host host(watch.handler());
  Client client(host.port());
  client.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  if (stream)
    client.readBytes(100, 100ms);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(watch.hungUp, 0);
  EXPECT_TRUE(watch.last().isOpen());
  auto before = Clock::now();
  client.close(hard);
  EXPECT_TRUE(eventually([&] { return watch.hungUp == 1; }, 1s));
  EXPECT_LT(Clock::now() - before, 500ms); // the timers tick every 100 ms
  EXPECT_FALSE(watch.last().isOpen());
  // Whoever comes late hears of it, too; what is written goes nowhere.
  std::atomic<bool> late = false;
  watch.last().onHangUp([&] { late = true; });
  EXPECT_TRUE(eventually([&] { return late.load(); }, 1s));
  watch.last().write("x");
  watch.last().finish();
  watch.last().send({200, "text/plain", "x"});
  EXPECT_EQ(watch.hungUp, 1);
  EXPECT_EQ(host.server.connections(), 0u);
}

TEST(HangUpTest, IsNoticedBeforeTheAnswer) { hangUpIsNoticed(false, false); }
TEST(HangUpTest, IsNoticedInAStream) { hangUpIsNoticed(true, false); }
TEST(HangUpTest, ResetIsNoticedBeforeTheAnswer) { hangUpIsNoticed(false, true); }
TEST(HangUpTest, ResetIsNoticedInAStream) { hangUpIsNoticed(true, true); }

TEST(HangUpTest, IsNoticedBehindFurtherRequests) {
  for (size_t bytes : {100, 1'000'000}) { // few are kept; more are left with the system
    Watch watch;
    Host host(watch.handler());
    Client client(host.port());
    client.send(get("/"));
    ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
    std::thread sender([&] { client.send(post("/", std::string(bytes, 'x'))); });
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(watch.hungUp, 0);
    EXPECT_EQ(watch.asked, 1); // the second waits for the first's answer
    ::shutdown(client.descriptor(), SHUT_RDWR);
    sender.join();
    // Behind bytes that the server does not take, only a reset comes through.
    client.close(bytes > 100);
    EXPECT_TRUE(eventually([&] { return watch.hungUp == 1; }, 1s)) << bytes;
  }
}

TEST(HangUpTest, ClosingHalfIsHangingUp) {
  Watch watch;
  Host host(watch.handler());
  Client client(host.port());
  client.send(get("/"));
  client.shutdownSend();
  EXPECT_TRUE(eventually([&] { return watch.hungUp == 1; }));
  EXPECT_TRUE(client.isClosed());
}

TEST(HangUpTest, IsNotCalledBehindAnAnswer) {
  std::atomic<int> hungUp = 0;
  auto token = std::make_shared<int>();
  Host host([&, weak = std::weak_ptr<int>(token)](Request, Response response) {
    response.onHangUp([&hungUp, held = weak.lock()] { ++hungUp; });
    response.send({200, "text/plain", "x"});
    response.onHangUp([&hungUp] { ++hungUp; });
  });
  Client client(host.port());
  EXPECT_EQ(client.ask(get("/")).status, 200);
  EXPECT_EQ(token.use_count(), 1); // and what it held is free
  client.close();
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  EXPECT_EQ(hungUp, 0);
}

TEST(HangUpTest, WithinARequestNobodyIsTold) {
  Watch watch;
  Host host(watch.handler());
  for (std::string part : {"", "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel"}) {
    Client client(host.port());
    client.send(part);
    EXPECT_TRUE(eventually([&] { return host.server.connections() == 1; }));
    client.close();
    EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  }
  EXPECT_EQ(watch.asked, 0);
}

TEST(HangUpTest, SlowReadersCountAsGone) {
  Watch watch;
  watch.stream = true;
  Limits limits;
  limits.waitingBytes = 1 << 20;
  Host host(watch.handler(), limits);
  Client client(host.port(), 4096);
  client.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  Response response = watch.last();
  std::string part(64 << 10, 'x');
  size_t written = 0;
  while (response.isOpen() && written < (100u << 20)) {
    response.write(part);
    written += part.size();
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_FALSE(response.isOpen());
  EXPECT_TRUE(eventually([&] { return host.server.slowClients() == 1; }));
  EXPECT_LT(written, 32u << 20); // the bound, and what the system's buffers took
  EXPECT_TRUE(eventually([&] { return watch.hungUp == 1; }));
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
}

TEST(HangUpTest, StalledReadersAreDropped) {
  Watch watch;
  watch.stream = true;
  Limits limits;
  limits.stalled = 100ms;
  limits.waitingBytes = 64 << 20;
  Host host(watch.handler(), limits);
  Client client(host.port(), 4096);
  client.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  watch.last().write(std::string(16 << 20, 'x'));
  EXPECT_TRUE(eventually([&] { return watch.hungUp == 1; }));
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  EXPECT_EQ(host.server.slowClients(), 1u);
}

/// It takes something every few milliseconds, which must not hold its answer for ever.
TEST(HangUpTest, DribblingReadersAreDropped) {
  Watch watch;
  watch.stream = true;
  Limits limits;
  limits.stalled = 400ms;
  limits.slow = 600ms;
  limits.slowBytes = 4 << 20;
  limits.waitingBytes = 64 << 20;
  Host host(watch.handler(), limits);
  Client client(host.port(), 4096);
  client.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  watch.last().write(std::string(32 << 20, 'x'));
  auto begin = Clock::now();
  size_t taken = 0;
  while (watch.hungUp == 0 && Clock::now() - begin < 10s) {
    taken += client.readBytes(1, 20ms).size();
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(watch.hungUp, 1);
  EXPECT_GE(Clock::now() - begin, 500ms);
  EXPECT_GT(taken, 10'000u); // it was reading
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  EXPECT_EQ(host.server.slowClients(), 1u);
}

TEST(HangUpTest, WhoHasMostWaitingGoesFirst) {
  std::vector<std::atomic<int>> hungUp(3); // outlives the server
  Watch watch;
  watch.stream = true;
  Limits limits;
  limits.waitingBytes = 64 << 20;
  limits.allWaitingBytes = 40 << 20;
  Host host(watch.handler(), limits);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(host.port(), 4096);
    clients.back().send(get("/"));
    ASSERT_TRUE(eventually([&] { return watch.asked == i + 1; }));
    watch.last().onHangUp([&hungUp, i] { ++hungUp[i]; });
  }
  // The system takes a few MiB of each.
  watch.responses[0].write(std::string(16 << 20, 'x'));
  watch.responses[1].write(std::string(8 << 20, 'x'));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(watch.hungUp, 0);
  watch.responses[2].write(std::string(48 << 20, 'x'));
  EXPECT_TRUE(eventually([&] { return hungUp[2] == 1; }));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(hungUp[0] + hungUp[1], 0);
  EXPECT_EQ(host.server.slowClients(), 1u);
}

/// The signal of a broken pipe has its default action, which would end this very process.
TEST(HangUpTest, BrokenPipesDoNotKill) {
  auto before = std::signal(SIGPIPE, SIG_DFL);
  Watch watch;
  watch.stream = true;
  Host host(watch.handler());
  for (int i = 0; i < 20; ++i) {
    Client client(host.port());
    client.send(get("/"));
    ASSERT_TRUE(eventually([&] { return watch.asked == i + 1; }));
    Response response = watch.last();
    std::thread writer([response] {
      for (int part = 0; part < 1000 && response.isOpen(); ++part)
        response.write(std::string(10'000, 'x'));
    });
    client.close(i % 2);
    writer.join();
  }
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  std::signal(SIGPIPE, before);
}

//===- The server's end ---------------------------------------------------------------------------------===//

TEST(StopTest, EndsInAnyState) {
  Watch watch;
  watch.stream = true;
  auto host = std::make_unique<Host>(watch.handler());
  Client idle(host->port()), header(host->port()), body(host->port()), computing(host->port());
  Client slow(host->port(), 4096), refused(host->port());
  header.send("GET / HT");
  body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel");
  computing.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  Response first = watch.last();
  slow.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 2; }));
  watch.last().write(std::string(4 << 20, 'x'));
  refused.send("NONSENSE\r\n\r\n");
  EXPECT_EQ(refused.read().status, 400); // and lingers
  auto before = Clock::now();
  host->server.stop();
  host->join();
  EXPECT_LT(Clock::now() - before, 3s);
  EXPECT_EQ(host->server.connections(), 0u);
  EXPECT_EQ(watch.hungUp, 2);
  for (Client *client : {&idle, &header, &body, &computing, &slow, &refused})
    EXPECT_TRUE(client->isClosed(1s));
  EXPECT_FALSE(first.isOpen());
  first.write("x");
  host.reset();
  // Answers outlive the server.
  first.write("x");
  first.onHangUp([] {});
  first.finish();
}

TEST(StopTest, MayComeBeforeRunAndTwice) {
  auto server = Server::listen("127.0.0.1", 0, {}, echo, nullptr);
  ASSERT_TRUE(server);
  server->stop();
  server->stop();
  server->run();
  server->post([] { FAIL(); });
}

TEST(StopTest, WithoutRunLeavesNothing) {
  auto server = Server::listen("127.0.0.1", 0, {}, echo, nullptr);
  ASSERT_TRUE(server);
  server->post([held = std::make_shared<int>(1)] {});
  Server moved = std::move(*server);
  EXPECT_NE(moved.port(), 0);
}

/// Threads that write while everything ends.
TEST(StopTest, WritersMeetTheEnd) {
  for (int round = 0; round < 10; ++round) {
    Watch watch;
    watch.stream = true;
    auto host = std::make_unique<Host>(watch.handler());
    std::vector<Client> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back(host->port());
      clients.back().send(get("/"));
    }
    ASSERT_TRUE(eventually([&] { return watch.asked == 4; }));
    std::vector<std::thread> writers;
    std::vector<Response> responses = watch.responses;
    watch.responses.clear();
    for (Response &response : responses)
      writers.emplace_back([response = std::move(response), round] {
        for (int part = 0; part < 2000; ++part)
          response.write("x");
        if (round % 2)
          response.finish();
      });
    responses.clear();
    std::this_thread::sleep_for(std::chrono::microseconds(round * 100));
    host.reset();
    for (auto &writer : writers)
      writer.join();
  }
}

TEST(StopTest, DrainingFinishesWhatIsInProgress) {
  Watch watch;
  Host host(watch.handler());
  Client idle(host.port()), used(host.port()), partial(host.port()), computing(host.port());
  used.send(get("/"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 1; }));
  watch.last().send({200, "text/plain", "used"});
  EXPECT_EQ(used.read().body, "used");
  partial.send("GET /partial HTTP/1.1\r\n");
  computing.send(get("/computing") + get("/never"));
  ASSERT_TRUE(eventually([&] { return watch.asked == 2; }));
  Response response = watch.last();
  std::this_thread::sleep_for(50ms);
  host.server.stopAccepting();
  EXPECT_TRUE(idle.isClosed());
  EXPECT_TRUE(used.isClosed());
  EXPECT_EQ(Client(host.port()).descriptor(), -1);
  response.send({200, "text/plain", "computed"});
  Answer answer = computing.read();
  EXPECT_EQ(answer.body, "computed");
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_TRUE(computing.isClosed());
  partial.send("Host: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return watch.asked == 3; }));
  watch.last().send({200, "text/plain", "late"});
  EXPECT_EQ(partial.read().body, "late");
  EXPECT_TRUE(partial.isClosed());
  for (Client *client : {&idle, &used, &partial, &computing})
    client->close();
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  EXPECT_EQ(watch.asked, 3); // the pipelined one was not begun
}

} // namespace
