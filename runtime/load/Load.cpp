//===- Load.cpp - Requests sent by a plan -----------------------------------------------------===//

#include "runtime/load/Load.h"
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <unordered_map>

using namespace nibble;
using namespace nibble::load;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kTick{100};

class Run {
public:
  Run(Pool &pool, const LoadPlan &plan, const std::function<bool(const Progress &)> &onTick)
      : pool(pool), plan(plan), onTick(onTick), arrival(pool.loop), ticker(pool.loop) {
    result.records.resize(plan.outputTokens.size());
  }

  RunResult run() {
    pool.loop.restart();
    if (plan.arrivals.empty()) {
      for (uint32_t i = 0; i < plan.concurrency; ++i)
        sendNext();
    } else {
      awaitArrival();
    }
    tick();
    pool.loop.run();
    return std::move(result);
  }

private:
  double now() const { return std::chrono::duration<double>(Clock::now() - begin).count(); }
  bool isOver() const { return done == result.records.size() || (interrupted && running.empty()); }

  void sendNext() {
    if (next < result.records.size() && !interrupted)
      send(next++, now());
  }

  void awaitArrival() {
    if (next == plan.arrivals.size() || interrupted)
      return;
    arrival.expires_at(begin + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(plan.arrivals[next])));
    arrival.async_wait([this](boost::system::error_code cancelled) {
      if (cancelled)
        return;
      while (next < plan.arrivals.size() && plan.arrivals[next] <= now()) {
        size_t index = next++;
        send(index, plan.arrivals[index]);
      }
      awaitArrival();
    });
  }

  void send(size_t index, double due) {
    RequestRecord &record = result.records[index];
    record.askedTokens = plan.outputTokens[index];
    std::string body = plan.body(index);
    record.start = now();
    record.due = std::min(due, record.start);
    auto reader = std::make_shared<AnswerReader>(record);
    Call::Hearer hearer;
    hearer.onHead = [reader](unsigned status, bool isEventStream) { reader->onHead(status, isEventStream); };
    hearer.onBody = [this, reader, &record](std::string_view bytes) {
      uint32_t before = record.chunks;
      reader->onBody(bytes, now());
      chunks += record.chunks - before;
    };
    hearer.onEnd = [this, reader, index](const std::string &why) { onEnd(*reader, index, why); };
    auto call = std::make_shared<Call>(pool, std::move(hearer));
    running.emplace(index, call);
    call->start("POST", plan.path, plan.headers, body);
  }

  void onEnd(AnswerReader &reader, size_t index, const std::string &why) {
    reader.onEnd(why);
    failed += !result.records[index].failure.empty();
    ++done;
    running.erase(index);
    result.seconds = now();
    if (plan.arrivals.empty() && !interrupted) // not from here: a server that refuses all would make it deep
      asio::post(pool.loop, [this] { sendNext(); });
    if (isOver())
      ticker.cancel();
  }

  void tick() {
    if (isOver())
      return;
    ticker.expires_after(kTick);
    ticker.async_wait([this](boost::system::error_code cancelled) {
      if (cancelled)
        return;
      double time = now();
      for (auto &[index, call] : std::vector(running.begin(), running.end()))
        if (time - result.records[index].start > plan.timeout)
          call->cancel("timeout");
      if (!onTick({done, result.records.size(), running.size(), failed, chunks, time})) {
        interrupted = true;
        arrival.cancel();
        for (auto &[index, call] : std::vector(running.begin(), running.end()))
          call->cancel("interrupted");
        result.records.resize(next);
      }
      tick();
    });
  }

  Pool &pool;
  const LoadPlan &plan;
  const std::function<bool(const Progress &)> &onTick;
  const Clock::time_point begin = Clock::now();
  asio::steady_timer arrival, ticker;
  RunResult result;
  std::unordered_map<size_t, std::shared_ptr<Call>> running;
  size_t next = 0, done = 0, failed = 0;
  uint64_t chunks = 0;
  bool interrupted = false;
};

} // namespace

RunResult nibble::load::runLoad(Pool &pool, const LoadPlan &plan,
                                const std::function<bool(const Progress &)> &onTick) {
  return Run(pool, plan, onTick).run();
}

Fetched nibble::load::fetch(Pool &pool, const std::string &path, const std::string &headers, double timeout) {
  constexpr size_t kMostBytes = 16u << 20;
  pool.loop.restart();
  Fetched fetched;
  asio::steady_timer timer(pool.loop);
  Call::Hearer hearer;
  hearer.onHead = [&](unsigned status, bool) { fetched.status = status; };
  hearer.onBody = [&](std::string_view bytes) {
    fetched.body.append(bytes.substr(0, kMostBytes - fetched.body.size()));
  };
  hearer.onEnd = [&](const std::string &failure) {
    fetched.failure = failure;
    timer.cancel();
  };
  auto call = std::make_shared<Call>(pool, std::move(hearer));
  timer.expires_after(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout)));
  timer.async_wait([&](boost::system::error_code cancelled) {
    if (!cancelled)
      call->cancel("timeout");
  });
  call->start("GET", path, headers, "");
  pool.loop.run();
  return fetched;
}
