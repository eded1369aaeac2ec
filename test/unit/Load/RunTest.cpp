//===- RunTest.cpp - Runs against a server that answers, fails and falls silent ---------------===//

#include "runtime/http/Server.h"
#include "runtime/load/Load.h"
#include <atomic>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <thread>

using namespace nibble;
using namespace nibble::load;

namespace {

/// What a request's body asks for, it gets.
class RunTest : public testing::Test {
protected:
  RunTest()
      : server(*http::Server::listen(
            "127.0.0.1", 0, {},
            [this](http::Request request, http::Response response) { answer(request, response); },
            [](unsigned status, const std::string &) { return http::Reply{status}; })),
        pool({"127.0.0.1", std::to_string(server.port()), ""}), thread([this] { server.run(); }) {
    EXPECT_TRUE(pool.resolve());
  }
  ~RunTest() override {
    server.stop();
    thread.join();
  }

  void answer(const http::Request &request, const http::Response &response) {
    ++asked;
    if (request.body == "429")
      return response.send({429, "application/json", R"({"error": {"message": "later"}})"});
    if (request.body == "silence")
      return silent.push_back(response);
    response.begin({200, "text/event-stream", ""});
    stream(request.body, response, 0);
  }
  /// Three tokens, one after the other.
  void stream(const std::string &kind, const http::Response &response, int token) {
    if (kind == "cut" && token == 2)
      return; // and the stream is abandoned
    if (token < 3)
      response.write("data: {\"choices\": [{\"text\": \"a\"}]}\n\n");
    else
      response.write("data: [DONE]\n\n");
    if (token == 3)
      return response.finish();
    server.postAfter(std::chrono::milliseconds(5), [=, this] { stream(kind, response, token + 1); });
  }

  RunResult run(std::vector<std::string> bodies, uint32_t concurrency, double timeout = 30,
                std::vector<double> arrivals = {}) {
    LoadPlan plan;
    plan.path = "/v1/completions";
    plan.outputTokens.assign(bodies.size(), 3);
    plan.body = [&bodies](size_t index) { return bodies[index]; };
    plan.concurrency = concurrency;
    plan.arrivals = std::move(arrivals);
    plan.timeout = timeout;
    return runLoad(pool, plan, [this](const Progress &progress) {
      last = progress;
      return !isInterrupted;
    });
  }

  std::atomic<int> asked = 0;
  std::set<std::string> peers;        // the loop's thread's
  std::vector<http::Response> silent; // the loop's thread's
  http::Server server;
  Pool pool;
  Progress last;
  std::atomic<bool> isInterrupted = false;
  std::thread thread;
};

TEST_F(RunTest, ConnectionsAreUsedAgain) {
  RunResult result = run(std::vector<std::string>(40, "stream"), 4);
  EXPECT_EQ(asked, 40);
  EXPECT_EQ(server.connections(), 4u);
  Summary summary = Summary::of({&result, 1}, {});
  EXPECT_EQ(summary.complete, 40u);
  EXPECT_EQ(summary.outputTokens, 120u);
  EXPECT_GE(summary.perToken.p50, 0.004);
  run(std::vector<std::string>(4, "stream"), 4); // the next run, too
  EXPECT_EQ(server.connections(), 4u);
}

TEST_F(RunTest, FailuresAreKeptApart) {
  RunResult result = run({"429", "cut", "stream", "silence", "429"}, 2, 0.3);
  Summary summary = Summary::of({&result, 1}, {});
  EXPECT_EQ(summary.complete, 1u);
  EXPECT_EQ(summary.failures["429"].count, 2u);
  EXPECT_EQ(summary.failures["429"].message, "later");
  EXPECT_EQ(summary.failures["hang-up"].count, 1u);
  EXPECT_EQ(summary.failures["timeout"].count, 1u);
}

TEST_F(RunTest, AThousandStreamsAreHeld) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 2100)); // both ends are here
  if (limit.rlim_cur < 2100 || ::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    GTEST_SKIP() << "needs 2,100 descriptors, may have " << limit.rlim_max;
  RunResult result = run(std::vector<std::string>(1000, "stream"), 1, 60, std::vector<double>(1000, 0.0));
  EXPECT_EQ(Summary::of({&result, 1}, {}).failures.size(), 0u);
  EXPECT_EQ(Summary::of({&result, 1}, {}).complete, 1000u);
}

TEST_F(RunTest, InterruptionEndsARun) {
  server.postAfter(std::chrono::milliseconds(150), [this] { isInterrupted = true; });
  RunResult result = run(std::vector<std::string>(100, "silence"), 10);
  ASSERT_EQ(result.records.size(), 10u); // those that were sent
  for (const RequestRecord &record : result.records)
    EXPECT_EQ(record.failure, "interrupted");
  isInterrupted = false;
  server.postAfter(std::chrono::milliseconds(150), [this] { isInterrupted = true; });
  result = run(std::vector<std::string>(2, "stream"), 1, 30, {0.0, 100.0}); // while it waits for an arrival
  EXPECT_EQ(result.records.size(), 1u);
}

/// A server that closes what is idle is no failure; one that is not there is.
TEST_F(RunTest, ClosedConnectionsAreOpenedAnew) {
  EXPECT_EQ(run({"stream"}, 1).records[0].failure, "");
  {
    http::Limits limits;
    limits.idle = std::chrono::milliseconds(20);
    auto other = *http::Server::listen(
        "127.0.0.1", 0, limits,
        [](http::Request, http::Response response) {
          response.begin(
              {200, "text/event-stream", "data: {\"choices\": [{\"text\": \"a\"}]}\n\ndata: [DONE]\n\n"});
          response.finish();
        },
        nullptr);
    Pool others({"127.0.0.1", std::to_string(other.port()), ""});
    ASSERT_TRUE(others.resolve());
    std::thread loop([&] { other.run(); });
    LoadPlan plan;
    plan.path = "/";
    plan.outputTokens = {1, 1};
    plan.body = [](size_t) { return "{}"; };
    plan.arrivals = {0, 0.3}; // long after the first connection was closed
    RunResult result = runLoad(others, plan, [](const Progress &) { return true; });
    EXPECT_EQ(Summary::of({&result, 1}, {}).complete, 2u);
    other.stop();
    loop.join();
    plan.arrivals = {0, 0};
    Pool nobody({"127.0.0.1", "1", ""});
    ASSERT_TRUE(nobody.resolve());
    result = runLoad(nobody, plan, [](const Progress &) { return true; });
    EXPECT_THAT(result.records[0].failure, testing::StartsWith("connect: "));
  }
}

TEST_F(RunTest, FetchesSmallAnswers) {
  Fetched fetched = fetch(pool, "/x", "", 5);
  EXPECT_EQ(fetched.status, 200u);
  EXPECT_EQ(fetched.failure, "");
  EXPECT_THAT(fetched.body, testing::HasSubstr("[DONE]"));
}

} // namespace
