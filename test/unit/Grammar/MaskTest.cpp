//===- MaskTest.cpp - Every bit of masks, against brute force ---------------------------------===//

#include "Matching.h"
#include "NaiveMatcher.h"
#include <random>
#include <set>

using namespace nibble;
using namespace nibble::test;
using Json = nlohmann::ordered_json;

namespace {

/// Random schemas of few names and values, so that alternatives have much in common.
class SchemaGenerator {
public:
  explicit SchemaGenerator(uint64_t seed) : random(seed) {}
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(random() % count); }

  Json root() {
    Json schema = below(2) ? object(3) : value(3);
    schema["$defs"] = {{"list", {{"type", "array"}, {"items", value(1)}, {"maxItems", 2}}},
                       {"tree",
                        {{"type", "object"},
                         {"properties", {{"a", value(0)}, {"b", {{"$ref", "#/$defs/tree"}}}}},
                         {"required", Json::array()}}}};
    return schema;
  }

private:
  std::mt19937_64 random;

  Json value(int depth) {
    switch (below(depth > 0 ? 12 : 6)) {
    case 0:
      return {{"type", "integer"}};
    case 1:
      return {{"type", "string"}};
    case 2: {
      uint32_t least = below(3);
      return {{"type", "string"}, {"minLength", least}, {"maxLength", least + below(4)}};
    }
    case 3:
      return {{"type", "boolean"}};
    case 4:
      return {{"enum", Json::array({"a", "ab", "a\"b", 1, 12, nullptr})}};
    case 5:
      return {{"type", "null"}};
    case 6:
    case 7:
      return object(depth);
    case 8:
      return {{"$ref", "#/$defs/list"}};
    case 9:
      return {{"$ref", "#/$defs/tree"}};
    case 10: {
      Json branches = Json::array();
      for (uint32_t i = 0, count = 1 + below(3); i < count; ++i)
        branches.push_back(value(depth - 1));
      return {{"anyOf", branches}};
    }
    default: {
      Json array = {{"type", "array"}, {"items", value(depth - 1)}};
      if (below(2))
        array["minItems"] = below(3);
      if (below(2))
        array["maxItems"] = 2 + below(2);
      return array;
    }
    }
  }

  Json object(int depth) {
    Json properties = Json::object(), required = Json::array();
    for (const char *name : {"a", "ab", "b"})
      if (below(3)) {
        properties[name] = value(depth - 1);
        if (below(2))
          required.push_back(name);
      }
    Json schema = {{"type", "object"}, {"properties", properties}, {"required", required}};
    if (below(4) == 0)
      schema["additionalProperties"] = value(0);
    return schema;
  }
};

const std::vector<std::string> pieces = {
    "{",   "}",   "[",    "]",      "\"",    ":",       ",",      " ",    "\n",     "a",        "b",  "1",
    "2",   "0",   "-",    "null",   "true",  "false",   "n",      "t",    "\\",     "\\\"",     "ab", "{\"",
    "\":", "\",", "\"}",  "\": \"", "\",\"", "{\"a\":", "[]",     "[[",   "]]",     "}}",       "},", "],",
    "11",  "1,",  "a\"",  "ab\":",  " \"",   "\n ",     "\n  \t", ", \"", "\"a\"",  "null}",    "e]", "\"\"",
    "{}",  "}]",  "[1,1", "\"a\":", "aaaa",  "bbbbbb",  ":[",     "\\n",  "\", \"", "\"ab\": ", "1}", "\t"};

TEST(MaskTest, SchemasMasksAreExact) {
  auto toy = toyTokenizer(pieces);
  ASSERT_TRUE(toy) << toy.error().message;
  auto count = static_cast<uint32_t>(pieces.size());
  GrammarVocabulary vocabulary(toy->tokenizer, count + 1, toy->ends);
  size_t masks = 0, allowedBits = 0, completed = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SchemaGenerator generator(seed);
    Json schema = generator.root();
    auto grammar = Grammar::fromSchema(schema);
    ASSERT_TRUE(grammar) << schema.dump() << ": " << grammar.error().message;
    GrammarState state(*grammar, vocabulary);
    std::string text;
    for (int step = 0; step < 25; ++step) {
      GrammarState copy(state); // must be as good as the original
      auto mask = step % 2 ? copy.mask() : state.mask();
      NaiveMatcher here(schema, text);
      ASSERT_EQ(state.isComplete(), here.isWhole()) << schema.dump() << " on " << text;
      ASSERT_EQ(isSet(mask, static_cast<int32_t>(count)), here.isWhole());
      std::vector<int32_t> allowed;
      for (uint32_t t = 0; t < count; ++t) {
        bool masked = isSet(mask, static_cast<int32_t>(t));
        ASSERT_EQ(masked, NaiveMatcher(schema, text + pieces[t]).begins())
            << schema.dump() << " on " << text << " + " << pieces[t];
        if (masked)
          allowed.push_back(static_cast<int32_t>(t));
        else
          ASSERT_FALSE(state.accept(static_cast<int32_t>(t)));
      }
      ++masks;
      allowedBits += allowed.size();
      completed += here.isWhole();
      if (allowed.empty())
        break;
      int32_t token = allowed[generator.below(static_cast<uint32_t>(allowed.size()))];
      ASSERT_TRUE(state.accept(token));
      text += pieces[static_cast<size_t>(token)];
    }
  }
  EXPECT_GT(masks, 1000u);
  EXPECT_GT(completed, 30u);
  EXPECT_GT(allowedBits, masks * 2);
}

TEST(MaskTest, AnyOfSeveralIsTheirUnion) {
  auto toy = toyTokenizer(pieces);
  ASSERT_TRUE(toy) << toy.error().message;
  auto count = static_cast<uint32_t>(pieces.size());
  GrammarVocabulary vocabulary(toy->tokenizer, count + 1, toy->ends);
  size_t onlyFirst = 0, onlySecond = 0, both = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SchemaGenerator generator(1000 + seed);
    Json schemas[] = {generator.root(), generator.root()};
    std::vector<Grammar> grammars;
    for (const Json &schema : schemas) {
      auto grammar = Grammar::fromSchema(schema);
      ASSERT_TRUE(grammar) << schema.dump() << ": " << grammar.error().message;
      grammars.push_back(*grammar);
    }
    auto either = Grammar::anyOf(grammars);
    ASSERT_TRUE(either) << either.error().message;
    GrammarState state(*either, vocabulary);
    std::string text;
    for (int step = 0; step < 20; ++step) {
      auto mask = state.mask();
      bool whole = NaiveMatcher(schemas[0], text).isWhole() || NaiveMatcher(schemas[1], text).isWhole();
      ASSERT_EQ(isSet(mask, static_cast<int32_t>(count)), whole) << text;
      std::vector<int32_t> allowed;
      for (uint32_t t = 0; t < count; ++t) {
        bool first = NaiveMatcher(schemas[0], text + pieces[t]).begins(),
             second = NaiveMatcher(schemas[1], text + pieces[t]).begins();
        ASSERT_EQ(isSet(mask, static_cast<int32_t>(t)), first || second)
            << schemas[0].dump() << " or " << schemas[1].dump() << " on " << text << " + " << pieces[t];
        if (first || second)
          allowed.push_back(static_cast<int32_t>(t));
        onlyFirst += first && !second;
        onlySecond += second && !first;
        both += first && second;
      }
      if (allowed.empty())
        break;
      int32_t token = allowed[generator.below(static_cast<uint32_t>(allowed.size()))];
      ASSERT_TRUE(state.accept(token));
      text += pieces[static_cast<size_t>(token)];
    }
  }
  EXPECT_GT(onlyFirst, 500u);
  EXPECT_GT(onlySecond, 500u);
  EXPECT_GT(both, 100u);
}

TEST(MaskTest, SpecialTokensSpellMarksAndNothingElse) {
  auto toy = toyTokenizer({"[", "C", "]", "D", "\"", "[C", "][", "\"]["}, {"[C]", "[D]", "C]"});
  ASSERT_TRUE(toy) << toy.error().message;
  enum : int32_t { Open, C, Close, D, Quote, OpenC, CloseOpen, LastOpen, End, MarkC, MarkD, EndC, All };
  GrammarVocabulary vocabulary(toy->tokenizer, All, toy->ends);
  auto grammar = Grammar::fromSchema({{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 1}},
                                     "[C]", "[D]");
  ASSERT_TRUE(grammar) << grammar.error().message;
  GrammarState state(*grammar, vocabulary);
  auto expect = [&](std::set<int32_t> expected) {
    auto mask = state.mask();
    for (int32_t token = 0; token < All; ++token) {
      EXPECT_EQ(isSet(mask, token), expected.count(token) == 1) << token;
      if (expected.count(token) == 0)
        EXPECT_FALSE(state.accept(token)) << token;
    }
  };
  expect({Open, OpenC, MarkC});
  GrammarState spelled(state), parts(state);
  ASSERT_TRUE(state.accept(MarkC));
  expect({Open});
  ASSERT_TRUE(state.accept(Open)); // the list's
  expect({Quote, LastOpen});
  ASSERT_TRUE(state.accept(Quote));
  expect(
      {Open, C, Close, D, Quote, OpenC, CloseOpen, LastOpen}); // in a string every text, but no special token
  ASSERT_TRUE(state.accept(OpenC));
  ASSERT_TRUE(state.accept(Quote));
  expect({Close, CloseOpen});
  GrammarState inside(state);
  ASSERT_TRUE(state.accept(Close));
  expect({Open, MarkD});
  ASSERT_TRUE(state.accept(MarkD));
  EXPECT_TRUE(state.isComplete());
  expect({End});
  ASSERT_TRUE(inside.accept(CloseOpen)); // ordinary tokens may go on from the text into the mark
  ASSERT_TRUE(inside.accept(D));
  ASSERT_TRUE(inside.accept(Close));
  EXPECT_TRUE(inside.isComplete());
  // A mark may be spelled by ordinary tokens, and by special ones that are a part of it.
  ASSERT_TRUE(parts.accept(Open));
  ASSERT_TRUE(parts.accept(EndC));
  ASSERT_TRUE(parts.accept(Open));
  ASSERT_TRUE(spelled.accept(OpenC));
  EXPECT_FALSE(spelled.accept(EndC));
  ASSERT_TRUE(spelled.accept(CloseOpen));
}

/// What a token adds to a text is what the tokenizer makes of both; at a text's start sentencepiece drops a
/// space.
TEST(MaskTest, ATextMayGoOnBehindAnother) {
  auto loaded = loadTokenizer(NIBBLE_TEST_DATA "/tokenizers/sentencepiece-bytes");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Tokenizer &tokenizer = loaded->tokenizer;
  auto count = static_cast<int32_t>(tokenizer.vocabularySize());
  GrammarVocabulary vocabulary(tokenizer, static_cast<uint32_t>(count), loaded->ends);
  std::vector<std::string> texts = {"time", "a", " then", "  two"};
  auto grammar = Grammar::fromRegex("time|a| then|  two");
  ASSERT_TRUE(grammar) << grammar.error().message;
  auto prompt = tokenizer.encode("So");
  ASSERT_TRUE(prompt);
  for (bool continues : {false, true}) {
    GrammarState state(*grammar, vocabulary);
    if (continues)
      state.continueText();
    std::vector<int32_t> before = continues ? *prompt : std::vector<int32_t>();
    std::string start = tokenizer.decode(before, true);
    size_t allowed = 0, spaced = 0;
    for (int32_t token = 0; token < count; ++token) {
      std::vector<int32_t> together = before;
      together.push_back(token);
      std::string text = tokenizer.decode(together, true);
      ASSERT_TRUE(text.starts_with(start));
      text.erase(0, start.size());
      bool expected = !text.empty() && std::ranges::any_of(texts, [&](const std::string &whole) {
        return whole.starts_with(text);
      });
      ASSERT_EQ(isSet(state.mask(), token), expected) << continues << " " << tokenizer.piece(token);
      allowed += expected;
      spaced += expected && tokenizer.piece(token).starts_with(' ');
    }
    EXPECT_GT(allowed, 4u);
    EXPECT_GT(spaced, 1u);
  }
}

TEST(MaskTest, EndTokensComeOnlyWhereATextIsWhole) {
  auto toy = toyTokenizer({"a", "b", "ab"});
  ASSERT_TRUE(toy) << toy.error().message;
  std::vector<int32_t> ends{3, 3, -1, 99, 1}; // "b" is an end token here, and never text
  GrammarVocabulary vocabulary(toy->tokenizer, 40, ends);
  auto grammar = Grammar::fromRegex("a*b?");
  ASSERT_TRUE(grammar);
  GrammarState state(*grammar, vocabulary);
  ASSERT_EQ(state.mask().size(), 2u);
  EXPECT_EQ(state.mask()[0], 0b1111u);
  EXPECT_EQ(state.mask()[1], 0u);
  EXPECT_FALSE(state.accept(-1));
  EXPECT_FALSE(state.accept(39));
  EXPECT_FALSE(state.accept(40));
  EXPECT_TRUE(state.accept(2)); // "ab": nothing may follow
  EXPECT_TRUE(state.isComplete());
  EXPECT_EQ(state.mask()[0], 0b1010u);
  EXPECT_FALSE(state.accept(0));
  EXPECT_TRUE(state.accept(3));
  EXPECT_TRUE(state.isComplete());
  EXPECT_EQ(state.mask()[0], 0b1010u);
  EXPECT_FALSE(state.accept(0));
}

} // namespace
