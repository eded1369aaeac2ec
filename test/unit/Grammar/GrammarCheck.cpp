//===- GrammarCheck.cpp - Grammars at the command line, for tests -----------------------------===//
//
// nibble-grammar-check TOKENIZER walk  < LINES   random texts, sampled from masks
// nibble-grammar-check TOKENIZER match < LINES   whether texts have the form
// nibble-grammar-check TOKENIZER time  < LINES   what compiling and masks cost
// TOKENIZER is a Hugging Face folder, a GGUF file, a .tiktoken file, or "bytes". A line is JSON:
//   {"schema": ..., "before": "", "after": ""}, {"regex": "..."} or {"object": true}, with
//   "seed", "count" (texts), "most" (tokens of a text; then the shortest way out is taken), "texts" (match).
//
//===------------------------------------------------------------------------------------------===//

#include "Tokenizers.h"
#include "nibble/runtime/Grammar.h"
#include <algorithm>
#include <bit>
#include <chrono>
#include <iostream>
#include <random>

using namespace nibble;
using namespace nibble::test;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

static Result<Grammar> compile(const Json &line) {
  if (line.contains("regex"))
    return Grammar::fromRegex(line["regex"].get<std::string>());
  if (line.contains("object"))
    return Grammar::anyObject();
  return Grammar::fromSchema(line["schema"], line.value("before", ""), line.value("after", ""));
}

static std::vector<int32_t> allowed(std::span<const uint32_t> mask) {
  std::vector<int32_t> tokens;
  for (size_t w = 0; w < mask.size(); ++w)
    for (uint32_t bits = mask[w]; bits; bits &= bits - 1)
      tokens.push_back(static_cast<int32_t>(w * 32 + static_cast<size_t>(std::countr_zero(bits))));
  return tokens;
}

/// Whether a text of JSON ends inside of a string.
static bool endsInString(const std::string &text) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i)
    if (inside && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      inside = !inside;
  return inside;
}

/// Draws tokens until an end token comes. Half of the time a token of few bytes, which finds rarer ways than
/// a uniform draw, of which most are long words inside of strings. After `most` tokens mostly what comes
/// nearest to an end: a quotation mark, a bracket, the end.
static Json walk(const Loaded &loaded, const Grammar &grammar, const GrammarVocabulary &vocabulary,
                 std::mt19937_64 &random, size_t most) {
  GrammarState state(grammar, vocabulary);
  DetokenizeStream stream(loaded.tokenizer);
  std::string text;
  std::vector<int32_t> ids;
  bool ended = false;
  while (!ended && ids.size() < most * 20 + 2000) {
    std::vector<int32_t> tokens = allowed(state.mask());
    if (tokens.empty())
      return {{"stuck", text}};
    int32_t token = tokens[random() % tokens.size()];
    auto size = [&](int32_t t) { return loaded.isEnd(t) ? 0 : loaded.tokenizer.piece(t).size(); };
    if (ids.size() >= most || random() % 2) {
      std::vector<int32_t> few;
      for (int32_t t : tokens)
        if (size(t) <= 1)
          few.push_back(t);
      if (!few.empty())
        token = few[random() % few.size()];
    }
    if (ids.size() >= most) {
      std::string order = endsInString(text) ? "\"" : "}]1\",:0";
      auto closes = [&](int32_t t) {
        size_t at = loaded.isEnd(t) ? 0 : order.find(loaded.tokenizer.piece(t)) + 1;
        return at == 0 && !loaded.isEnd(t) ? order.size() + 1 : at;
      };
      auto best = std::ranges::min(tokens, {}, closes);
      if (closes(best) <= order.size() && random() % 8)
        token = best;
    }
    if (!state.accept(token))
      return {{"refused", token}, {"text", text}};
    ids.push_back(token);
    ended = loaded.isEnd(token);
    if (!ended)
      text += stream.push(token);
  }
  text += stream.finish();
  Json result{{"text", text}, {"tokens", ids.size()}};
  if (!ended)
    result["unfinished"] = true;
  return result;
}

/// Whether a text is one of the grammar, token by token as the tokenizer cuts it.
static Json match(const Loaded &loaded, const Grammar &grammar, const GrammarVocabulary &vocabulary,
                  const std::string &text) {
  auto ids = loaded.encode(text);
  if (!ids)
    return ids.error().message;
  GrammarState state(grammar, vocabulary);
  for (int32_t id : *ids) {
    auto mask = state.mask();
    bool masked = mask[uint32_t(id) / 32] >> (uint32_t(id) % 32) & 1;
    if (state.accept(id) != masked)
      return "mask and accept() differ";
    if (!masked)
      return false;
  }
  return state.isComplete();
}

static double seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

/// Milliseconds of compiling (the median of 5), microseconds of the masks of `count` random walks.
static Json timing(const Loaded &loaded, const GrammarVocabulary &vocabulary, const Json &line) {
  std::vector<double> compiling, masks;
  Result<Grammar> grammar = compile(line);
  for (int i = 0; i < 5 && grammar; ++i) {
    auto begin = Clock::now();
    grammar = compile(line);
    compiling.push_back(seconds(begin) * 1e3);
  }
  if (!grammar)
    return {{"error", grammar.error().message}};
  std::mt19937_64 random(line.value("seed", 1));
  for (int i = 0; i < line.value("count", 10); ++i) {
    GrammarState state(*grammar, vocabulary);
    for (int n = 0; n < line.value("most", 100); ++n) {
      auto begin = Clock::now();
      auto mask = state.mask();
      masks.push_back(seconds(begin) * 1e6);
      auto tokens = allowed(mask);
      int32_t token = tokens[random() % tokens.size()];
      if (loaded.isEnd(token))
        break;
      state.accept(token);
    }
  }
  std::ranges::sort(compiling);
  double first = masks.front();
  std::ranges::sort(masks);
  return {{"compile_ms", compiling[2]},
          {"masks", masks.size()},
          {"first_us", first},
          {"median_us", masks[masks.size() / 2]},
          {"p99_us", masks[masks.size() * 99 / 100]},
          {"worst_us", masks.back()}};
}

int main(int argc, char **argv) {
  std::string verb = argc == 3 ? argv[2] : "";
  if (verb != "walk" && verb != "match" && verb != "time") {
    std::cerr << "usage: nibble-grammar-check TOKENIZER walk|match|time < LINES\n";
    return 2;
  }
  auto loaded = loadTokenizer(argv[1]);
  if (!loaded) {
    std::cerr << "error: " << loaded.error().message << "\n";
    return 1;
  }
  auto begin = Clock::now();
  GrammarVocabulary vocabulary(loaded->tokenizer, static_cast<uint32_t>(loaded->tokenizer.vocabularySize()),
                               loaded->ends);
  if (verb == "time")
    std::cout << Json{{"tokens", loaded->tokenizer.vocabularySize()}, {"vocabulary_ms", seconds(begin) * 1e3}}
              << "\n";
  for (std::string text; std::getline(std::cin, text);) {
    Json line = Json::parse(text);
    if (verb == "time") {
      std::cout << timing(*loaded, vocabulary, line) << std::endl;
      continue;
    }
    auto grammar = compile(line);
    Json answer;
    if (!grammar) {
      answer = {{"error", grammar.error().message}};
    } else if (verb == "match") {
      answer = Json::array();
      for (const Json &one : line["texts"])
        answer.push_back(match(*loaded, *grammar, vocabulary, one.get<std::string>()));
    } else {
      std::mt19937_64 random(line.value("seed", 1));
      answer = Json::array();
      for (int i = 0; i < line.value("count", 1); ++i)
        answer.push_back(walk(*loaded, *grammar, vocabulary, random, line.value("most", 200)));
    }
    std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}
