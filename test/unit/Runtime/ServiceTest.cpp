//===- ServiceTest.cpp - Many threads ask one engine ------------------------------------------===//

#include "nibble/runtime/Service.h"
#include "ToyModel.h"
#include <condition_variable>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <thread>

using namespace nibble;
using testing::HasSubstr;

namespace {

class ServiceTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    auto written = toy::write(toy::temporaryPath("service"));
    ASSERT_TRUE(written) << written.error().message;
    auto opened = Artifact::open(toy::temporaryPath("service"));
    ASSERT_TRUE(opened) << opened.error().message;
    artifact = new Artifact(std::move(*opened));
  }
  static void TearDownTestSuite() {
    delete artifact;
    artifact = nullptr;
  }

  static Engine make(uint32_t sequences, uint32_t pages = 0) {
    EngineOptions options;
    options.threads = 2;
    options.tokenBudget = 64;
    options.sequences = options.rowBudget = sequences;
    options.pages = pages;
    options.keepsPrefixes = true;
    auto engine = Engine::create(*artifact, options);
    if (!engine)
      ADD_FAILURE() << engine.error().message;
    return std::move(*engine);
  }

  /// A request whose end can be waited for.
  struct Asked {
    GenerationRequest request;
    std::future<GenerationResult> result;
  };
  static Asked ask(std::vector<int32_t> prompt, uint32_t count) {
    Asked asked;
    asked.request.prompt = std::move(prompt);
    asked.request.maxTokens = count;
    asked.request.sampling.temperature = 0;
    auto promise = std::make_shared<std::promise<GenerationResult>>();
    asked.result = promise->get_future();
    asked.request.onFinish = [promise](uint32_t, const GenerationResult &result, std::string_view) {
      promise->set_value(result);
    };
    return asked;
  }

  static void waitUntilIdle(const Service &service) {
    for (int i = 0; i < 20000 && !service.isIdle(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(service.isIdle());
  }

  static Artifact *artifact;
};
Artifact *ServiceTest::artifact = nullptr;

TEST_F(ServiceTest, ThreadsGetWhatEachRequestGivesAlone) {
  Engine engine = make(6, 20);
  Service service(engine, nullptr);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 10; ++i) {
        std::vector<int32_t> prompt = toy::tokens(5 + 3 * i, t * 10 + i);
        Asked asked = ask(prompt, 5 + i);
        ASSERT_TRUE(service.submit(std::move(asked.request)));
        EXPECT_EQ(asked.result.get().tokens, toy::greedy(prompt, 5 + i));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  waitUntilIdle(service);
  ServiceStatistics statistics = service.statistics();
  EXPECT_EQ(statistics.running + statistics.waiting, 0u);
  EXPECT_EQ(statistics.usedPages, 0u);
  EXPECT_EQ(statistics.generatedTokens, 4u * (5 * 10 + 45));
  EXPECT_EQ(statistics.pages, 20u);
}

TEST_F(ServiceTest, SaysNoAtOnceWhereTheQueueIsFull) {
  Engine engine = make(2);
  QueueBound bound = {.requests = 3, .tokens = 60};
  Service service(engine, nullptr, bound);
  // Hold the engine's thread inside of a step.
  std::promise<void> entered, release;
  Asked first = ask(toy::tokens(10, 1), 50);
  std::shared_future<void> released = release.get_future().share();
  bool isFirst = true;
  first.request.onToken = [&, released](const TokenEvent &) {
    if (std::exchange(isFirst, false)) {
      entered.set_value();
      released.wait();
    }
  };
  ASSERT_TRUE(service.submit(std::move(first.request)));
  entered.get_future().wait();
  // What is known is the state before the step: two places are free, and three may wait.
  std::vector<Asked> accepted;
  for (int i = 0; i < 10; ++i) {
    Asked asked = ask(toy::tokens(10, 2 + i), 5);
    auto submitted = service.submit(std::move(asked.request));
    if (i < 4) {
      EXPECT_TRUE(submitted) << i;
      accepted.push_back(std::move(asked));
    } else {
      ASSERT_FALSE(submitted) << i;
      EXPECT_EQ(submitted.error().kind, Refusal::Kind::Full);
      EXPECT_GE(submitted.error().retryAfter, 1u);
    }
  }
  EXPECT_GE(service.statistics().waiting, 4u);
  release.set_value();
  for (Asked &asked : accepted)
    EXPECT_EQ(asked.result.get().reason, FinishReason::Length);
  EXPECT_EQ(first.result.get().tokens.size(), 50u);
}

TEST_F(ServiceTest, RefusesWhatCanNeverRun) {
  Engine engine = make(2);
  Service service(engine, nullptr);
  auto refused = service.submit(ask(toy::tokens(500, 1), 5).request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::Invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("context"));
}

TEST_F(ServiceTest, CancelledRequestsEndAndFreeTheirPages) {
  Engine engine = make(4);
  Service service(engine, nullptr);
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<RequestId> ids;
    std::vector<Asked> asked;
    for (int i = 0; i < 8; ++i) {
      asked.push_back(ask(toy::tokens(10 + i, i), 110));
      ids.push_back(*service.submit(std::move(asked.back().request)));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    for (RequestId id : ids)
      service.cancel(id);
    for (Asked &one : asked) {
      GenerationResult result = one.result.get();
      EXPECT_TRUE(result.reason == FinishReason::Cancelled || result.reason == FinishReason::Length);
    }
  }
  waitUntilIdle(service);
  EXPECT_EQ(service.statistics().usedPages, 0u);
  service.cancel(12345); // nobody
}

TEST_F(ServiceTest, DrainsAndAborts) {
  Engine engine = make(2);
  Service service(engine, nullptr);
  Asked long1 = ask(toy::tokens(10, 1), 110);
  ASSERT_TRUE(service.submit(std::move(long1.request)));
  service.drain();
  auto refused = service.submit(ask(toy::tokens(10, 2), 5).request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::Draining);
  EXPECT_EQ(long1.result.get().tokens.size(), 110u); // what was accepted goes on
  waitUntilIdle(service);
  EXPECT_TRUE(service.isDraining());

  Engine other = make(1);
  Service aborted(other, nullptr);
  Asked running = ask(toy::tokens(10, 1), 110), waiting = ask(toy::tokens(10, 2), 110);
  // Keeps the first from ending before abort() is heard.
  running.request.onToken = [](const TokenEvent &) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  ASSERT_TRUE(aborted.submit(std::move(running.request)));
  ASSERT_TRUE(aborted.submit(std::move(waiting.request)));
  aborted.abort();
  EXPECT_EQ(running.result.get().reason, FinishReason::Aborted);
  EXPECT_EQ(waiting.result.get().reason, FinishReason::Aborted);
}

TEST_F(ServiceTest, EndsWithRequestsInEveryState) {
  std::vector<Asked> asked;
  {
    Engine engine = make(2);
    Service service(engine, nullptr);
    for (int i = 0; i < 20; ++i) {
      asked.push_back(ask(toy::tokens(10, i), 110));
      ASSERT_TRUE(service.submit(std::move(asked.back().request)));
    }
  }
  for (Asked &one : asked)
    EXPECT_NE(one.result.get().reason, FinishReason::None);
}

} // namespace
