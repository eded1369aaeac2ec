//===- Service.cpp - An engine that many threads may ask --------------------------------------===//

#include "nibble/runtime/Service.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

using namespace nibble;

namespace {

/// How many requests end in a second, smoothed: what somebody who is turned away has to wait for.
class FinishRate {
public:
  void count(TimePoint now) {
    if (last != TimePoint()) {
      double gap = secondsBetween(last, now);
      meanGap = meanGap == 0 ? gap : 0.9 * meanGap + 0.1 * gap;
    }
    last = now;
  }
  double secondsFor(size_t requests) const { return meanGap * static_cast<double>(requests); }

private:
  TimePoint last;
  double meanGap = 0; // seconds
};

} // namespace

struct Service::State {
  Engine &engine;
  const Tokenizer *tokenizer;
  const QueueBound bound;

  // Shared by all threads, under the mutex.
  mutable std::mutex mutex;
  std::condition_variable wake;
  struct Arrival {
    RequestId id;
    GenerationRequest request;
  };
  struct Inbox {
    std::vector<Arrival> arrivals;
    std::vector<RequestId> cancellations;
    bool abort = false, end = false;
    bool isEmpty() const { return arrivals.empty() && cancellations.empty() && !abort && !end; }
  } inbox;
  uint64_t inboxTokens = 0;
  RequestId nextId = 1;
  bool draining = false;
  size_t unfinished = 0;   // requests that were accepted
  ServiceStatistics shown; // as of the last step, and of the last look into the inbox
  FinishRate finishRate;

  // The thread's own.
  struct Entry {
    RequestId generatorId;
    uint32_t choices; // unfinished
  };
  std::unordered_map<RequestId, Entry> entries;
  std::vector<RequestId> finished;
  std::thread thread;

  State(Engine &engine, const Tokenizer *tokenizer, QueueBound bound)
      : engine(engine), tokenizer(tokenizer), bound(bound) {
    shown.pages = engine.plan().pages;
  }

  void run();
  Inbox takeInbox(bool hasWork);
  void handle(Generator &generator, Inbox inbox);
  void begin(Generator &generator, Arrival arrival);
  void publish(Generator &generator);
};

Service::Service(Engine &engine, const Tokenizer *tokenizer, QueueBound bound)
    : state(std::make_unique<State>(engine, tokenizer, bound)) {
  state->thread = std::thread([this] { state->run(); });
}

Service::~Service() {
  {
    std::lock_guard lock(state->mutex);
    state->draining = state->inbox.end = true;
  }
  state->wake.notify_one();
  state->thread.join();
}

//===- Asked from any thread ----------------------------------------------------------------------------===//

tl::expected<RequestId, Refusal> Service::submit(GenerationRequest request) {
  using Kind = Refusal::Kind;
  if (auto valid = Generator::check(request, state->engine, state->tokenizer); !valid)
    return tl::unexpected(Refusal{Kind::Invalid, valid.error().message, 0});
  if (request.sequence)
    return tl::unexpected(Refusal{Kind::Invalid, "a service's sequences are its own", 0});
  std::unique_lock lock(state->mutex);
  if (state->draining)
    return tl::unexpected(Refusal{Kind::Draining, "the server is shutting down", 5});
  const QueueBound &bound = state->bound;
  const ServiceStatistics &now = state->shown;
  size_t waiting = now.waiting + state->inbox.arrivals.size();
  uint64_t tokens = now.waitingTokens + state->inboxTokens;
  // Who need not wait does not count against the queue.
  uint32_t sequences = state->engine.options().sequences;
  size_t places = sequences - std::min<size_t>(sequences, now.running);
  auto retryAfter =
      static_cast<uint32_t>(std::clamp(std::ceil(state->finishRate.secondsFor(waiting / 2)), 1.0, 60.0));
  if (waiting >= places + bound.requests)
    return tl::unexpected(
        Refusal{Kind::Full, "the queue is full: " + std::to_string(waiting) + " requests wait", retryAfter});
  if (waiting >= places && tokens + request.prompt.size() > bound.tokens)
    return tl::unexpected(Refusal{
        Kind::Full, "the queue is full: its prompts have " + std::to_string(tokens) + " tokens", retryAfter});
  RequestId id = state->nextId++;
  state->inboxTokens += request.prompt.size();
  ++state->unfinished;
  state->inbox.arrivals.push_back({id, std::move(request)});
  lock.unlock();
  state->wake.notify_one();
  return id;
}

void Service::cancel(RequestId request) {
  std::lock_guard lock(state->mutex);
  state->inbox.cancellations.push_back(request);
  state->wake.notify_one();
}

void Service::drain() {
  std::lock_guard lock(state->mutex);
  state->draining = true;
}

void Service::abort() {
  std::lock_guard lock(state->mutex);
  state->draining = state->inbox.abort = true;
  state->wake.notify_one();
}

bool Service::isDraining() const {
  std::lock_guard lock(state->mutex);
  return state->draining;
}

bool Service::isIdle() const {
  std::lock_guard lock(state->mutex);
  return state->unfinished == 0;
}

ServiceStatistics Service::statistics() const {
  std::lock_guard lock(state->mutex);
  ServiceStatistics result = state->shown;
  result.waiting += static_cast<uint32_t>(state->inbox.arrivals.size());
  result.waitingTokens += state->inboxTokens;
  return result;
}

//===- The thread ---------------------------------------------------------------------------------------===//

void Service::State::run() {
  Generator generator(engine, tokenizer);
  bool hasWork = false;
  while (true) {
    Inbox taken = takeInbox(hasWork);
    bool ends = taken.end;
    handle(generator, std::move(taken));
    if (ends)
      return;
    hasWork = generator.step().value_or(true); // what failed has told its requests
    publish(generator);
  }
}

Service::State::Inbox Service::State::takeInbox(bool hasWork) {
  std::unique_lock lock(mutex);
  if (!hasWork)
    wake.wait(lock, [&] { return !inbox.isEmpty(); });
  shown.waiting += static_cast<uint32_t>(inbox.arrivals.size());
  shown.waitingTokens += std::exchange(inboxTokens, 0);
  return std::exchange(inbox, {});
}

void Service::State::handle(Generator &generator, Inbox taken) {
  for (Arrival &arrival : taken.arrivals)
    begin(generator, std::move(arrival));
  for (RequestId id : taken.cancellations)
    if (auto found = entries.find(id); found != entries.end())
      generator.cancel(found->second.generatorId);
  if (taken.abort || taken.end)
    generator.cancel(FinishReason::Aborted);
}

void Service::State::begin(Generator &generator, Arrival arrival) {
  RequestId id = arrival.id;
  uint32_t choices = arrival.request.choices;
  arrival.request.onFinish = [this, id, onFinish = std::move(arrival.request.onFinish)](
                                 uint32_t choice, const GenerationResult &result, std::string_view rest) {
    if (onFinish)
      onFinish(choice, result, rest);
    if (--entries.at(id).choices == 0)
      finished.push_back(id);
  };
  // Generator::check has passed, and brings no sequence: nothing else is refused.
  entries.emplace(id, Entry{*generator.submit(std::move(arrival.request)), choices});
}

void Service::State::publish(Generator &generator) {
  for (RequestId id : finished) {
    generator.forget(entries.at(id).generatorId);
    entries.erase(id);
  }
  const GenerationStatistics &statistics = generator.statistics();
  GenerationLoad load = generator.load();
  TimePoint now = Clock::now();
  std::lock_guard lock(mutex);
  for (size_t i = 0; i < finished.size(); ++i)
    finishRate.count(now);
  unfinished -= finished.size();
  finished.clear();
  shown = {.running = load.running,
           .waiting = load.waiting,
           .waitingTokens = load.waitingTokens,
           .pages = engine.plan().pages,
           .usedPages = engine.plan().pages - engine.freePages(),
           .idlePages = engine.idlePages(),
           .preemptions = statistics.preemptions,
           .promptTokens = statistics.admittedTokens,
           .computedTokens = statistics.promptTokens,
           .generatedTokens = statistics.generatedTokens,
           .steps = statistics.steps,
           .prefix = engine.prefixStatistics()};
}
