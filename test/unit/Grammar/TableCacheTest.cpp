//===- TableCacheTest.cpp - Grammars in many threads ------------------------------------------===//
//
// Requests are compiled by the server's threads and walked by the engine's, over one vocabulary whose tables
// they share. Run under ThreadSanitizer, too.
//
//===------------------------------------------------------------------------------------------===//

#include "Matching.h"
#include "runtime/grammar/RegexParser.h"
#include "runtime/grammar/Strings.h"
#include "runtime/grammar/Vocabulary.h"
#include <barrier>
#include <random>
#include <thread>

using namespace nibble;
using namespace nibble::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr uint32_t kThreads = 8;

const Loaded &tokenizer() {
  static const auto loaded = loadTokenizer(NIBBLE_TEST_DATA "/tokenizers/sentencepiece-bytes");
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}
uint32_t tokens() { return static_cast<uint32_t>(tokenizer().tokenizer.vocabularySize()); }

/// Runs `work(thread)` in all threads, which begin together.
template <typename Work> void inThreads(Work work) {
  std::barrier gate(kThreads);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      gate.arrive_and_wait();
      work(i);
    });
  for (std::thread &thread : threads)
    thread.join();
}

const std::vector<Json> schemas = {
    Json::parse(R"({"type": "object"})"),
    Json::parse(R"({"type": "object", "properties": {"a": {"type": "string", "maxLength": 9},
        "b": {"type": "string", "pattern": "^[a-z ]+$"}}, "required": ["a", "b"], "additionalProperties": false})"),
    Json::parse(R"({"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 2})"),
    Json::parse(
        R"({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "array"}]}})"),
};

/// The masks along a walk that follows from the seed alone, one after the other.
std::vector<uint32_t> masksOf(const Grammar &grammar, const GrammarVocabulary &vocabulary, uint64_t seed) {
  GrammarState state(grammar, vocabulary);
  std::mt19937_64 random(seed);
  std::vector<uint32_t> all;
  for (int step = 0; step < 30; ++step) {
    auto mask = state.mask();
    all.insert(all.end(), mask.begin(), mask.end());
    std::vector<int32_t> allowed;
    for (uint32_t token = 0; token < tokens(); ++token)
      if (isSet(mask, static_cast<int32_t>(token)))
        allowed.push_back(static_cast<int32_t>(token));
    EXPECT_FALSE(allowed.empty());
    if (allowed.empty() || !state.accept(allowed[random() % allowed.size()]))
      break;
  }
  return all;
}

TEST(TableCacheTest, MasksAreTheSameInManyThreads) {
  constexpr uint64_t kSeeds = 3;
  std::vector<Grammar> shared;
  std::vector<std::vector<uint32_t>> expected; // [schema][seed]
  for (const Json &schema : schemas) {
    shared.push_back(*Grammar::fromSchema(schema));
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      // A vocabulary of its own for each: what is expected owes nothing to a cache.
      GrammarVocabulary alone(tokenizer().tokenizer, tokens(), tokenizer().ends);
      expected.push_back(masksOf(shared.back(), alone, seed));
    }
  }
  for (int round = 0; round < 3; ++round) {
    GrammarVocabulary vocabulary(tokenizer().tokenizer, tokens(), tokenizer().ends); // with an empty cache
    std::vector<Grammar> grammars = shared;
    grammars.push_back(*Grammar::anyOf(shared));
    const GrammarState begun(grammars.back(), vocabulary); // requests of several choices copy one
    inThreads([&](uint32_t thread) {
      for (size_t i = 0; i < schemas.size() * kSeeds; ++i) {
        size_t turn =
            thread % 2 ? (i + thread) % expected.size() : i; // half of them ask for the same at once
        size_t which = turn / kSeeds;
        auto own = Grammar::fromSchema(schemas[which]); // equal automata that are not the same ones
        ASSERT_TRUE(own);
        EXPECT_EQ(masksOf(thread % 3 ? *own : shared[which], vocabulary, turn % kSeeds), expected[turn]);
        GrammarState copy(begun);
        EXPECT_TRUE(std::ranges::any_of(copy.mask(), [](uint32_t word) { return word != 0; }));
      }
    });
  }
}

/// So small a cache that every table pushes another one out while it is in use.
TEST(TableCacheTest, TablesOutliveTheirPlaceInTheCache) {
  grammar::Vocabulary vocabulary(tokenizer().tokenizer, tokens(), tokenizer().ends);
  std::vector<grammar::DfaPtr> dfas = {grammar::anyString()};
  for (const char *pattern : {"[a-z ]+", "(a|b|é)*x", "[^\"]{0,5}"}) {
    grammar::Budget budget;
    auto dfa = grammar::compile(*grammar::parseRegex(pattern), grammar::Spelling::JsonString, true, budget);
    ASSERT_TRUE(dfa && *dfa) << pattern;
    dfas.push_back(std::make_shared<const grammar::Dfa>(std::move(**dfa)));
  }
  struct Wanted {
    size_t dfa;
    uint16_t state;
    bool endsText;
    std::vector<uint32_t> inside;
  };
  std::vector<Wanted> wanted;
  for (size_t dfa = 0; dfa < dfas.size(); ++dfa)
    for (uint16_t state = 0; state < std::min<uint32_t>(dfas[dfa]->states(), 6); ++state)
      for (bool endsText : {false, true})
        wanted.push_back({dfa, state, endsText,
                          grammar::makeTable(vocabulary, *dfas[dfa], state, endsText, false).inside});
  grammar::TableCache cache(3000);
  inThreads([&](uint32_t thread) {
    std::mt19937 random(thread);
    std::vector<std::pair<std::shared_ptr<const grammar::Table>, const Wanted *>> held;
    for (int i = 0; i < 300; ++i) {
      const Wanted &one = wanted[random() % wanted.size()];
      auto copy = random() % 2 ? dfas[one.dfa] : std::make_shared<const grammar::Dfa>(*dfas[one.dfa]);
      auto table = cache.get(vocabulary, cache.number(copy), *copy, one.state, one.endsText, false);
      held.emplace_back(std::move(table), &one);
      if (held.size() > 20)
        held.erase(held.begin());
      for (const auto &[kept, of] : held)
        ASSERT_EQ(kept->inside, of->inside);
    }
  });
}

} // namespace
