//===- GrammarFuzz.cpp - Schemas and regular expressions of requests --------------------------===//

#include "Fuzz.h"
#include "nibble/runtime/Grammar.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/Tokenizer.h"

#include <bit>

using namespace nibble;

namespace {

/// A token for each ASCII character, and some longer ones.
struct Toy {
  std::vector<std::byte> segment;
  Tokenizer tokenizer;

  static Toy make() {
    nlohmann::json vocabulary;
    for (char c = '!'; c <= '~'; ++c)
      vocabulary[std::string(1, c)] = vocabulary.size();
    for (const char *longer : {"\",\"", "{\"", "\":", "[[", "]]", "}}", "ab", "null", "12"})
      vocabulary[longer] = vocabulary.size();
    std::string text =
        nlohmann::json{
            {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}}
            .dump();
    auto spec = importHuggingFaceTokenizer({.source = "toy", .tokenizer = text, .config = {}, .map = {}});
    auto segment = serializeTokenizer(spec.value()).value();
    Tokenizer tokenizer = Tokenizer::open(segment).value();
    return {std::move(segment), std::move(tokenizer)};
  }
};

/// Takes some tokens that the masks allow.
void walk(const Grammar &grammar, const GrammarVocabulary &vocabulary, uint32_t tokens, size_t choice) {
  GrammarState state(grammar, vocabulary);
  for (int step = 0; step < 24; ++step) {
    std::vector<int32_t> allowed;
    auto mask = state.mask();
    for (uint32_t t = 0; t < tokens; ++t)
      if (mask[t / 32] >> (t % 32) & 1)
        allowed.push_back(static_cast<int32_t>(t));
    if (allowed.empty())
      return;
    int32_t token = allowed[(choice + static_cast<size_t>(step) * 7) % allowed.size()];
    fuzz::require(state.accept(token), "what the mask allows is accepted");
  }
}

} // namespace

/// Input that parses as JSON is a schema, any other an expression.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Toy toy = Toy::make();
  static const auto tokens = static_cast<uint32_t>(toy.tokenizer.vocabularySize()) + 1;
  static const int32_t end = static_cast<int32_t>(tokens) - 1;
  static const GrammarVocabulary vocabulary(toy.tokenizer, tokens, std::span(&end, 1));
  std::string_view text = fuzz::text(data, size);
  auto document = parseOrderedJson(text, "schema");
  auto grammar =
      document ? Grammar::fromSchema(*document, text.substr(0, size % 3)) : Grammar::fromRegex(text);
  if (grammar)
    walk(*grammar, vocabulary, tokens, size);
  else
    fuzz::require(!grammar.error().message.empty(), "an error says what is wrong");
  return 0;
}
