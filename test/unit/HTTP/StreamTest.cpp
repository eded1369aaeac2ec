//===- StreamTest.cpp - Answers by parts ------------------------------------------------------===//

#include "Client.h"
#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;

namespace {

/// Hands the answer to the test's thread.
struct Held {
  std::mutex mutex;
  std::vector<Response> responses;
  std::function<void(Request, Response)> handler() {
    return [this](Request, Response response) {
      std::lock_guard lock(mutex);
      responses.push_back(std::move(response));
    };
  }
  Response get(size_t index = 0) {
    EXPECT_TRUE(eventually([&] { return std::lock_guard(mutex), responses.size() > index; }));
    std::lock_guard lock(mutex);
    return responses.at(index);
  }
  void drop() {
    std::lock_guard lock(mutex);
    responses.clear();
  }
};

TEST(StreamTest, PartsComeAtOnce) {
  Held held;
  Host host(held.handler());
  Client client(host.port());
  client.send(get("/"));
  Response response = held.get();
  response.begin({200, "text/event-stream", ""});
  std::string head = client.readBytes(1, 1s); // although nothing is written yet
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, testing::HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  for (std::string part : {"a", "bcd", "data: x\n\n"}) {
    response.write(part);
    std::string size(1, "0123456789"[part.size()]);
    std::string expected = size + "\r\n" + part + "\r\n";
    EXPECT_EQ(client.readBytes(expected.size(), 1s), expected);
  }
  response.write(""); // which would end the stream if it were sent as a chunk
  response.finish();
  EXPECT_EQ(client.readBytes(5), "0\r\n\r\n");
  client.send(get("/next")); // the connection goes on
  held.get(1).send({200, "text/plain", "next"});
  EXPECT_EQ(client.read().body, "next");
}

TEST(StreamTest, FirstPartIsTheReplysBody) {
  Host host([](Request, Response response) {
    response.begin({200, "text/plain", "one "});
    response.write("two");
    response.finish();
    response.write("three");
  });
  Client client(host.port());
  Answer answer = client.ask(get("/"));
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "one two");
}

/// What several threads write while the loop is busy goes out together, each thread's parts in order.
TEST(StreamTest, SmallPartsAreBatched) {
  constexpr int kParts = 20'000;
  Host host([](Request, Response response) {
    response.begin({200, "text/plain", ""});
    for (int i = 0; i < kParts; ++i) // on the loop's thread, which sends nothing meanwhile
      response.write(std::to_string(i) + "\n");
    response.finish();
  });
  Client client(host.port());
  Answer answer = client.ask(get("/"));
  std::string expected;
  for (int i = 0; i < kParts; ++i)
    expected += std::to_string(i) + "\n";
  EXPECT_TRUE(answer.body == expected);
  EXPECT_EQ(answer.chunks.size(), 1u);
}

TEST(StreamTest, OldClientsReadToTheEnd) {
  Host host([](Request, Response response) {
    response.begin({200, "text/plain", "one "});
    response.write("two");
    response.finish();
  });
  Client client(host.port());
  Answer answer = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_EQ(answer.body, "one two");
  EXPECT_TRUE(answer.whole);
}

TEST(StreamTest, HeadOfAStreamHasNoParts) {
  Host host([](Request, Response response) {
    response.begin({200, "text/plain", "one "});
    response.write("two");
    response.finish();
  });
  Client client(host.port());
  EXPECT_EQ(client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask(get("/")).body, "one two");
}

TEST(StreamTest, AbandonedStreamsAreCutNotEnded) {
  Held held;
  Host host(held.handler());
  Client client(host.port());
  client.send(get("/"));
  {
    Response response = held.get();
    response.begin({200, "text/plain", "one"});
    held.drop();
  }
  Answer answer = client.read();
  EXPECT_EQ(answer.body, "one");
  EXPECT_FALSE(answer.whole);
  EXPECT_TRUE(client.isClosed());
}

TEST(StreamTest, ThreadsMayWriteTogether) {
  Held held;
  Host host(held.handler());
  Client client(host.port());
  client.send(get("/"));
  Response response = held.get();
  response.begin({200, "text/plain", ""});
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'e'; ++name)
    threads.emplace_back([response, name] {
      for (int i = 0; i < 2000; ++i)
        response.write(std::string(1, name) + std::to_string(i) + "\n");
    });
  std::thread reader([&] {
    Answer answer = client.read(false, 30s);
    EXPECT_TRUE(answer.whole);
    int next[4] = {};
    size_t at = 0;
    while (at < answer.body.size()) {
      int &expected = next[answer.body[at] - 'a'];
      std::string line = answer.body.substr(at + 1, answer.body.find('\n', at) - at - 1);
      ASSERT_EQ(line, std::to_string(expected));
      ++expected;
      at += line.size() + 2;
    }
    EXPECT_EQ(next[0] + next[1] + next[2] + next[3], 8000);
  });
  for (auto &thread : threads)
    thread.join();
  response.finish();
  reader.join();
}

/// A client that reads slowly, but reads, gets everything.
TEST(StreamTest, SlowReadersGetEverything) {
  Held held;
  Limits limits;
  limits.stalled = 300ms;
  limits.slow = 200ms;
  limits.slowBytes = 4096; // much less than it takes
  Host host(held.handler(), limits);
  Client client(host.port(), 4096);
  client.send(get("/"));
  Response response = held.get();
  std::string part(1 << 20, 'x');
  response.begin({200, "text/plain", part + part});
  response.finish();
  size_t body = 0;
  auto until = std::chrono::steady_clock::now() + 1200ms; // four times as long as a stop may last
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(20ms);
    body += client.readBytes(1, 1s).size();
  }
  EXPECT_LT(body, 2u << 20); // it was slow indeed
  for (std::string more; !(more = client.readBytes(1, 1s)).empty();)
    body += more.size();
  EXPECT_GE(body, 2u << 20);
}

} // namespace
