//===- Nfa.h - Nondeterministic automata, on the way to deterministic ones ----------*- C++ -*-===//
//
// Thompson's construction over bytes. Anchors are moves without a byte that only the start, or the end, of
// the text may take.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Dfa.h"
#include <map>

namespace nibble::grammar {

struct Nfa {
  enum class Move : uint8_t { Free, Begin, End };
  struct Jump {
    Move move;
    uint32_t to;
  };
  struct Edge {
    uint8_t first, last; // bytes
    uint32_t to;
    auto operator<=>(const Edge &other) const = default;
  };
  struct State {
    std::vector<Jump> jumps;
    std::vector<Edge> edges;
  };
  std::vector<State> states; // 0 is the start, 1 the only accepting one
};

/// Writes expressions into an Nfa.
class NfaBuilder {
public:
  NfaBuilder(Nfa &nfa, Spelling spelling, Budget &budget) : nfa(nfa), spelling(spelling), budget(budget) {}
  Result<void> add(const Expression &expression, uint32_t from, uint32_t to);

private:
  /// How the characters of a set are spelled: a graph of bytes that shares what is alike. Block 0 is the end
  /// of a character, the last block its beginning.
  using Spelled = std::vector<std::vector<Nfa::Edge>>;

  Result<uint32_t> state();
  Result<void> characters(const Expression &expression, uint32_t from, uint32_t to);
  Result<void> repetition(const Expression &expression, uint32_t from, uint32_t to);

  Nfa &nfa;
  Spelling spelling;
  Budget &budget;
  std::map<const Expression *, Spelled>
      spelled; // of classes, which come again where a repetition is unrolled
};

/// Subset construction. None where nothing matches.
Result<std::optional<Dfa>> determinize(const Nfa &nfa, Budget &budget);

} // namespace nibble::grammar
