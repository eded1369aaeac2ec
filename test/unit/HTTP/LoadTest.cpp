//===- LoadTest.cpp - Many at once ------------------------------------------------------------===//

#include "Client.h"
#include <random>
#include <sys/resource.h>

using namespace nibble;
using namespace nibble::http;
using namespace nibble::http::test;

namespace {

/// Both ends of each connection are in this process.
void allowDescriptors(rlim_t count) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < count) {
    limit.rlim_cur = std::min(count, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < count)
    GTEST_SKIP() << "needs " << count << " descriptors, may have " << limit.rlim_max;
}

/// A thread that gives every open answer a part, round after round, as an engine does.
class Engine {
public:
  explicit Engine(int rounds) : rounds(rounds), thread([this] { run(); }) {}
  ~Engine() {
    ending = true;
    thread.join();
  }
  std::function<void(Request, Response)> handler() {
    return [this](Request request, Response response) {
      response.begin({200, "text/event-stream", ""});
      std::lock_guard lock(mutex);
      arriving.push_back({response, request.path, 0});
    };
  }
  std::atomic<int> finished = 0, left = 0;

private:
  struct Stream {
    Response response;
    std::string name;
    int round;
  };
  void run() {
    std::vector<Stream> streams;
    while (!ending) {
      {
        std::lock_guard lock(mutex);
        for (Stream &stream : arriving)
          streams.push_back(std::move(stream));
        arriving.clear();
      }
      for (size_t i = 0; i < streams.size();) {
        Stream &stream = streams[i];
        bool isOpen = stream.response.isOpen(), isLast = ++stream.round == rounds;
        if (isOpen)
          stream.response.write("data: " + stream.name + " " + std::to_string(stream.round) + "\n\n");
        if (isOpen && !isLast) {
          ++i;
          continue;
        }
        if (isOpen)
          stream.response.finish();
        ++(isOpen ? finished : left);
        std::swap(stream, streams.back());
        streams.pop_back();
      }
      std::this_thread::sleep_for(1ms);
    }
  }

  const int rounds;
  std::atomic<bool> ending = false;
  std::mutex mutex;
  std::vector<Stream> arriving;
  std::thread thread;
};

TEST(LoadTest, AThousandStreamsAtOnce) {
  constexpr int kStreams = 1000, kRounds = 50;
  allowDescriptors(2 * kStreams + 100);
  if (testing::Test::IsSkipped())
    return;
  Engine engine(kRounds);
  Host host(engine.handler());
  std::vector<Client> clients;
  for (int i = 0; i < kStreams; ++i) {
    clients.emplace_back(host.port());
    ASSERT_NE(clients.back().descriptor(), -1);
  }
  EXPECT_TRUE(eventually([&] { return host.server.connections() == kStreams; }));
  for (int i = 0; i < kStreams; ++i)
    ASSERT_TRUE(clients[i].send(get("/" + std::to_string(i))));
  for (int i = 0; i < kStreams; ++i) {
    Answer answer = clients[i].read(false, 60s);
    std::string expected;
    for (int round = 1; round <= kRounds; ++round)
      expected += "data: /" + std::to_string(i) + " " + std::to_string(round) + "\n\n";
    ASSERT_TRUE(answer.whole);
    ASSERT_EQ(answer.body, expected);
  }
  EXPECT_TRUE(eventually([&] { return engine.finished == kStreams; }));
  clients.clear();
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
}

/// A third of the clients go at a random moment; nothing of them stays.
TEST(LoadTest, ManyHangUp) {
  constexpr int kClients = 600;
  allowDescriptors(300);
  Engine engine(10);
  Host host(engine.handler());
  std::mt19937 random(1);
  int whole = 0, given = 0;
  for (int begun = 0; begun < kClients; begun += 50) {
    std::vector<Client> clients;
    for (int i = 0; i < 50; ++i) {
      clients.emplace_back(host.port());
      clients.back().send(get("/" + std::to_string(i)));
    }
    for (Client &client : clients)
      if (random() % 3 == 0) {
        ++given;
        if (random() % 2)
          client.readBytes(1 + random() % 500, std::chrono::milliseconds(random() % 10));
        client.close(random() % 2);
      }
    for (Client &client : clients)
      if (client.descriptor() >= 0)
        whole += client.read(false, 30s).whole;
  }
  EXPECT_EQ(whole + given, kClients);
  EXPECT_TRUE(eventually([&] { return host.server.connections() == 0; }));
  EXPECT_TRUE(eventually([&] { return engine.finished + engine.left == kClients; }));
  EXPECT_GE(engine.finished, whole);
}

} // namespace
