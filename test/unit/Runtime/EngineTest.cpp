//===- EngineTest.cpp - Steps of the toy model against plain loops ----------------------------===//

#include "nibble/runtime/Engine.h"
#include "ToyModel.h"
#include <algorithm>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <thread>

using namespace nibble;
using testing::HasSubstr;

namespace {

class EngineTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    auto written = toy::write(toy::temporaryPath("engine"));
    ASSERT_TRUE(written) << written.error().message;
    auto opened = Artifact::open(toy::temporaryPath("engine"));
    ASSERT_TRUE(opened) << opened.error().message;
    artifact = new Artifact(std::move(*opened));
  }
  static void TearDownTestSuite() {
    delete artifact;
    artifact = nullptr;
  }

  static Engine make(EngineOptions options) {
    auto engine = Engine::create(*artifact, options);
    if (!engine)
      ADD_FAILURE() << engine.error().message;
    return std::move(*engine);
  }

  static EngineOptions withThreads(uint32_t threads) {
    EngineOptions options;
    options.threads = threads;
    options.rowBudget = 512;
    return options;
  }

  static Artifact *artifact;
};
Artifact *EngineTest::artifact = nullptr;

/// Feeds `tokens` in steps of `chunk`, all rows with logits, and compares each with the expected ones.
void feedAndCompare(Engine &engine, const std::vector<int32_t> &tokens, uint32_t chunk) {
  auto expected = toy::expectedLogits(tokens);
  auto sequence = engine.createSequence();
  ASSERT_TRUE(sequence);
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    auto part = std::span(tokens).subspan(begin, std::min<size_t>(chunk, tokens.size() - begin));
    StepInput input = {*sequence, part, static_cast<uint32_t>(part.size())};
    auto logits = engine.step({&input, 1});
    ASSERT_TRUE(logits) << logits.error().message;
    ASSERT_EQ(logits->rows, part.size());
    for (size_t r = 0; r < part.size(); ++r) {
      auto values = logits->row(static_cast<uint32_t>(r));
      std::vector<float> row(values.begin(), values.end());
      ASSERT_EQ(row, expected[begin + r]) << "position " << begin + r << ", chunk " << chunk;
    }
  }
  EXPECT_EQ(engine.length(*sequence), tokens.size());
  engine.destroySequence(*sequence);
}

TEST_F(EngineTest, LogitsEqualPlainLoopsWhateverTheChunksAndThreads) {
  std::vector<int32_t> tokens = toy::tokens(100, 1);
  for (uint32_t threads : {1u, 2u, 3u, 7u}) {
    Engine engine = make(withThreads(threads));
    // 16 rows are the last private step, 17 the first shared one.
    for (uint32_t chunk : {1u, 7u, 16u, 17u, 64u, 100u})
      feedAndCompare(engine, tokens, chunk);
  }
}

TEST_F(EngineTest, CacheTypesAndWeightModes) {
  std::vector<int32_t> tokens = toy::tokens(70, 2);
  for (WeightsMode mode : {WeightsMode::Map, WeightsMode::Huge, WeightsMode::Auto})
    for (CacheType type : {CacheType::F32, CacheType::BF16}) {
      EngineOptions options = withThreads(2);
      options.weights = mode;
      options.cacheType = type;
      Engine engine = make(options);
      EXPECT_EQ(engine.plan().pageBytes, 2u * 2 * 2 * 32 * 8 * cacheTypeSize(type));
      feedAndCompare(engine, tokens, 33);
    }
  EngineOptions options;
  options.cacheType = CacheType::F16;
  auto engine = Engine::create(*artifact, options);
  ASSERT_FALSE(engine);
  EXPECT_THAT(engine.error().message, HasSubstr("it has f32, bf16"));
}

TEST_F(EngineTest, AutomaticCopyOfTheWeightsChangesNoLogits) {
  std::vector<int32_t> tokens = toy::tokens(100, 3);
  auto expected = toy::expectedLogits(tokens);
  for (uint32_t threads : {1u, 3u}) {
    EngineOptions options = withThreads(threads);
    options.leastCopy = 1;
    Engine engine = make(options);
    EXPECT_EQ(engine.weightsPlace(), WeightsPlace::Mapped);
    auto sequence = engine.createSequence();
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    uint32_t after = 0; // rounds with the copy
    for (uint32_t round = 0; after < 3 && std::chrono::steady_clock::now() < end; ++round) {
      after += engine.weightsPlace() == WeightsPlace::Copied;
      engine.truncate(*sequence, 0);
      // One token and 40: operands of private and of shared steps.
      for (auto part : {std::span(tokens).first(1), std::span(tokens).subspan(1, 40)}) {
        StepInput input = {*sequence, part, static_cast<uint32_t>(part.size())};
        auto logits = engine.step({&input, 1});
        ASSERT_TRUE(logits);
        size_t first = part.data() - tokens.data();
        for (uint32_t r = 0; r < part.size(); ++r)
          ASSERT_TRUE(std::ranges::equal(logits->row(r), expected[first + r])) << round << " " << first + r;
      }
    }
    EXPECT_EQ(after, 3u) << "the weights were never copied";
  }
}

TEST_F(EngineTest, OnlyLargeWeightsAreCopiedAndNoneThatShallBeMapped) {
  std::vector<int32_t> tokens = toy::tokens(20, 4);
  for (WeightsMode mode : {WeightsMode::Auto, WeightsMode::Map}) {
    EngineOptions options = withThreads(1);
    options.weights = mode;
    if (mode == WeightsMode::Map)
      options.leastCopy = 1;
    Engine engine = make(options);
    for (int round = 0; round < 50; ++round) {
      feedAndCompare(engine, tokens, 5);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ASSERT_EQ(engine.weightsPlace(), WeightsPlace::Mapped);
    }
  }
  EngineOptions options = withThreads(1);
  options.weights = WeightsMode::Huge;
  EXPECT_EQ(make(options).weightsPlace(), WeightsPlace::Copied);
}

TEST_F(EngineTest, RaggedBatchesMixPromptsAndDecodingRows) {
  Engine engine = make(withThreads(2));
  std::vector<std::vector<int32_t>> tokens;
  std::vector<SequenceId> ids;
  std::vector<std::vector<std::vector<float>>> expected;
  std::vector<size_t> done;
  for (uint32_t s = 0; s < 9; ++s) {
    tokens.push_back(toy::tokens(20 + 11 * s, s));
    expected.push_back(toy::expectedLogits(tokens.back()));
    ids.push_back(*engine.createSequence());
    done.push_back(0);
  }
  for (uint32_t round = 0;; ++round) {
    std::vector<StepInput> inputs;
    std::vector<std::pair<size_t, size_t>> rows; // sequence, position
    for (size_t s = 0; s < tokens.size(); ++s) {
      size_t count = std::min<size_t>(1 + (s * 5 + round * 3) % 23, tokens[s].size() - done[s]);
      if (count == 0)
        continue;
      auto wanted = static_cast<uint32_t>((s + round) % (count + 1));
      inputs.push_back({ids[s], std::span(tokens[s]).subspan(done[s], count), wanted});
      for (size_t r = count - wanted; r < count; ++r)
        rows.emplace_back(s, done[s] + r);
      done[s] += count;
    }
    if (inputs.empty())
      break;
    auto logits = engine.step(inputs);
    ASSERT_TRUE(logits) << logits.error().message;
    ASSERT_EQ(logits->rows, rows.size());
    for (uint32_t r = 0; r < rows.size(); ++r)
      for (uint32_t v = 0; v < toy::kVocabulary; ++v)
        ASSERT_EQ(logits->row(r)[v], expected[rows[r].first][rows[r].second][v]);
  }
}

TEST_F(EngineTest, TruncateForgetsAndReleasesPages) {
  Engine engine = make(withThreads(1));
  uint32_t pages = engine.freePages();
  std::vector<int32_t> first = toy::tokens(90, 3), second = first;
  for (size_t i = 40; i < second.size(); ++i)
    second[i] = (second[i] + 1) % 60;
  auto expected = toy::expectedLogits(second);
  SequenceId id = *engine.createSequence();
  StepInput input = {id, first, 0};
  ASSERT_TRUE(engine.step({&input, 1}));
  EXPECT_EQ(engine.freePages(), pages - 3);
  engine.truncate(id, 40);
  EXPECT_EQ(engine.length(id), 40u);
  EXPECT_EQ(engine.freePages(), pages - 2);
  input = {id, std::span(second).subspan(40), 1};
  auto logits = engine.step({&input, 1});
  ASSERT_TRUE(logits);
  EXPECT_THAT(logits->row(0), testing::ElementsAreArray(expected.back()));
  engine.destroySequence(id);
  EXPECT_EQ(engine.freePages(), pages);
  EXPECT_EQ(engine.length(id), 0u);
  input = {id, first, 0};
  EXPECT_FALSE(engine.step({&input, 1}));
}

TEST_F(EngineTest, RefusesWhatDoesNotFitAndChangesNothing) {
  EngineOptions options = withThreads(1);
  options.tokenBudget = 150;
  options.rowBudget = 8;
  options.sequences = 2;
  options.pages = 5;
  Engine engine = make(options);
  SequenceId a = *engine.createSequence(), b = *engine.createSequence();
  EXPECT_FALSE(engine.createSequence());

  std::vector<int32_t> tokens = toy::tokens(200, 4);
  auto expectFailure = [&](std::vector<StepInput> inputs, const char *message) {
    uint32_t pages = engine.freePages(), length = engine.length(a);
    auto logits = engine.step(inputs);
    ASSERT_FALSE(logits) << message;
    EXPECT_THAT(logits.error().message, HasSubstr(message));
    EXPECT_EQ(engine.freePages(), pages);
    EXPECT_EQ(engine.length(a), length);
  };
  auto first = [&](uint32_t count) { return std::span(tokens).first(count); };
  std::vector<int32_t> bad = {1, 60}, negative = {-1};
  expectFailure({}, "at least one sequence");
  expectFailure({{a, bad, 0}}, "token id 60 is not in the vocabulary of 60");
  expectFailure({{a, negative, 0}}, "token id -1");
  expectFailure({{a, first(151), 0}}, "the context is 128");
  expectFailure({{a, first(100), 0}, {b, first(60), 0}}, "exceeds the budget of 150");
  expectFailure({{a, first(20), 9}}, "exceeds the budget of 8");
  expectFailure({{a, first(20), 21}}, "asks for 21 rows");
  expectFailure({{a, first(2), 0}, {a, first(2), 0}}, "names a sequence twice");
  expectFailure({{a, first(0), 0}}, "brings 0 tokens");
  StepInput input = {a, first(100), 0}; // 4 of 5 pages
  ASSERT_TRUE(engine.step({&input, 1}));
  expectFailure({{b, first(33), 0}}, "has 1 free pages; the step needs 2");
  expectFailure({{a, first(29), 0}}, "would have 129 positions");
  input = {a, first(28), 1};
  EXPECT_TRUE(engine.step({&input, 1}));
}

TEST_F(EngineTest, RefusesOptionsOutOfRange) {
  auto expectFailure = [&](EngineOptions options, const char *message) {
    auto plan = planMemory(*artifact, options);
    ASSERT_FALSE(plan) << message;
    EXPECT_THAT(plan.error().message, HasSubstr(message));
  };
  EngineOptions options;
  options.context = 201;
  expectFailure(options, "the model was made for 200 positions");
  options = {};
  options.cpu = "avx512";
  expectFailure(options, "was not compiled for 'avx512'; it has x86-64");
  options = {};
  options.tokenBudget = 0;
  expectFailure(options, "token budget is 0");
  options = {};
  options.threads = 5000;
  expectFailure(options, "at most 1024");
}

TEST_F(EngineTest, MemoryPlanAddsUp) {
  EngineOptions options = withThreads(3);
  options.tokenBudget = 100;
  options.rowBudget = 10;
  options.sequences = 4;
  auto plan = planMemory(*artifact, options);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->weights, 2u * 60 * 16 * 4);
  EXPECT_EQ(plan->arena, 100u * 128 + 10 * 256 + 64);
  EXPECT_EQ(plan->pages, 4u * 4); // 128 positions each
  EXPECT_EQ(plan->cache, 16u * 2 * 2 * 2 * 32 * 8 * 4);
  EXPECT_EQ(plan->workers, 3u * 4096);
  EXPECT_THAT(describe(*plan), HasSubstr("KV cache"));
}

/// Prompts that begin alike, forks and truncations in a cache that is too small for them all: whatever pages
/// a sequence begins on or shares, its logits are those of its tokens.
TEST_F(EngineTest, FitsTheCacheIntoTheMemoryGiven) {
  EngineOptions options = withThreads(2);
  options.sequences = 8;
  MemoryPlan whole = *planMemory(*artifact, options);
  uint64_t fixed = whole.total() - whole.cache;
  for (uint32_t pages : {1u, 3u, whole.pages}) {
    auto fitted = fitMemory(*artifact, options, fixed + pages * whole.pageBytes + whole.pageBytes - 1);
    ASSERT_TRUE(fitted) << fitted.error().message;
    EXPECT_EQ(fitted->pages, pages);
    EXPECT_EQ(fitted->weights, WeightsMode::Map);
    EXPECT_EQ(planMemory(*artifact, *fitted)->total(), fixed + pages * whole.pageBytes);
  }
  EXPECT_EQ(fitMemory(*artifact, options, UINT64_MAX)->pages, whole.pages);
  EXPECT_EQ(fitMemory(*artifact, options, std::nullopt)->pages, whole.pages); // the toy is small
  auto refused = fitMemory(*artifact, options, fixed);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("give at least"));
}

TEST_F(EngineTest, SharedPrefixesChangeNoLogits) {
  EngineOptions options = withThreads(2);
  options.keepsPrefixes = true;
  options.sequences = 4;
  options.pages = 12;
  Engine engine = make(options);
  struct Live {
    SequenceId id;
    std::vector<int32_t> tokens; // stored
  };
  std::vector<Live> live;
  std::mt19937 random(7);
  auto feed = [&](Live &one, std::vector<int32_t> more) {
    StepInput input = {one.id, more, 1};
    if (engine.freePages() < more.size() / 32 + 2)
      return;
    auto logits = engine.step({&input, 1});
    ASSERT_TRUE(logits) << logits.error().message;
    one.tokens.insert(one.tokens.end(), more.begin(), more.end());
    ASSERT_TRUE(std::ranges::equal(logits->row(0), toy::expectedLogits(one.tokens).back()));
  };
  std::vector<int32_t> stem = toy::tokens(100, 1);
  uint32_t forks = 0, cuts = 0;
  for (int round = 0; round < 400; ++round) {
    uint32_t what = random() % 8;
    if (live.empty() || (what < 3 && live.size() < options.sequences)) {
      std::vector<int32_t> prompt(stem.begin(), stem.begin() + random() % 90);
      for (uint32_t rest = random() % 30 + 1; rest > 0; --rest)
        prompt.push_back(static_cast<int32_t>(random() % 2 + 5));
      auto id = engine.createSequence(prompt);
      ASSERT_TRUE(id) << id.error().message;
      uint32_t known = engine.length(*id);
      ASSERT_LT(known, prompt.size());
      live.push_back({*id, {prompt.begin(), prompt.begin() + known}});
      feed(live.back(), {prompt.begin() + known, prompt.end()});
      continue;
    }
    size_t chosen = random() % live.size();
    Live &one = live[chosen];
    if (what == 3 && live.size() < options.sequences) {
      auto id = engine.forkSequence(one.id);
      ASSERT_TRUE(id) << id.error().message;
      live.push_back({*id, one.tokens});
      ++forks;
    } else if (what == 4 && !one.tokens.empty()) {
      one.tokens.resize(random() % one.tokens.size());
      engine.truncate(one.id, static_cast<uint32_t>(one.tokens.size()));
      ++cuts;
    } else if (what == 5) {
      engine.destroySequence(one.id);
      live.erase(live.begin() + static_cast<ptrdiff_t>(chosen));
    } else if (one.tokens.size() < 120) {
      feed(one, {static_cast<int32_t>(random() % 2 + 5), 9});
    }
  }
  for (const Live &one : live)
    engine.destroySequence(one.id);
  EXPECT_EQ(engine.freePages(), options.pages);
  EXPECT_GT(engine.idlePages(), 0u);
  EXPECT_GT(engine.prefixStatistics().found, 1000u);
  EXPECT_GT(forks, 10u);
  EXPECT_GT(cuts, 10u);
}

TEST_F(EngineTest, WithoutPrefixesNothingIsKept) {
  Engine engine = make(withThreads(1));
  std::vector<int32_t> tokens = toy::tokens(70, 3);
  feedAndCompare(engine, tokens, 70);
  auto id = engine.createSequence(tokens);
  EXPECT_EQ(engine.length(*id), 0u);
  EXPECT_EQ(engine.idlePages(), 0u);
  engine.destroySequence(*id);
  EXPECT_FALSE(engine.forkSequence(*id));
}

TEST_F(EngineTest, ProfileCountsEveryDispatch) {
  EngineOptions options = withThreads(2);
  options.profile = true;
  Engine engine = make(options);
  feedAndCompare(engine, toy::tokens(64, 5), 16);
  auto times = engine.profile();
  ASSERT_EQ(times.size(), 7u);
  EXPECT_EQ(times[0].name, "embed");
  EXPECT_EQ(times[6].name, "head");
  EXPECT_EQ(times[6].runs, 4u);
  EXPECT_GT(times[2].seconds, 0);
}

} // namespace
