//===- ServerTest.cpp - Requests and answers over a socket ------------------------------------===//

#include "Client.h"
#include <filesystem>
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;
using testing::HasSubstr;

namespace {

TEST(ListenTest, KnowsWhetherOnlyThisMachineReachesIt) {
  for (auto [address, own] : {std::pair("127.0.0.1", true), std::pair("localhost", true),
                              std::pair("127.1.2.3", true), std::pair("0.0.0.0", false)}) {
    auto server = Server::listen(address, 0, {}, echo, nullptr);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(server->isLoopback(), own) << address;
  }
  // Where there is IPv6.
  for (auto [address, own] :
       {std::pair("::1", true), std::pair("::ffff:127.0.0.1", true), std::pair("::", false)})
    if (auto server = Server::listen(address, 0, {}, echo, nullptr))
      EXPECT_EQ(server->isLoopback(), own) << address;
}

TEST(ServerTest, AnswersOneRequestAfterTheOther) {
  Host host(echo);
  Client client(host.port());
  for (int i = 0; i < 3; ++i) {
    Answer answer = client.ask(get("/a?b=" + std::to_string(i)));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "GET /a b=" + std::to_string(i) + " ");
    EXPECT_EQ(answer.headers["content-type"], "text/plain");
    EXPECT_EQ(answer.headers["server"], "nibble");
    EXPECT_THAT(answer.headers["date"], HasSubstr(" GMT"));
    EXPECT_EQ(answer.headers.count("connection"), 0u);
    EXPECT_EQ(host.server.connections(), 1u);
  }
  EXPECT_EQ(client.ask(post("/p", "body")).body, "POST /p  body");
  client.close();
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
}

TEST(ServerTest, PassesOnWhoAsksAndWhatTheySaid) {
  Host host([](Request request, Response response) {
    response.send(
        {200, "text/plain", std::string(request.peer) + " " + std::string(request.header("AUTHORIZATION"))});
  });
  Client client(host.port());
  Answer answer = client.ask(get("/", "Authorization: Bearer abc\r\n"));
  EXPECT_THAT(answer.body, testing::MatchesRegex("127\\.0\\.0\\.1:[0-9]+ Bearer abc"));
}

TEST(ServerTest, ByteByByteIsTheSame) {
  Host host(echo);
  Client client(host.port());
  for (char byte : post("/slow", "hello"))
    ASSERT_TRUE(client.send({&byte, 1}));
  EXPECT_EQ(client.read().body, "POST /slow  hello");
  for (char byte :
       std::string("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
    ASSERT_TRUE(client.send({&byte, 1}));
  EXPECT_EQ(client.read().body, "POST /  abc");
}

TEST(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  std::atomic<int> active = 0, most = 0;
  std::vector<std::thread> threads;
  Host host([&](Request request, Response response) {
    most = std::max<int>(most, ++active);
    threads.emplace_back([&, request, response] {
      std::this_thread::sleep_for(request.path == "/0" ? 50ms : 1ms);
      --active;
      response.send({200, "text/plain", request.path + request.body});
    });
  });
  Client client(host.port());
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += i % 2 ? get("/" + std::to_string(i)) : post("/" + std::to_string(i), "x");
  client.send(all);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(client.read().body, "/" + std::to_string(i) + (i % 2 ? "" : "x"));
  EXPECT_EQ(most, 1);
  for (auto &thread : threads)
    thread.join();
}

/// More than is kept while an answer is computed: it waits in the system, and none of it is lost.
TEST(ServerTest, ManyBytesBehindARequestAreKept) {
  std::optional<Response> first;
  std::mutex mutex;
  Host host([&](Request request, Response response) {
    std::lock_guard lock(mutex);
    if (request.path == "/first")
      first = response;
    else
      response.send({200, "text/plain", std::to_string(request.body.size())});
  });
  Client client(host.port());
  std::thread sender([&] {
    client.send(get("/first"));
    for (int i = 0; i < 30; ++i)
      client.send(post("/", std::string(100'000 + i, 'x')));
  });
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(eventually([&] { return std::lock_guard(mutex), first.has_value(); }));
  {
    std::lock_guard lock(mutex);
    EXPECT_TRUE(first->isOpen());
    first->send({200, "text/plain", "first"});
    first.reset();
  }
  EXPECT_EQ(client.read().body, "first");
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(client.read().body, std::to_string(100'000 + i));
  sender.join();
}

TEST(ServerTest, ContinueIsSaidToWhoWaits) {
  Host host(echo);
  Client client(host.port());
  client.send("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  Answer answer = client.read();
  EXPECT_EQ(answer.status, 100);
  EXPECT_EQ(answer.head, "HTTP/1.1 100 Continue\n");
  client.send("hello");
  EXPECT_EQ(client.read().body, "POST /c  hello");
  // Who does not wait does not need it, and gets one answer.
  EXPECT_EQ(client.ask(post("/d", "hello", "Expect: 100-continue\r\n")).body, "POST /d  hello");
}

TEST(ServerTest, HeadHasNoBody) {
  Host host(echo);
  Client client(host.port());
  Answer answer = client.ask("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["content-length"], "9"); // "HEAD /h  "
  EXPECT_EQ(client.ask(get("/next")).body, "GET /next  ");
  EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").body, "OPTIONS *  ");
}

TEST(ServerTest, NoContentHasNoBody) {
  Host host([](Request, Response response) { response.send({204, "text/plain", "unseen"}); });
  Client client(host.port());
  Answer answer = client.ask(get("/"));
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.headers.count("content-length"), 0u);
  EXPECT_EQ(client.ask(get("/")).status, 204);
}

TEST(ServerTest, OldClientsAreClosedUnlessTheyAskNotTo) {
  Host host(echo);
  Client client(host.port());
  Answer answer = client.ask("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.headers["connection"], "keep-alive");
  answer = client.ask("GET /2 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_EQ(answer.body, "GET /2  ");
  EXPECT_TRUE(client.isClosed());
  Client modern(host.port());
  EXPECT_EQ(modern.ask(get("/", "Connection: close\r\n")).headers["connection"], "close");
  EXPECT_TRUE(modern.isClosed());
}

TEST(ServerTest, HalfClosedClientsGetWhatIsReady) {
  Host host(echo);
  Client client(host.port());
  client.send(get("/1") + get("/2"));
  client.shutdownSend();
  EXPECT_EQ(client.read().body, "GET /1  ");
  EXPECT_EQ(client.read().body, "GET /2  ");
  EXPECT_TRUE(client.isClosed());
}

TEST(ServerTest, ErrorsAreWellFormedAndEndTheConnection) {
  Host host(echo);
  const std::pair<const char *, int> cases[] = {
      {"NONSENSE\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417}};
  for (auto [request, status] : cases) {
    Client client(host.port());
    Answer answer = client.ask(request);
    EXPECT_EQ(answer.status, status) << request;
    EXPECT_TRUE(answer.whole);
    EXPECT_THAT(answer.body, HasSubstr("{\"error\": \"the request"));
    EXPECT_EQ(answer.headers["connection"], "close");
    EXPECT_TRUE(client.isClosed());
  }
}

TEST(ServerTest, WithoutAnAnswerThereIsAnError) {
  Host host([](Request request, Response) {
    if (request.path == "/throw")
      throw std::runtime_error("broken");
  });
  Client client(host.port());
  Answer answer = client.ask(get("/"));
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("without an answer"));
  answer = client.ask(get("/throw")); // on the same connection
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("broken"));
}

TEST(ServerTest, OnlyTheFirstAnswerCounts) {
  Host host([](Request, Response response) {
    response.send({200, "text/plain", "first"});
    response.send({500, "text/plain", "second"});
    response.begin({500, "text/plain", "third"});
    response.write("fourth");
    response.finish();
    EXPECT_FALSE(response.isOpen());
  });
  Client client(host.port());
  EXPECT_EQ(client.ask(get("/")).body, "first");
  EXPECT_EQ(client.ask(get("/")).body, "first");
}

TEST(ServerTest, LargeAnswersArriveWhole) {
  std::string large(20 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 1000)
    large[i] = static_cast<char>('a' + i / 1000 % 26);
  Host host([&](Request, Response response) { response.send({200, "text/plain", large}); });
  Client client(host.port());
  EXPECT_TRUE(client.ask(get("/")).body == large);
  EXPECT_TRUE(client.ask(get("/")).body == large);
}

TEST(ServerTest, PostRunsOnTheLoop) {
  Host host(echo);
  std::atomic<int> ran = 0;
  std::atomic<std::thread::id> first, second;
  auto before = std::chrono::steady_clock::now();
  host.server.postAfter(50ms, [&] {
    second = std::this_thread::get_id();
    ran += 10;
  });
  host.server.post([&] {
    first = std::this_thread::get_id();
    ran += 1;
  });
  host.server.post([] { throw std::runtime_error("what a task throws ends nothing"); });
  EXPECT_TRUE(eventually([&] { return ran == 11; }));
  EXPECT_GE(std::chrono::steady_clock::now() - before, 50ms);
  EXPECT_EQ(first.load(), second.load());
  EXPECT_NE(first.load(), std::this_thread::get_id());
}

TEST(ServerTest, ListenSaysWhatIsWrong) {
  Host host(echo);
  auto fail = [](const std::string &address, uint16_t port) {
    auto server = Server::listen(address, port, {}, echo, nullptr);
    return server ? std::string() : server.error().message;
  };
  EXPECT_THAT(fail("127.0.0.1", host.port()), HasSubstr("another program does"));
  EXPECT_THAT(fail("192.0.2.1", 0), HasSubstr("192.0.2.1:0: cannot listen"));
  EXPECT_THAT(fail("no such address", 0), HasSubstr("the address is not known"));
  EXPECT_EQ(fail("localhost", 0), "");
  if (std::filesystem::exists("/proc/net/if_inet6"))
    EXPECT_EQ(fail("::1", 0), "");
}

} // namespace
