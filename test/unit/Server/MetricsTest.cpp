//===- MetricsTest.cpp - Prometheus' text, and what goes into it ------------------------------===//
//
// The format is also read by Prometheus' own Python library, in test/Integration/test_metrics.py.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/server/Metrics.h"
#include "runtime/server/Exposition.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

using namespace nibble;
using namespace nibble::server;
using testing::HasSubstr;
using testing::Not;

namespace {

TEST(Exposition, Numbers) {
  EXPECT_EQ(numberText(0), "0.0");
  EXPECT_EQ(numberText(-3), "-3.0");
  EXPECT_EQ(numberText(0.1), "0.1");
  EXPECT_EQ(numberText(2560), "2560.0");
  EXPECT_EQ(numberText(1e21), "1e+21");
  EXPECT_EQ(numberText(1.0 / 0.0), "+Inf");
  EXPECT_EQ(numberText(9007199254740991.0), "9007199254740991.0");
}

TEST(Exposition, Labels) {
  EXPECT_EQ(labelText("a\"b\\c\nd"), R"("a\"b\\c\nd")");
  std::string text;
  writeFamily(text, "f_total", "counter", "What it is.");
  writeSample(text, "f_total", "a=\"b\"", 2);
  EXPECT_EQ(text, "# HELP f_total What it is.\n# TYPE f_total counter\nf_total{a=\"b\"} 2.0\n");
}

TEST(Histogram, CountsByUpperBound) {
  static constexpr double bounds[] = {1, 2.5, 10};
  Histogram histogram(bounds);
  for (double value : {0.5, 1.0, 1.5, 10.0, 11.0, 200.0})
    histogram.observe(value);
  EXPECT_EQ(histogram.count(), 6u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 224);
  std::string text;
  histogram.write(text, "h", "m=\"x\"");
  EXPECT_EQ(text, "h_bucket{m=\"x\",le=\"1.0\"} 2.0\nh_bucket{m=\"x\",le=\"2.5\"} 3.0\n"
                  "h_bucket{m=\"x\",le=\"10.0\"} 4.0\nh_bucket{m=\"x\",le=\"+Inf\"} 6.0\n"
                  "h_sum{m=\"x\"} 224.0\nh_count{m=\"x\"} 6.0\n");
}

TEST(Histogram, LosesNothingAmongThreads) {
  static constexpr double bounds[] = {1, 2};
  Histogram histogram(bounds);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n)
        histogram.observe(n % 3);
    });
  for (auto &thread : threads)
    thread.join();
  EXPECT_EQ(histogram.count(), 40000u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 4 * (3333 + 2 * 3333));
}

TEST(Metrics, OfTheService) {
  Metrics metrics("demo \"1\"", 512);
  ServiceStatistics service;
  service.running = 3;
  service.waiting = 2;
  service.waitingTokens = 77;
  service.pages = 200;
  service.usedPages = 50;
  service.idlePages = 7;
  service.preemptions = 1;
  service.promptTokens = 1000;
  service.generatedTokens = 300;
  service.prefix = {1000, 640};
  auto text = metrics.text(service, {.connections = 9, .slow = 3});
  for (const char *line :
       {"vllm:num_requests_running{model_name=\"demo \\\"1\\\"\"} 3.0\n",
        "vllm:num_requests_waiting{model_name=",
        "vllm:kv_cache_usage_perc{model_name=\"demo \\\"1\\\"\"} 0.25\n",
        "vllm:prompt_tokens_total{model_name=",
        "vllm:prefix_cache_hits_total{model_name=\"demo \\\"1\\\"\"} 640.0\n",
        "nibble:queue_tokens{model_name=\"demo \\\"1\\\"\"} 77.0\n",
        "nibble:prefix_cache_idle_pages{model_name=\"demo \\\"1\\\"\"} 7.0\n",
        "nibble:connections{model_name=\"demo \\\"1\\\"\"} 9.0\n",
        "nibble:slow_clients_total{model_name=\"demo \\\"1\\\"\"} 3.0\n", "\nprocess_open_fds "})
    EXPECT_THAT(text, HasSubstr(line));
  // 1-2-5 bounds end at the context.
  EXPECT_THAT(text,
              HasSubstr("vllm:request_prompt_tokens_bucket{model_name=\"demo \\\"1\\\"\",le=\"500.0\"}"));
  EXPECT_THAT(text, Not(HasSubstr("le=\"1000.0\"")));
}

TEST(Metrics, OfARequest) {
  Metrics metrics("m", 512);
  Metrics::Request request(metrics, 2);
  for (int token = 0; token < 3; ++token)
    request.token(0);
  request.token(1);
  GenerationResult result;
  result.promptTokens = 20;
  result.tokens = {1, 2, 3};
  result.reason = FinishReason::Stop;
  result.secondsQueued = 0.25;
  result.secondsToFirst = 1;
  result.seconds = 3.5;
  request.finish(0, result);
  result.tokens = {};
  result.reason = FinishReason::Deadline;
  request.finish(1, result);
  metrics.rejected(Rejection::QueueFull);
  metrics.responded(429);
  metrics.responded(99);
  metrics.logWriteFailed();
  metrics.hungUp();
  auto text = metrics.text({}, {});
  for (const char *line : {"vllm:time_to_first_token_seconds_count{model_name=\"m\"} 2.0\n",
                           "vllm:inter_token_latency_seconds_count{model_name=\"m\"} 2.0\n",
                           "vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 2.0\n",
                           "vllm:request_queue_time_seconds_sum{model_name=\"m\"} 0.25\n",
                           "vllm:request_prefill_time_seconds_sum{model_name=\"m\"} 0.75\n",
                           "vllm:request_decode_time_seconds_sum{model_name=\"m\"} 2.5\n",
                           "vllm:request_decode_time_seconds_count{model_name=\"m\"} 1.0\n",
                           "vllm:request_inference_time_seconds_sum{model_name=\"m\"} 3.25\n",
                           "vllm:request_prompt_tokens_sum{model_name=\"m\"} 20.0\n",
                           "vllm:request_generation_tokens_bucket{model_name=\"m\",le=\"2.0\"} 1.0\n",
                           "vllm:request_generation_tokens_bucket{model_name=\"m\",le=\"5.0\"} 2.0\n",
                           "vllm:request_success_total{model_name=\"m\",finished_reason=\"stop\"} 1.0\n",
                           "vllm:request_success_total{model_name=\"m\",finished_reason=\"abort\"} 1.0\n",
                           "vllm:request_success_total{model_name=\"m\",finished_reason=\"length\"} 0.0\n",
                           "nibble:requests_rejected_total{model_name=\"m\",reason=\"queue_full\"} 1.0\n",
                           "nibble:http_responses_total{model_name=\"m\",status=\"429\"} 1.0\n",
                           "nibble:log_write_errors_total{model_name=\"m\"} 1.0\n",
                           "nibble:client_disconnects_total{model_name=\"m\"} 1.0\n"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(text, Not(HasSubstr("status=\"99\"")));
}

} // namespace
