//===- ScheduleRun.cpp - The same requests under several schedules ----------------------------===//

#include "runtime/commands/ScheduleRun.h"
#include "nibble/runtime/Generator.h"
#include "runtime/commands/Verb.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace nibble;

uint64_t ScheduleLoad::tokens() const { return std::accumulate(outputs.begin(), outputs.end(), uint64_t(0)); }

std::vector<uint32_t> nibble::exponentialLengths(uint32_t count, uint32_t mean, uint32_t cap, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint32_t> lengths(count);
  for (uint32_t &length : lengths) {
    double uniform = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
    length = static_cast<uint32_t>(std::clamp(std::round(-std::log(uniform) * mean), 1.0, double(cap)));
  }
  return lengths;
}

std::string_view nibble::batchingName(Batching batching) {
  static constexpr std::string_view names[] = {"static", "static, finished rows dropped", "continuous"};
  return names[static_cast<size_t>(batching)];
}

/// Tokens that depend on the request's index alone, and of which no two requests share a beginning.
static std::vector<int32_t> promptOf(uint32_t request, uint32_t length, uint32_t vocabulary) {
  std::vector<int32_t> tokens(length);
  for (uint32_t i = 0; i < length; ++i)
    tokens[i] = static_cast<int32_t>((request * 104729ull + i * 7919ull + 11) % vocabulary);
  return tokens;
}

//===- Static batches -----------------------------------------------------------------------------------===//

namespace {

/// Sequences that started together.
class StaticBatch {
public:
  StaticBatch(Engine &engine, std::vector<Sampler> &samplers) : engine(engine), samplers(samplers) {}

  struct Row {
    SequenceId sequence;
    std::vector<int32_t> next; // tokens to be fed
    uint32_t left;             // to be generated
  };

  Result<void> start(uint32_t request, const ScheduleLoad &load) {
    NIBBLE_TRY(SequenceId sequence, engine.createSequence());
    rows.push_back(
        {sequence, promptOf(request, load.prompt, engine.model().vocabulary), load.outputs[request]});
    return {};
  }

  /// One token for every row, or for those that are not done; prompts first, within the token budget.
  Result<void> step(bool dropsFinished, uint64_t &steps) {
    size_t first = 0;
    while (first < rows.size()) {
      std::vector<StepInput> inputs;
      std::vector<Row *> taken;
      uint32_t budget = engine.options().tokenBudget;
      for (; first < rows.size() && rows[first].next.size() <= budget; ++first) {
        Row &row = rows[first];
        if (dropsFinished && row.left == 0)
          continue;
        budget -= static_cast<uint32_t>(row.next.size());
        inputs.push_back({row.sequence, row.next, 1});
        taken.push_back(&row);
      }
      if (inputs.empty())
        return {};
      NIBBLE_TRY(StepLogits logits, engine.step(inputs));
      ++steps;
      SamplingOptions greedy;
      greedy.temperature = 0;
      engine.runOnWorkers(static_cast<uint32_t>(taken.size()), [&](uint32_t index, uint32_t worker) {
        Row &row = *taken[index];
        auto token = samplers[worker].sample(logits.row(index), greedy, {});
        row.next.assign(1, token ? token->token : 0);
        row.left -= row.left > 0;
      });
    }
    return {};
  }

  bool isDone() const {
    return std::ranges::all_of(rows, [](const Row &row) { return row.left == 0; });
  }
  void end() {
    for (const Row &row : rows)
      engine.destroySequence(row.sequence);
    rows.clear();
  }

private:
  Engine &engine;
  std::vector<Sampler> &samplers;
  std::vector<Row> rows;
};

} // namespace

static Result<ScheduleRun> runStatic(Engine &engine, const ScheduleLoad &load, bool dropsFinished) {
  std::vector<Sampler> samplers(engine.plan().threads);
  StaticBatch batch(engine, samplers);
  ScheduleRun run = {.tokens = load.tokens()};
  TimePoint begin = Clock::now();
  for (uint32_t request = 0; request < load.outputs.size();) {
    while (request < load.outputs.size() && engine.freeSequences() > 0)
      NIBBLE_CHECK(batch.start(request++, load));
    while (!batch.isDone()) {
      if (Interruptible::isRequested())
        return failure("interrupted");
      NIBBLE_CHECK(batch.step(dropsFinished, run.steps));
    }
    batch.end();
  }
  run.seconds = secondsSince(begin);
  return run;
}

//===- The generator ------------------------------------------------------------------------------------===//

static GenerationRequest requestOf(std::vector<int32_t> prompt, uint32_t tokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.maxTokens = tokens;
  request.sampling.temperature = 0;
  return request;
}

static Result<ScheduleRun> runContinuous(Engine &engine, const ScheduleLoad &load) {
  Generator generator(engine, nullptr);
  ScheduleRun run = {.tokens = load.tokens()};
  TimePoint begin = Clock::now();
  for (uint32_t i = 0; i < load.outputs.size(); ++i)
    NIBBLE_CHECK(
        generator.submit(requestOf(promptOf(i, load.prompt, engine.model().vocabulary), load.outputs[i])));
  while (true) {
    if (Interruptible::isRequested())
      return failure("interrupted");
    NIBBLE_TRY(bool more, generator.step());
    if (!more)
      break;
  }
  run.seconds = secondsSince(begin);
  run.steps = generator.statistics().steps;
  return run;
}

Result<ScheduleRun> nibble::runSchedule(Engine &engine, const ScheduleLoad &load, Batching batching) {
  return batching == Batching::Continuous ? runContinuous(engine, load)
                                          : runStatic(engine, load, batching == Batching::StaticDropped);
}

//===- Prompts beside streams ---------------------------------------------------------------------------===//

namespace {

/// Streams that never end by themselves.
class Streams {
public:
  Streams(Engine &engine, uint32_t count, uint32_t prompt) : generator(engine, nullptr), gaps(nullptr) {
    uint32_t vocabulary = engine.model().vocabulary;
    last.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      GenerationRequest request = requestOf(promptOf(i, prompt, vocabulary), 0);
      request.onToken = [this, i](const TokenEvent &) {
        TimePoint now = Clock::now();
        if (gaps && last[i] != TimePoint())
          gaps->push_back(secondsBetween(last[i], now));
        last[i] = now;
      };
      ids.push_back(generator.submit(std::move(request)).value_or(0));
    }
  }

  Result<void> step() {
    if (Interruptible::isRequested())
      return failure("interrupted");
    NIBBLE_CHECK(generator.step());
    if (std::ranges::any_of(ids, [&](RequestId id) { return generator.isFinished(id); }))
      return failure("the streams have filled their context; take fewer prompts, or a larger --context");
    return {};
  }

  Generator generator;
  std::vector<double> *gaps; // where times go from token to token; null: nowhere

private:
  std::vector<TimePoint> last; // [stream] its last token
  std::vector<RequestId> ids;
};

} // namespace

Result<Interference> nibble::measureInterference(Engine &engine, uint32_t streams, uint32_t prompt,
                                                 uint32_t prompts) {
  Interference result;
  uint32_t vocabulary = engine.model().vocabulary;
  {
    double seconds = 0;
    for (uint32_t i = 0; i <= prompts;
         ++i) { // one after the other; the first touches memory and does not count
      Generator generator(engine, nullptr);
      NIBBLE_CHECK(generator.submit(requestOf(promptOf(1000 + i, prompt, vocabulary), 1)));
      TimePoint begin = Clock::now();
      while (true) {
        NIBBLE_TRY(bool more, generator.step());
        if (!more)
          break;
      }
      seconds += i > 0 ? secondsSince(begin) : 0;
    }
    result.promptRateAlone = static_cast<double>(prompt) * prompts / seconds;
  }
  Streams running(engine, streams, 32);
  // The streams' own contexts grow meanwhile: times alone and beside prompts are taken in turn.
  constexpr uint32_t kWarmUp = 20, kAlone = 100;
  for (uint32_t i = 0; i < kWarmUp; ++i)
    NIBBLE_CHECK(running.step());
  double seconds = 0;
  for (uint32_t i = 0; i < prompts; ++i) {
    running.gaps = &result.alone;
    for (uint32_t step = 0; step < kAlone; ++step)
      NIBBLE_CHECK(running.step());
    running.gaps = &result.beside;
    TimePoint begin = Clock::now();
    NIBBLE_TRY(RequestId id, running.generator.submit(requestOf(promptOf(2000 + i, prompt, vocabulary), 1)));
    while (!running.generator.isFinished(id))
      NIBBLE_CHECK(running.step());
    seconds += secondsSince(begin);
  }
  result.promptRate = static_cast<double>(prompt) * prompts / seconds;
  return result;
}
