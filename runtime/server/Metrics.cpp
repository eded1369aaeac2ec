//===- Metrics.cpp - Figures for Prometheus ---------------------------------------------------===//
#include "runtime/server/Metrics.h"
#include "runtime/server/Exposition.h"
#include "runtime/server/ProcessFigures.h"

namespace nibble::server {

// vLLM's bounds, in seconds.
static constexpr double toFirstBounds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                           1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
static constexpr double betweenBounds[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                           0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
static constexpr double requestBounds[] = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                           30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};

/// 1, 2, 5, 10, 20, 50 ... up to `most`.
static std::vector<double> countBounds(uint32_t most) {
  std::vector<double> bounds;
  for (double power = 1;; power *= 10)
    for (double factor : {1.0, 2.0, 5.0}) {
      if (power * factor > most)
        return bounds;
      bounds.push_back(power * factor);
    }
}

static constexpr const char *endings[] = {"stop", "length", "abort", "error"};
static size_t endingOf(FinishReason reason) {
  switch (reason) {
  case FinishReason::Stop:
    return 0;
  case FinishReason::Length:
    return 1;
  case FinishReason::Failed:
    return 3;
  default: // cancelled, out of time, the server went away
    return 2;
  }
}

static constexpr const char *rejections[] = {"queue_full", "draining",     "invalid",   "too_long",
                                             "too_large",  "unauthorized", "not_found", "forbidden"};

using Counter = std::atomic<uint64_t>;

static void add(Counter &counter) { counter.fetch_add(1, std::memory_order_relaxed); }
static uint64_t read(const Counter &counter) { return counter.load(std::memory_order_relaxed); }

struct Metrics::Series {
  Series(std::string model, uint32_t context)
      : labels("model_name=" + labelText(model)), tokenBounds(countBounds(context)) {}

  std::string labels; // of every sample
  std::vector<double> tokenBounds;

  std::array<Counter, std::size(endings)> ended = {};
  std::array<Counter, std::size(rejections)> refused = {};
  std::array<Counter, 500> responses = {}; // by status - 100
  Counter logErrors = 0, hangUps = 0;

  Histogram toFirst{toFirstBounds}, between{betweenBounds}, whole{requestBounds}, queued{requestBounds},
      prefill{requestBounds}, decode{requestBounds}, inference{requestBounds}, promptTokens{tokenBounds},
      generatedTokens{tokenBounds};
};

Metrics::Metrics(std::string model, uint32_t context)
    : series(new Series(std::move(model), context), [](Series *series) { delete series; }) {}

Metrics::Request::Request(Metrics &metrics, uint32_t choices)
    : metrics(&metrics), submitted(Clock::now()), last(choices) {}

void Metrics::Request::token(uint32_t choice) {
  auto now = Clock::now();
  Series &series = *metrics->series;
  bool isFirst = last[choice] == TimePoint();
  std::chrono::duration<double> seconds = now - (isFirst ? submitted : last[choice]);
  (isFirst ? series.toFirst : series.between).observe(seconds.count());
  last[choice] = now;
}

void Metrics::Request::finish(uint32_t choice, const GenerationResult &result) {
  Series &series = *metrics->series;
  add(series.ended[endingOf(result.reason)]);
  series.whole.observe(std::chrono::duration<double>(Clock::now() - submitted).count());
  if (choice == 0)
    series.promptTokens.observe(result.promptTokens);
  series.generatedTokens.observe(static_cast<double>(result.tokens.size()));
  if (result.tokens.empty())
    return; // it may never have run: it has no phases
  series.queued.observe(result.secondsQueued);
  series.prefill.observe(result.secondsToFirst - result.secondsQueued);
  series.decode.observe(result.seconds - result.secondsToFirst);
  series.inference.observe(result.seconds - result.secondsQueued);
}

void Metrics::rejected(Rejection reason) { add(series->refused[static_cast<size_t>(reason)]); }

void Metrics::responded(unsigned status) {
  if (status >= 100 && status < 600)
    add(series->responses[status - 100]);
}

void Metrics::logWriteFailed() { add(series->logErrors); }
void Metrics::hungUp() { add(series->hangUps); }

namespace {
/// Writes families that all have the same first label.
class Page {
public:
  Page(std::string &text, const std::string &labels) : text(text), labels(labels) {}

  void gauge(const char *name, const char *help, double value) { one(name, "gauge", help, value); }
  void counter(const char *name, const char *help, double value) { one(name, "counter", help, value); }
  void histogram(const char *name, const char *help, const Histogram &histogram) {
    writeFamily(text, name, "histogram", help);
    histogram.write(text, name, labels);
  }
  void counters(const char *name, const char *help) {
    family = name;
    writeFamily(text, name, "counter", help);
  }
  void sample(const char *label, const std::string &of, uint64_t value) {
    writeSample(text, family, labels + "," + label + "=" + labelText(of), static_cast<double>(value));
  }

private:
  void one(const char *name, const char *type, const char *help, double value) {
    writeFamily(text, name, type, help);
    writeSample(text, name, labels, value);
  }

  std::string &text;
  const std::string &labels;
  const char *family = "";
};
} // namespace

/// What the service knows.
static void writeService(Page &page, const ServiceStatistics &service) {
  page.gauge("vllm:num_requests_running", "Requests that take part in steps.", service.running);
  page.gauge("vllm:num_requests_waiting", "Requests that wait for their first step, or for another one.",
             service.waiting);
  page.gauge("vllm:kv_cache_usage_perc", "Pages of the KV cache in use; 1 means all of them.",
             service.pages ? double(service.usedPages) / service.pages : 0);
  page.counter("vllm:prefix_cache_queries_total",
               "Tokens of prompts that were looked for in the prefix cache.", service.prefix.queried);
  page.counter("vllm:prefix_cache_hits_total", "Tokens of prompts that were found there.",
               service.prefix.found);
  page.counter("vllm:num_preemptions_total", "Requests that gave their pages back and began again.",
               service.preemptions);
  page.counter("vllm:prompt_tokens_total", "Tokens of admitted prompts.", service.promptTokens);
  page.counter("vllm:generation_tokens_total", "Generated tokens.", service.generatedTokens);

  page.gauge("nibble:queue_tokens", "Prompt tokens of waiting requests.", service.waitingTokens);
  page.gauge("nibble:kv_cache_pages", "Pages of the KV cache.", service.pages);
  page.gauge("nibble:kv_cache_pages_used", "Pages that requests hold.", service.usedPages);
  page.gauge("nibble:prefix_cache_idle_pages", "Pages that hold kept prefixes only.", service.idlePages);
  page.counter("nibble:computed_prompt_tokens_total", "Prompt tokens that went through steps.",
               service.computedTokens);
  page.counter("nibble:steps_total", "Steps of the engine.", service.steps);
}

std::string Metrics::text(const ServiceStatistics &service, const ClientFigures &clients) const {
  std::string text;
  text.reserve(32u << 10);
  Page page(text, series->labels);
  writeService(page, service);

  page.counters("vllm:request_success_total", "Finished answers by reason; a request has `n` of them.");
  for (size_t i = 0; i < std::size(endings); ++i)
    page.sample("finished_reason", endings[i], read(series->ended[i]));
  page.histogram("vllm:time_to_first_token_seconds", "From arrival to an answer's first token.",
                 series->toFirst);
  page.histogram("vllm:inter_token_latency_seconds", "Between two tokens of an answer.", series->between);
  page.histogram("vllm:e2e_request_latency_seconds", "From arrival to the end of an answer.", series->whole);
  page.histogram("vllm:request_queue_time_seconds", "From arrival to the first step.", series->queued);
  page.histogram("vllm:request_prefill_time_seconds", "From the first step to the first token.",
                 series->prefill);
  page.histogram("vllm:request_decode_time_seconds", "From the first token to the last.", series->decode);
  page.histogram("vllm:request_inference_time_seconds", "From the first step to the last token.",
                 series->inference);
  page.histogram("vllm:request_prompt_tokens", "Prompt tokens of requests.", series->promptTokens);
  page.histogram("vllm:request_generation_tokens", "Generated tokens of answers.", series->generatedTokens);

  page.counters("nibble:requests_rejected_total", "Requests that got no answer, by reason.");
  for (size_t i = 0; i < std::size(rejections); ++i)
    page.sample("reason", rejections[i], read(series->refused[i]));
  page.counters("nibble:http_responses_total", "HTTP responses by status.");
  for (size_t i = 0; i < series->responses.size(); ++i)
    if (uint64_t count = read(series->responses[i]))
      page.sample("status", std::to_string(i + 100), count);
  page.gauge("nibble:connections", "Open connections.", clients.connections);
  page.counter("nibble:slow_clients_total",
               "Connections closed because their client took its answer too slowly.",
               static_cast<double>(clients.slow));
  page.counter("nibble:client_disconnects_total", "Clients that hung up before their answer was complete.",
               read(series->hangUps));
  page.counter("nibble:log_write_errors_total", "Lines of the access log that could not be written.",
               read(series->logErrors));
  writeProcessFigures(text);
  return text;
}

} // namespace nibble::server
