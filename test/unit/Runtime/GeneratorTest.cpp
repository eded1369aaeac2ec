//===- GeneratorTest.cpp - Scheduling, stopping and streaming on the toy model ----------------===//

#include "nibble/runtime/Generator.h"
#include "ToyModel.h"
#include "nibble/runtime/Grammar.h"
#include "runtime/engine/TextStream.h"
#include "test/unit/Tokenizer/Fixtures.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <regex>
#include <set>

using namespace nibble;
using nibble::test::Compiled;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

//===- Stop strings
//---------------------------------------------------------------------------------------===//

/// What comes out of a filter when `text` goes in by parts of `size` bytes.
std::vector<std::string> filtered(std::vector<std::string> stops, std::string_view text, size_t size,
                                  bool &stopped) {
  StopStringFilter filter(std::move(stops));
  std::vector<std::string> parts;
  for (size_t i = 0; i < text.size(); i += size)
    parts.push_back(filter.push(text.substr(i, size)));
  stopped = filter.isStopped();
  parts.push_back(filter.finish());
  return parts;
}

std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += part;
  return text;
}

TEST(StopStringFilterTest, CutsAtTheFirstStopStringHoweverTheTextArrives) {
  for (size_t size : {1u, 2u, 3u, 5u, 100u}) {
    bool stopped = false;
    EXPECT_EQ(joined(filtered({"END"}, "The EN of the ENDING", size, stopped)), "The EN of the ");
    EXPECT_TRUE(stopped);
    EXPECT_EQ(joined(filtered({"END", "of"}, "The EN of the END", size, stopped)), "The EN ");
    EXPECT_TRUE(stopped);
    EXPECT_EQ(joined(filtered({"END"}, "nothing E EN", size, stopped)), "nothing E EN");
    EXPECT_FALSE(stopped);
    EXPECT_EQ(joined(filtered({"aab"}, "aaab", size, stopped)), "a");
    EXPECT_TRUE(stopped);
    EXPECT_EQ(joined(filtered({"", "x"}, "abc", size, stopped)), "abc");
    EXPECT_FALSE(stopped);
  }
}

TEST(StopStringFilterTest, HoldsBackOnlyWhatMayBeginAStopString) {
  bool stopped = false;
  EXPECT_THAT(filtered({"END"}, "aENb", 1, stopped), ElementsAre("a", "", "", "ENb", ""));
  EXPECT_THAT(filtered({"END"}, "aE", 1, stopped), ElementsAre("a", "", "E"));
}

//===- Generator
//------------------------------------------------------------------------------------------===//

class GeneratorTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    auto written = toy::write(toy::temporaryPath("generator"), "", {{"tokenizer", toy::tokenizer()}});
    ASSERT_TRUE(written) << written.error().message;
    auto opened = Artifact::open(toy::temporaryPath("generator"));
    ASSERT_TRUE(opened) << opened.error().message;
    artifact = new Artifact(std::move(*opened));
    auto parsed = Tokenizer::open(artifact->segment("tokenizer"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    tokenizer = new Tokenizer(std::move(*parsed));
  }
  static void TearDownTestSuite() {
    delete tokenizer;
    delete artifact;
    tokenizer = nullptr;
    artifact = nullptr;
  }

  static Engine make(uint32_t tokenBudget, uint32_t sequences, uint32_t pages = 0) {
    EngineOptions options;
    options.threads = 2;
    options.tokenBudget = tokenBudget;
    options.sequences = options.rowBudget = sequences;
    options.pages = pages;
    auto engine = Engine::create(*artifact, options);
    if (!engine)
      ADD_FAILURE() << engine.error().message;
    return std::move(*engine);
  }

  static GenerationRequest request(std::vector<int32_t> prompt, uint32_t count) {
    GenerationRequest result;
    result.prompt = std::move(prompt);
    result.maxTokens = count;
    result.sampling.temperature = 0;
    return result;
  }

  static void runAll(Generator &generator) {
    while (true) {
      auto more = generator.step();
      ASSERT_TRUE(more) << more.error().message;
      if (!*more)
        return;
    }
  }

  static Artifact *artifact;
  static Tokenizer *tokenizer;
};
Artifact *GeneratorTest::artifact = nullptr;
Tokenizer *GeneratorTest::tokenizer = nullptr;

TEST_F(GeneratorTest, ManyPromptsGiveWhatEachGivesAlone) {
  // Budgets from too small for one prompt to large enough for all, fewer sequences than requests, few pages.
  struct Case {
    uint32_t tokens, sequences, pages;
  };
  for (Case c : {Case{512, 8, 0}, Case{9, 8, 0}, Case{1, 3, 0}, Case{40, 2, 0}, Case{64, 8, 6}}) {
    Engine engine = make(c.tokens, c.sequences, c.pages);
    uint32_t freePages = engine.freePages();
    Generator generator(engine, nullptr);
    std::vector<std::vector<int32_t>> prompts;
    for (uint32_t i = 0; i < 7; ++i) {
      prompts.push_back(toy::tokens(3 + i * 9, i));
      ASSERT_TRUE(generator.submit(request(prompts.back(), 5 + i)));
    }
    runAll(generator);
    uint64_t promptTokens = 0;
    for (uint32_t i = 0; i < 7; ++i) {
      EXPECT_EQ(generator.result(i).tokens, toy::greedy(prompts[i], 5 + i))
          << "prompt " << i << ", budget " << c.tokens;
      EXPECT_EQ(generator.result(i).reason, FinishReason::Length);
      promptTokens += prompts[i].size();
    }
    EXPECT_EQ(generator.statistics().promptTokens, promptTokens);
    EXPECT_EQ(generator.statistics().decodedTokens,
              4u + 5 + 6 + 7 + 8 + 9 + 10); // the first token comes with the prompt
    EXPECT_EQ(engine.freePages(), freePages);
    EXPECT_EQ(engine.freeSequences(), c.sequences);
  }
}

TEST_F(GeneratorTest, PromptsStartOnWhatEarlierOnesStored) {
  EngineOptions options;
  options.threads = 2;
  options.sequences = 2;
  options.keepsPrefixes = true;
  auto engine = Engine::create(*artifact, options);
  ASSERT_TRUE(engine) << engine.error().message;
  Generator generator(*engine, nullptr);
  std::vector<int32_t> prompt = toy::tokens(80, 1);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(generator.submit(request(prompt, 5)));
    runAll(generator);
    EXPECT_EQ(generator.result(round).tokens, toy::greedy(prompt, 5));
  }
  // The first prompt whole, of the others what follows two full pages.
  EXPECT_EQ(generator.statistics().promptTokens, 80u + 16 + 16);
  EXPECT_EQ(engine->prefixStatistics().found, 128u);
}

TEST_F(GeneratorTest, DecodingRowsComeBeforePrompts) {
  Engine engine = make(8, 4);
  TimePoint time;
  Generator generator(engine, nullptr, [&] { return time += std::chrono::milliseconds(1); });
  ASSERT_TRUE(generator.submit(request(toy::tokens(4, 1), 30)));
  ASSERT_TRUE(*generator.step());
  ASSERT_TRUE(generator.submit(request(toy::tokens(70, 2), 3)));
  // A step without prompt tokens, to learn its length; then 70 tokens at 7 a step, while the first request
  // gets a token in every step.
  for (size_t step = 1; step <= 11; ++step) {
    ASSERT_TRUE(*generator.step());
    EXPECT_EQ(generator.result(0).tokens.size(), 1 + step);
    EXPECT_EQ(generator.result(1).tokens.size(), step == 11 ? 1u : 0u);
  }
}

TEST_F(GeneratorTest, StopsAtAnyEndTokenAndCountsIt) {
  Engine engine = make(64, 2);
  std::vector<int32_t> prompt = toy::tokens(10, 3), free = toy::greedy(prompt, 12);
  Generator generator(engine, nullptr);
  GenerationRequest stopping = request(prompt, 12);
  stopping.stopTokens = {free[0] == 50 ? 51 : 50, free[4]};
  ASSERT_TRUE(generator.submit(stopping));
  runAll(generator);
  EXPECT_EQ(generator.result(0).tokens, toy::greedy(prompt, 12, stopping.stopTokens));
  EXPECT_EQ(generator.result(0).reason, FinishReason::Stop);
}

TEST_F(GeneratorTest, StreamsTextAndEndsAtStopStrings) {
  Engine engine = make(64, 2);
  std::vector<int32_t> prompt = *tokenizer->encode("hello");
  ASSERT_THAT(prompt, ElementsAre(1, 10, 7, 14, 14, 17));
  // Greedy text of the toy model repeats itself: sample instead, once without text to learn the tokens.
  auto sampled = [&] {
    GenerationRequest result = request(prompt, 40);
    result.sampling.temperature = 30;
    result.sampling.seed = 4;
    return result;
  };
  Generator silent(engine, nullptr);
  ASSERT_TRUE(silent.submit(sampled()));
  runAll(silent);
  std::string text;
  for (int32_t token : silent.result(0).tokens)
    text += token < 3 ? std::string() : toy::characters().substr(static_cast<size_t>(token) - 3, 1);
  ASSERT_GT(text.size(), 8u);

  std::string heard;
  GenerationRequest plain = sampled();
  plain.onText = [&](std::string_view part) { heard += part; };
  Generator generator(engine, tokenizer);
  ASSERT_TRUE(generator.submit(plain));
  runAll(generator);
  EXPECT_EQ(generator.result(0).text, text);
  EXPECT_EQ(heard, text);

  std::string stop = text.substr(4, 3);
  GenerationRequest stopping = sampled();
  stopping.stopStrings = {stop};
  heard.clear();
  stopping.onText = plain.onText;
  ASSERT_TRUE(generator.submit(stopping));
  runAll(generator);
  EXPECT_EQ(generator.result(1).text, text.substr(0, text.find(stop)));
  EXPECT_EQ(heard, generator.result(1).text);
  EXPECT_EQ(generator.result(1).reason, FinishReason::Stop);
  EXPECT_LT(generator.result(1).tokens.size(), 40u);
}

TEST_F(GeneratorTest, RefusesInsteadOfCutting) {
  Engine engine = make(64, 2);
  Generator generator(engine, nullptr);
  auto expectRefused = [&](GenerationRequest refused, const char *message) {
    auto submitted = generator.submit(std::move(refused));
    ASSERT_FALSE(submitted) << message;
    EXPECT_THAT(submitted.error().message, HasSubstr(message));
  };
  expectRefused(request({}, 1), "the prompt is empty");
  expectRefused(request(toy::tokens(128, 1), 0), "the context of 128 leaves no room");
  expectRefused(request(toy::tokens(100, 1), 29), "the context holds 128");
  expectRefused(request({60}, 1), "token id 60");
  GenerationRequest bad = request({1}, 1);
  bad.sampling.topP = 2;
  expectRefused(bad, "top_p");
  bad = request({1}, 1);
  bad.stopStrings = {"x"};
  expectRefused(bad, "need a tokenizer");
  ASSERT_TRUE(generator.submit(request(toy::tokens(100, 1), 28)));
  runAll(generator);
  EXPECT_EQ(generator.result(0).tokens.size(), 28u);
  EXPECT_EQ(*generator.step(), false);
}

TEST_F(GeneratorTest, SeedsDecideAloneAndInCompany) {
  auto sampled = [&](uint32_t company, uint64_t seed) {
    Engine engine = make(16, 8);
    Generator generator(engine, nullptr);
    for (uint32_t i = 0; i < company; ++i) {
      GenerationRequest other = request(toy::tokens(5 + 7 * i, 20 + i), 9);
      other.sampling.temperature = 30;
      EXPECT_TRUE(generator.submit(other));
    }
    GenerationRequest mine = request(toy::tokens(12, 9), 20);
    mine.sampling.temperature = 30; // the toy's logits are far apart
    mine.sampling.seed = seed;
    RequestId index = *generator.submit(mine);
    runAll(generator);
    return generator.result(index).tokens;
  };
  EXPECT_EQ(sampled(0, 1), sampled(4, 1));
  EXPECT_NE(sampled(0, 1), sampled(0, 2));
}

TEST_F(GeneratorTest, KeptSequencesGoOnWhereTheyWere) {
  Engine engine = make(64, 2);
  SequenceId sequence = *engine.createSequence();
  std::vector<int32_t> prompt = toy::tokens(20, 5);
  {
    Generator generator(engine, nullptr);
    GenerationRequest first = request(prompt, 6);
    first.sequence = sequence;
    ASSERT_TRUE(generator.submit(first));
    runAll(generator);
    prompt.insert(prompt.end(), generator.result(0).tokens.begin(), generator.result(0).tokens.end());
  }
  EXPECT_EQ(engine.length(sequence), 25u); // the last token was not fed
  prompt.push_back(7);
  prompt.push_back(8);
  Generator generator(engine, nullptr);
  GenerationRequest second = request(prompt, 6);
  second.sequence = sequence;
  ASSERT_TRUE(generator.submit(second));
  runAll(generator);
  EXPECT_EQ(generator.result(0).tokens, toy::greedy(prompt, 6));
  EXPECT_EQ(generator.statistics().promptTokens, 3u);
}

TEST_F(GeneratorTest, CancelEndsEverythingAndFreesIt) {
  Engine engine = make(64, 2);
  uint32_t pages = engine.freePages();
  Generator generator(engine, nullptr);
  for (uint32_t i = 0; i < 4; ++i)
    ASSERT_TRUE(generator.submit(request(toy::tokens(10, i), 50)));
  ASSERT_TRUE(*generator.step());
  generator.cancel();
  EXPECT_EQ(engine.freePages(), pages);
  for (uint32_t i = 0; i < 4; ++i)
    EXPECT_EQ(generator.result(i).reason, FinishReason::Cancelled);
  EXPECT_EQ(generator.result(0).tokens.size(), 1u);
  EXPECT_EQ(*generator.step(), false);
}

//===- Preemption, choices, deadlines -------------------------------------------------------------------===//

TEST_F(GeneratorTest, PreemptionChangesNoToken) {
  // Every request fits alone; together they need far more pages than there are.
  Engine engine = make(64, 8, 8);
  Generator generator(engine, nullptr);
  std::vector<std::vector<int32_t>> prompts;
  for (uint32_t i = 0; i < 8; ++i) {
    prompts.push_back(toy::tokens(20 + i, 70 + i));
    GenerationRequest sampled = request(prompts.back(), 80);
    sampled.priority = static_cast<int32_t>(i % 3);
    ASSERT_TRUE(generator.submit(sampled));
  }
  runAll(generator);
  uint32_t preemptions = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(generator.result(i).tokens, toy::greedy(prompts[i], 80)) << i;
    preemptions += generator.result(i).preemptions;
  }
  EXPECT_GT(preemptions, 0u);
  EXPECT_EQ(generator.statistics().preemptions, preemptions);
  EXPECT_EQ(engine.freePages(), 8u);
  EXPECT_EQ(engine.freeSequences(), 8u);
}

TEST_F(GeneratorTest, ChoicesShareThePromptAndAreWhatEachIsAlone) {
  auto sampled = [&](uint32_t choices) {
    GenerationRequest result = request(toy::tokens(50, 3), 20);
    result.sampling.temperature = 30;
    result.sampling.seed = 11;
    result.choices = choices;
    return result;
  };
  Engine engine = make(64, 6);
  Generator generator(engine, nullptr);
  RequestId one = *generator.submit(sampled(1)), five = *generator.submit(sampled(5));
  runAll(generator);
  EXPECT_EQ(generator.result(five, 0).tokens, generator.result(one).tokens);
  for (uint32_t i = 1; i < 5; ++i) {
    EXPECT_EQ(generator.result(five, i).tokens.size(), 20u);
    EXPECT_NE(generator.result(five, i).tokens, generator.result(five, i - 1).tokens);
  }
  EXPECT_EQ(generator.statistics().promptTokens, 100u); // the prompt once a request
  EXPECT_EQ(engine.freeSequences(), 6u);
  EXPECT_EQ(engine.freePages(), engine.plan().pages);
  // The same with so few pages that choices are preempted.
  Engine small = make(64, 6, 4);
  Generator tight(small, nullptr);
  RequestId again = *tight.submit(sampled(5));
  runAll(tight);
  for (uint32_t i = 0; i < 5; ++i)
    EXPECT_EQ(tight.result(again, i).tokens, generator.result(five, i).tokens) << i;
  EXPECT_GT(tight.statistics().preemptions, 0u);
  auto refused = tight.submit(sampled(7));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("n is 7; expected 1 to 6"));
}

TEST_F(GeneratorTest, EveryoneHearsOfEveryTokenAndOfTheEnd) {
  Engine engine = make(64, 4);
  Generator generator(engine, tokenizer);
  GenerationRequest sampled = request(toy::tokens(10, 5), 15);
  sampled.sampling.temperature = 30;
  sampled.choices = 3;
  std::vector<std::vector<int32_t>> heard(3);
  std::vector<std::string> texts(3);
  std::vector<FinishReason> reasons(3);
  sampled.onToken = [&](const TokenEvent &event) {
    heard[event.choice].push_back(event.token.token);
    texts[event.choice] += event.text;
  };
  sampled.onFinish = [&](uint32_t choice, const GenerationResult &result, std::string_view rest) {
    texts[choice] += rest;
    reasons[choice] = result.reason;
  };
  RequestId id = *generator.submit(sampled);
  runAll(generator);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(heard[i], generator.result(id, i).tokens);
    EXPECT_EQ(texts[i], generator.result(id, i).text);
    EXPECT_EQ(reasons[i], FinishReason::Length);
  }
  // Those that never began hear of the end too.
  reasons.assign(3, FinishReason::None);
  id = *generator.submit(sampled);
  generator.cancel(id);
  EXPECT_THAT(reasons,
              ElementsAre(FinishReason::Cancelled, FinishReason::Cancelled, FinishReason::Cancelled));
  EXPECT_TRUE(generator.isFinished(id));
  generator.forget(id);
  EXPECT_EQ(*generator.step(), false);
}

TEST_F(GeneratorTest, DeadlinesEndWhatRunsAndWhatWaits) {
  Engine engine = make(64, 1);
  TimePoint time;
  Generator generator(engine, nullptr, [&] { return time; });
  GenerationRequest late = request(toy::tokens(10, 5), 100);
  late.deadline = time + std::chrono::seconds(1);
  RequestId running = *generator.submit(late), waiting = *generator.submit(late);
  late.deadline.reset();
  late.maxTokens = 3;
  RequestId patient = *generator.submit(late);
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(*generator.step());
  time += std::chrono::seconds(1);
  runAll(generator);
  EXPECT_EQ(generator.result(running).reason, FinishReason::Deadline);
  EXPECT_EQ(generator.result(running).tokens.size(), 5u);
  EXPECT_EQ(generator.result(waiting).reason, FinishReason::Deadline);
  EXPECT_TRUE(generator.result(waiting).tokens.empty());
  EXPECT_EQ(generator.result(patient).tokens.size(), 3u);
  EXPECT_EQ(engine.freePages(), engine.plan().pages);
}

TEST_F(GeneratorTest, PromptLogprobsAreTheModelsOwn) {
  std::vector<int32_t> prompt = toy::tokens(70, 8);
  auto logits = toy::expectedLogits(prompt);
  EngineOptions options;
  options.threads = 2;
  options.tokenBudget = 32;
  options.sequences = options.rowBudget = 4; // fewer rows than tokens
  options.keepsPrefixes = true;
  auto engine = Engine::create(*artifact, options);
  ASSERT_TRUE(engine);
  Generator generator(*engine, nullptr);
  for (int round = 0; round < 2; ++round) { // the second could begin on what the first stored, but must not
    GenerationRequest scored = request(prompt, 1);
    scored.promptLogprobs = 2;
    std::vector<SampledToken> heard;
    scored.onPrompt = [&](std::span<const SampledToken> tokens) {
      heard.assign(tokens.begin(), tokens.end());
    };
    ASSERT_TRUE(generator.submit(scored));
    runAll(generator);
    ASSERT_EQ(heard.size(), prompt.size() - 1);
    for (size_t i = 0; i < heard.size(); ++i) {
      double sum = 0;
      for (float value : logits[i])
        sum += std::exp(static_cast<double>(value));
      EXPECT_EQ(heard[i].token, prompt[i + 1]);
      EXPECT_NEAR(heard[i].logprob, logits[i][static_cast<size_t>(prompt[i + 1])] - std::log(sum), 1e-3);
      EXPECT_EQ(heard[i].top.size(), 2u);
    }
  }
}

/// A tokenizer that drops the space at the start of a text, as sentencepiece's models do.
Compiled spacedTokenizer() {
  nlohmann::json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (const char *piece : {"a", "\u2581a", "b", "\u2581b", "\u2581"})
    vocabulary[piece] = vocabulary.size();
  nlohmann::json decoders = nlohmann::json::parse(
      R"([{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "Fuse"},
          {"type": "Strip", "content": " ", "start": 1, "stop": 0}])");
  nlohmann::json added = nlohmann::json::array();
  for (int id : {0, 1, 2})
    added.push_back({{"id", id},
                     {"content", id == 0   ? "<unk>"
                                 : id == 1 ? "<s>"
                                           : "</s>"},
                     {"special", true}});
  nlohmann::json file = {{"added_tokens", added},
                         {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
                         {"model",
                          {{"type", "BPE"},
                           {"vocab", vocabulary},
                           {"merges", nlohmann::json::array()},
                           {"unk_token", "<unk>"}}}};
  std::string text = file.dump();
  auto spec = importHuggingFaceTokenizer({.source = "spaced", .tokenizer = text, .config = "{}", .map = {}});
  EXPECT_TRUE(spec) << spec.error().message;
  auto compiled = nibble::test::compileSpec(*spec);
  EXPECT_TRUE(compiled) << compiled.error().message;
  return std::move(*compiled);
}

TEST_F(GeneratorTest, AFormIsOfTheTextAsItIsHeard) {
  Engine engine = make(64, 4);
  Compiled spaced = spacedTokenizer();
  ASSERT_EQ(spaced.tokenizer.decode(std::vector<int32_t>{4, 4}, true), "a a");
  GrammarVocabulary vocabulary(spaced.tokenizer, engine.model().vocabulary, std::vector<int32_t>{2});
  auto grammar = Grammar::fromRegex("[ab]{2}( [ab])?");
  ASSERT_TRUE(grammar) << grammar.error().message;
  Generator generator(engine, &spaced.tokenizer);
  std::set<std::string> texts;
  // Behind text, behind a special token alone, and as a text of its own.
  for (auto [prompt, continues] :
       {std::pair(std::vector<int32_t>{1, 3, 4}, true), std::pair(std::vector<int32_t>{1}, true),
        std::pair(std::vector<int32_t>{1, 3, 4}, false)})
    for (uint64_t seed = 0; seed < 12; ++seed) {
      GenerationRequest formed = request(prompt, 10);
      formed.sampling.temperature = 1000;
      formed.sampling.seed = seed;
      formed.continuesText = continues;
      formed.grammar = std::make_shared<GrammarState>(*grammar, vocabulary);
      RequestId id = *generator.submit(formed);
      runAll(generator);
      const std::string &text = generator.result(id).text;
      EXPECT_TRUE(std::regex_match(text, std::regex("[ab]{2}( [ab])?"))) << "'" << text << "'";
      texts.insert(text);
    }
  EXPECT_GT(texts.size(), 6u);
}

TEST_F(GeneratorTest, TextsHaveTheFormThatWasAskedFor) {
  Engine engine = make(64, 4);
  std::vector<int32_t> ends = {2, 59};
  GrammarVocabulary vocabulary(*tokenizer, engine.model().vocabulary, ends);
  auto grammar = Grammar::fromRegex("(abc|xyz){2,4}[A-D]");
  ASSERT_TRUE(grammar) << grammar.error().message;
  Generator generator(engine, tokenizer);
  std::vector<RequestId> ids;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    GenerationRequest formed = request(toy::tokens(10, 5), 40);
    formed.sampling.temperature = 1000; // as good as any token of those allowed
    formed.sampling.seed = seed;
    formed.choices = 2;
    formed.grammar = std::make_shared<GrammarState>(*grammar, vocabulary);
    ids.push_back(*generator.submit(formed));
  }
  runAll(generator);
  std::set<std::string> texts;
  for (RequestId id : ids)
    for (uint32_t choice : {0u, 1u}) {
      const GenerationResult &result = generator.result(id, choice);
      EXPECT_TRUE(std::regex_match(result.text, std::regex("(abc|xyz){2,4}[A-D]"))) << result.text;
      EXPECT_EQ(result.reason, FinishReason::Stop);
      EXPECT_THAT(ends, testing::Contains(result.tokens.back()));
      texts.insert(result.text);
    }
  EXPECT_GT(texts.size(), 10u);
  Generator silent(engine, nullptr);
  GenerationRequest formed = request(toy::tokens(10, 5), 40);
  formed.grammar = std::make_shared<GrammarState>(*grammar, vocabulary);
  EXPECT_FALSE(silent.submit(formed));
}

} // namespace
