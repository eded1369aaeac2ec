//===- Grammar.h - Text that must have a form: JSON schemas and regular expressions ---*- C++ -*-===//
//
// A grammar says which bytes may follow what was generated so far; laid over a vocabulary it says which
// tokens may. Whoever samples asks the state for its mask (SamplingStep::grammar), draws, and tells the state
// what was drawn.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

namespace nibble {

class Tokenizer;

namespace grammar {
struct Automaton;
struct Vocabulary;
struct Position;
} // namespace grammar

/// The pieces of a tokenizer, arranged so that all tokens are walked through an automaton at once. Made once
/// for a tokenizer; may be used from several threads.
class GrammarVocabulary {
public:
  /// `tokens` is the number of logits (a model's table may be padded): masks have as many bits. Special
  /// tokens are never part of a text, but for marks around it (Grammar::fromSchema).
  GrammarVocabulary(const Tokenizer &tokenizer, uint32_t tokens, std::span<const int32_t> endTokens);

private:
  friend class GrammarState;
  std::shared_ptr<const grammar::Vocabulary> vocabulary;
};

/// A compiled grammar. Immutable; copies share it.
class Grammar {
public:
  /// JSON text that a JSON schema (draft 2020-12) accepts. Keywords that cannot be expressed are refused by
  /// name, and so are schemas that need more than the bounds allow: nothing is silently not enforced.
  /// `before` and `after` are literal text around it (a tool call's marks), which special tokens may spell,
  /// too, as nothing else is: see GenerationRequest::spellsSpecial.
  static Result<Grammar> fromSchema(const nlohmann::ordered_json &schema, std::string_view before = {},
                                    std::string_view after = {});
  /// Any JSON object, as OpenAI's {"type": "json_object"} asks for.
  static Result<Grammar> anyObject();
  /// Text that matches the whole regular expression: Unicode, greedy or lazy alike; no look-around, no
  /// back-references.
  static Result<Grammar> fromRegex(std::string_view pattern);
  /// Text of one of them at the least. Where a text may be one of several, it stays open which as long as it
  /// can.
  static Result<Grammar> anyOf(std::span<const Grammar> grammars);

  /// What compiling it took, in elementary steps; bounded for each grammar, so whoever compiles many adds up.
  uint64_t cost() const;

private:
  friend class GrammarState;
  std::shared_ptr<const grammar::Automaton> automaton;
};

/// Where one text stands in a grammar.
class GrammarState {
public:
  GrammarState(Grammar grammar, GrammarVocabulary vocabulary);
  GrammarState(const GrammarState &);
  GrammarState(GrammarState &&) noexcept;
  GrammarState &operator=(GrammarState &&) noexcept;
  ~GrammarState();

  /// The text goes on behind other text, so its first token is no different from later ones (tokenizers drop
  /// the space at the start of a text). Before the first token.
  void continueText();
  /// Bit t % 32 of word t / 32: token t may come next. End tokens may where the text is complete. Valid until
  /// the next accept().
  std::span<const uint32_t> mask();
  /// Moves behind a token. False, and nothing changes, where the mask forbids it.
  bool accept(int32_t token);
  /// Whether the text so far is a whole one.
  bool isComplete() const;

private:
  std::unique_ptr<grammar::Position> position;
};

} // namespace nibble
