//===- Strings.cpp - JSON strings of some form, as automata -----------------------------------===//

#include "Strings.h"
#include "RegexParser.h"

using namespace nibble;
using namespace nibble::grammar;

static Expr anyCharacter() { return oneOf(CodePointSet::all()); }

static CodePointSet letters(std::initializer_list<std::pair<char, char>> ranges) {
  CodePointSet set;
  for (auto [first, last] : ranges)
    set.add(static_cast<unsigned char>(first), static_cast<unsigned char>(last));
  return set;
}

/// RFC 8259's strings, less halves of surrogate pairs, which many readers refuse.
static DfaPtr makeAnyString() {
  CodePointSet escaped(0, 0x1f);
  escaped.add('"', '"');
  escaped.add('\\', '\\');
  auto hex = [](uint32_t count) {
    return repeat(oneOf(letters({{'0', '9'}, {'a', 'f'}, {'A', 'F'}})), count, count);
  };
  CodePointSet single = letters(
      {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  Expr d = oneOf(letters({{'d', 'd'}, {'D', 'D'}}));
  Expr ordinary =
      sequence({oneOf(letters({{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}})), hex(3)});
  Expr below = sequence({d, range('0', '7'), hex(2)});
  Expr pair = sequence({d, oneOf(letters({{'8', '9'}, {'a', 'b'}, {'A', 'B'}})), hex(2), literal("\\u"), d,
                        oneOf(letters({{'c', 'f'}, {'C', 'F'}})), hex(2)});
  Expr escape = sequence(
      {literal("\\"), choice({oneOf(single), sequence({literal("u"), choice({ordinary, below, pair})})})});
  Expr string =
      sequence({literal("\""), repeat(choice({oneOf(escaped.complement()), escape}), 0), literal("\"")});
  Budget budget;
  auto dfa = compile(string, Spelling::Plain, false, budget);
  Dfa result = std::move(**dfa);
  result.between = result.step(Dfa::start, '"');
  result.behind = result.step(result.between, '"');
  return std::make_shared<const Dfa>(std::move(result));
}

DfaPtr nibble::grammar::anyString() {
  static const DfaPtr dfa = makeAnyString();
  return dfa;
}

Result<DfaPtr> Strings::shared(Result<std::optional<Dfa>> dfa) {
  if (!dfa)
    return tl::unexpected(dfa.error());
  return *dfa ? std::make_shared<const Dfa>(std::move(**dfa)) : nullptr;
}

Result<DfaPtr> Strings::pattern(const std::string &text) {
  if (auto found = patterns.find(text); found != patterns.end())
    return found->second;
  NIBBLE_TRY(Expr expression, parseRegex(text));
  Expr around = repeat(anyCharacter(), 0);
  Expr anywhere = sequence({around, expression, around});
  NIBBLE_TRY(DfaPtr dfa, shared(compile(anywhere, Spelling::JsonString, true, budget)));
  patterns.emplace(text, dfa);
  return dfa;
}

Result<DfaPtr> Strings::build(const StringForm &form) {
  if (form.least > form.most)
    return DfaPtr();
  DfaPtr dfa;
  for (const std::string &text : form.patterns) {
    NIBBLE_TRY(DfaPtr next, pattern(text));
    if (dfa && next) {
      NIBBLE_TRY(next, shared(intersect(*dfa, *next, budget)));
    }
    if (!next)
      return DfaPtr();
    dfa = next;
  }
  if (dfa && form.least == 0 && form.most == unbounded)
    return dfa;
  NIBBLE_TRY(DfaPtr lengths, shared(compile(repeat(anyCharacter(), form.least, form.most),
                                            Spelling::JsonString, true, budget)));
  return dfa ? shared(intersect(*dfa, *lengths, budget)) : lengths;
}

Result<DfaPtr> Strings::canonical(const StringForm &form) {
  if (auto found = known.find(form); found != known.end())
    return found->second;
  NIBBLE_TRY(DfaPtr dfa, build(form));
  known.emplace(form, dfa);
  return dfa;
}

Result<std::optional<Leaf>> Strings::leaf(const StringForm &form) {
  if (form.least > form.most)
    return std::optional<Leaf>();
  if (form.patterns.empty())
    return std::optional(Leaf{anyString(), form.least, form.most});
  NIBBLE_TRY(DfaPtr dfa, canonical(form));
  return dfa ? std::optional(Leaf{dfa}) : std::nullopt;
}

Result<DfaPtr> Strings::text(const std::vector<std::string> &alternatives) {
  if (auto found = texts.find(alternatives); found != texts.end())
    return found->second;
  std::vector<Expr> parts;
  for (const std::string &one : alternatives)
    parts.push_back(literal(one));
  NIBBLE_TRY(DfaPtr dfa, shared(compile(choice(std::move(parts)), Spelling::Plain, false, budget)));
  texts.emplace(alternatives, dfa);
  return dfa;
}

Result<DfaPtr> Strings::names(const std::vector<std::string> &names) {
  std::vector<Expr> parts;
  for (const std::string &name : names)
    parts.push_back(literal(name));
  return shared(compile(choice(std::move(parts)), Spelling::JsonString, true, budget));
}
