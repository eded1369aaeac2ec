//===- RegexTest.cpp - Regular expressions against PCRE2 --------------------------------------===//
//
// PCRE2 tells whether a text matches, and by partial matching whether it begins one that does: an oracle for
// every bit of a mask.
//
//===------------------------------------------------------------------------------------------===//

#define PCRE2_CODE_UNIT_WIDTH 8
#include "Matching.h"
#include <pcre2.h>
#include <random>

using namespace nibble;
using namespace nibble::test;
using testing::HasSubstr;

namespace {

class Oracle {
public:
  explicit Oracle(const std::string &pattern) {
    std::string whole = "^(?:" + pattern + ")\\z";
    int error;
    PCRE2_SIZE offset;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(whole.data()), whole.size(), PCRE2_UTF, &error, &offset,
                         nullptr);
    EXPECT_NE(code, nullptr) << pattern;
    data = pcre2_match_data_create(1, nullptr);
    context = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(context, 20'000);
  }
  Oracle(const Oracle &) = delete;
  Oracle &operator=(const Oracle &) = delete;
  ~Oracle() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
  }

  mutable bool gaveUp = false;

  bool matches(const std::string &text) const { return run(text, 0) >= 0; }

  /// Whether a text goes on to one that matches. It may end within a character.
  bool begins(const std::string &text) const {
    if (text.empty())
      return true; // every pattern here matches something
    size_t lead = text.size() - 1;
    while (lead > 0 && (static_cast<unsigned char>(text[lead]) & 0xc0) == 0x80)
      --lead;
    auto first = static_cast<unsigned char>(text[lead]);
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (text.size() - lead == length)
      return run(text, PCRE2_PARTIAL_SOFT) >= 0 || run(text, PCRE2_PARTIAL_SOFT) == PCRE2_ERROR_PARTIAL;
    for (int next = 0x80; next < 0xc0; ++next) { // characters of two bytes only
      std::string longer = text + static_cast<char>(next);
      if (run(longer, 0) >= 0 || run(longer, PCRE2_PARTIAL_SOFT) == PCRE2_ERROR_PARTIAL)
        return true;
    }
    return false;
  }

private:
  /// Backtracking takes too long now and then; then there is no answer. Invalid UTF-8 is an error: no match.
  int run(const std::string &text, uint32_t options) const {
    int result =
        pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, options, data, context);
    gaveUp |= result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
              result == PCRE2_ERROR_HEAPLIMIT;
    return result;
  }
  pcre2_code *code;
  pcre2_match_data *data;
  pcre2_match_context *context;
};

/// Random expressions over a, b, c, 1, e with acute and e with grave accent.
class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}

  std::string expression(int depth) {
    std::string text = branch(depth);
    while (below(3) == 0)
      text += "|" + branch(depth);
    return text;
  }
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(random() % count); }

private:
  std::mt19937_64 random;

  std::string branch(int depth) {
    std::string text;
    for (uint32_t i = 0, count = below(4); i < count; ++i)
      text += piece(depth);
    return text;
  }

  std::string piece(int depth) {
    std::string text =
        depth > 0 && below(3) == 0 ? (below(2) ? "(" : "(?:") + expression(depth - 1) + ")" : atom();
    static const std::vector<std::string> quantifiers = {
        "", "", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??", "{1,2}?"};
    return text + quantifiers[below(static_cast<uint32_t>(quantifiers.size()))];
  }

  std::string atom() {
    static const std::vector<std::string> atoms = {
        "a",         "b",       "c",      "1",       "\xc3\xa9",  ".",
        "\\d",       "\\w",     "\\W",    "[ab]",    "[^ab]",     "[a-c]",
        "[^\\d]",    "[\\dab]", "\\D",    "\\u00e9", "\\x61",     "[\xc3\xa8-\xc3\xa9]",
        "\\.",       "\\S",     "\\p{L}", "\\p{Nd}", "[^\\P{L}]", "[a-]",
        "[\\]\\\\]", "a\\-b"};
    std::string text = atoms[below(static_cast<uint32_t>(atoms.size()))];
    return text;
  }
};

/// PCRE2 spells four digits otherwise.
std::string forPcre(std::string pattern) {
  for (size_t at; (at = pattern.find("\\u00e9")) != pattern.npos;)
    pattern.replace(at, 6, "\\x{e9}");
  return pattern;
}

const std::vector<std::string> pieces = {"a",
                                         "b",
                                         "c",
                                         "1",
                                         "\xc3",
                                         "\xa9",
                                         "\xa8",
                                         "\xc3\xa9",
                                         "ab",
                                         "abc",
                                         "aa",
                                         "1a",
                                         "\xc3\xa8",
                                         "a\xc3",
                                         "\xa9"
                                         "b",
                                         "\xc3\xa9\xc3",
                                         ".",
                                         "]",
                                         "\\",
                                         "a-b",
                                         " ",
                                         "b1c",
                                         "cc",
                                         "aaaaaaaa",
                                         "\xa8\xc3\xa9",
                                         "11",
                                         "ba\xc3\xa9"};

TEST(RegexTest, MasksAreExact) {
  auto toy = toyTokenizer(pieces);
  ASSERT_TRUE(toy) << toy.error().message;
  auto count = static_cast<uint32_t>(pieces.size());
  GrammarVocabulary vocabulary(toy->tokenizer, count + 1, toy->ends);
  size_t masks = 0, allowedBits = 0, compared = 0, leftOut = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Generator generator(seed);
    std::string pattern = generator.expression(1);
    auto grammar = Grammar::fromRegex(pattern);
    if (!grammar) { // the bounds
      EXPECT_THAT(grammar.error().message, HasSubstr("repetitions")) << pattern;
      ++leftOut;
      continue;
    }
    Oracle oracle(forPcre(pattern));
    GrammarState state(*grammar, vocabulary);
    std::string text;
    for (int step = 0; step < 6; ++step) {
      auto mask = state.mask();
      ASSERT_EQ(state.isComplete(), oracle.matches(text)) << pattern << " on " << text;
      ASSERT_EQ(isSet(mask, static_cast<int32_t>(count)), state.isComplete());
      std::vector<int32_t> allowed;
      for (uint32_t t = 0; t < count; ++t) {
        bool masked = isSet(mask, static_cast<int32_t>(t));
        bool expected = oracle.begins(text + pieces[t]);
        if (oracle.gaveUp)
          break;
        ASSERT_EQ(masked, expected) << pattern << " on " << text << " + " << pieces[t];
        ++compared;
        if (masked)
          allowed.push_back(static_cast<int32_t>(t));
      }
      leftOut += oracle.gaveUp;
      if (oracle.gaveUp)
        break;
      ++masks;
      allowedBits += allowed.size();
      if (allowed.empty())
        break;
      int32_t token = allowed[generator.below(static_cast<uint32_t>(allowed.size()))];
      ASSERT_TRUE(state.accept(token));
      text += pieces[static_cast<size_t>(token)];
    }
  }
  // The comparison is not empty.
  EXPECT_LT(leftOut, 50u);
  EXPECT_GT(masks, 400u);
  EXPECT_GT(allowedBits, compared / 20);
  EXPECT_LT(allowedBits, compared * 19 / 20);
}

/// The same for strings of JSON whose content has a pattern: PCRE2 sees what the string says.
TEST(RegexTest, PatternsOfJsonStrings) {
  const std::vector<std::string> characters = {"a", "b", "1", "\xc3\xa9", "\n", "\"", "\\", "\x1f", "/"};
  size_t matched = 0, refused = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Generator generator(seed + 10000);
    std::string pattern = generator.expression(1);
    auto grammar = Grammar::fromSchema({{"type", "string"}, {"pattern", "^(" + pattern + ")$"}});
    if (!grammar) { // the bounds
      EXPECT_THAT(grammar.error().message, HasSubstr("repetitions")) << pattern;
      ++refused;
      continue;
    }
    Oracle oracle(forPcre(pattern));
    for (int i = 0; i < 40; ++i) {
      std::string text;
      for (uint32_t j = 0, length = generator.below(5); j < length; ++j)
        text += characters[generator.below(static_cast<uint32_t>(characters.size()))];
      bool expected = oracle.matches(text);
      matched += expected;
      // Json's own writer spells the string.
      std::string json = nlohmann::ordered_json(text).dump();
      ASSERT_EQ(fit(*grammar, json) == Fit::Whole, expected) << pattern << " on " << json;
    }
  }
  EXPECT_GT(matched, 50u);
  EXPECT_LT(refused, 10u);
}

TEST(RegexTest, AnchorsHoldWhereverTheyAre) {
  EXPECT_EQ(fit(Grammar::fromRegex("^ab$"), "ab"), Fit::Whole);
  EXPECT_EQ(fit(Grammar::fromRegex("(^a|b)c"), "ac"), Fit::Whole);
  EXPECT_EQ(fit(Grammar::fromRegex("a(b$|c)"), "ab"), Fit::Whole);
  EXPECT_EQ(fit(Grammar::fromRegex("a(b$|c)d"), "abd"), Fit::No);
  EXPECT_EQ(fit(Grammar::fromRegex("a(b$|c)d"), "acd"), Fit::Whole);
  EXPECT_THAT(refusal(Grammar::fromRegex("a^b")), HasSubstr("no text matches"));
  EXPECT_EQ(fit(schema(R"({"pattern": "^a|b$", "type": "string"})"), R"("axx")"), Fit::Whole);
  EXPECT_EQ(fit(schema(R"({"pattern": "^a|b$", "type": "string"})"), R"("xxb")"), Fit::Whole);
  EXPECT_EQ(fit(schema(R"({"pattern": "^a|b$", "type": "string"})"), R"("xax")"), Fit::No);
}

TEST(RegexTest, RefusesByNameAndPosition) {
  const std::pair<const char *, const char *> cases[] = {
      {"ab(?=c)", "character 3: look-ahead"},
      {"(?<!a)b", "character 1: look-behind"},
      {"(a)\\1", "character 4: back-reference"},
      {"a\\bc", "character 2: word boundar"},
      {"(?i)a", "character 1: this kind of"},
      {"a++", "possessive"},
      {"(a", "character 1: this ( is never"},
      {"a)", "character 2: this ) closes"},
      {"[a", "character 1: this [ is never"},
      {"*a", "character 1: there is nothing to repeat"},
      {"a**", "quantifier behind"},
      {"[b-a]", "wrong order"},
      {"a{3,2}", "wrong order"},
      {"a{999999}", "more than 100000 times"},
      {"\\q", "escape \\q"},
      {"\\p{Greek}", "not a general category"},
      {"[[:alpha:]]", "POSIX"},
      {"\\ud800", "surrogate"},
      {"a\\", "at the end"},
      {"(?>a)", "atomic"},
      {"[]", "empty class"},
      {"\\x{110000}", "beyond"},
      {"\xff", "UTF-8"},
      {"[^\\s\\S]", "no text matches"},
  };
  for (auto [pattern, message] : cases)
    EXPECT_THAT(refusal(Grammar::fromRegex(pattern)), HasSubstr(message)) << pattern;
}

/// Expressions that would take for ever or gigabytes are errors, and soon.
TEST(RegexTest, HostileExpressionsAreRefusedSoon) {
  std::string deep, wide;
  for (int i = 0; i < 200; ++i)
    deep += "(";
  for (int i = 0; i < 3000; ++i)
    wide += "(a|b)*c";
  for (const std::string &pattern :
       {std::string("(.*a.{20}){3}"), std::string(".*a.{30}"), std::string("((a{1000}){1000}){1000}"),
        std::string("((((a?){999}){999}){999}){999}"), std::string("(.{0,1000}){0,1000}"), deep,
        std::string("(x+x+)+y[a-z]*.{5000}"), std::string(20000, 'a'), wide + ".*a.{25}"}) {
    auto begin = std::chrono::steady_clock::now();
    auto grammar = Grammar::fromRegex(pattern);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took.count(), 20) << pattern.substr(0, 40); // sanitizers and busy machines included
    EXPECT_FALSE(grammar) << pattern.substr(0, 40);
  }
}

} // namespace
