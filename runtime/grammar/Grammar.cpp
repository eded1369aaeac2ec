//===- Grammar.cpp - Text that must have a form -----------------------------------------------===//

#include "nibble/runtime/Grammar.h"
#include "Position.h"
#include "RegexParser.h"
#include "SchemaCompiler.h"

using namespace nibble;
using namespace nibble::grammar;

GrammarVocabulary::GrammarVocabulary(const Tokenizer &tokenizer, uint32_t tokens,
                                     std::span<const int32_t> endTokens)
    : vocabulary(std::make_shared<const Vocabulary>(tokenizer, tokens, endTokens)) {}

Result<Grammar> Grammar::fromSchema(const nlohmann::ordered_json &schema, std::string_view before,
                                    std::string_view after) {
  Grammar grammar;
  NIBBLE_TRY(grammar.automaton, compileSchema(schema, before, after));
  return grammar;
}

Result<Grammar> Grammar::anyObject() { return fromSchema(Json::object({{"type", "object"}})); }

Result<Grammar> Grammar::fromRegex(std::string_view pattern) {
  Budget budget;
  NIBBLE_TRY(Expr expression, parseRegex(pattern));
  auto dfa = compile(expression, Spelling::Plain, false, budget);
  if (!dfa)
    return failure("regular expression: " + dfa.error().message);
  if (!*dfa)
    return failure("regular expression: no text matches it");
  AutomatonBuilder builder;
  uint32_t start = builder.startOf(builder.rule(false)), end = builder.state();
  builder.leafEdge(start, builder.leaf({std::make_shared<const Dfa>(std::move(**dfa))}), end);
  builder.final(end);
  Grammar grammar;
  NIBBLE_TRY(grammar.automaton, builder.finish(budget.spent()));
  return grammar;
}

Result<Grammar> Grammar::anyOf(std::span<const Grammar> grammars) {
  AutomatonBuilder builder;
  uint32_t start = builder.startOf(builder.rule(false));
  uint64_t cost = 0;
  for (const Grammar &one : grammars) {
    builder.free(start, builder.include(*one.automaton));
    cost += one.cost();
    NIBBLE_CHECK(builder.check());
  }
  Grammar grammar;
  NIBBLE_TRY(grammar.automaton, builder.finish(cost));
  return grammar;
}

uint64_t Grammar::cost() const { return automaton->cost; }

GrammarState::GrammarState(Grammar grammar, GrammarVocabulary vocabulary)
    : position(std::make_unique<Position>(std::move(grammar.automaton), std::move(vocabulary.vocabulary))) {}
GrammarState::GrammarState(const GrammarState &other)
    : position(std::make_unique<Position>(*other.position)) {}
GrammarState::GrammarState(GrammarState &&) noexcept = default;
GrammarState &GrammarState::operator=(GrammarState &&) noexcept = default;
GrammarState::~GrammarState() = default;

void GrammarState::continueText() { position->continueText(); }
std::span<const uint32_t> GrammarState::mask() { return position->mask(); }
bool GrammarState::accept(int32_t token) { return position->accept(token); }
bool GrammarState::isComplete() const { return position->isComplete(); }
