//===- Determinize.cpp - Subset construction --------------------------------------------------===//

#include "Nfa.h"
#include <algorithm>
#include <unordered_map>

using namespace nibble;
using namespace nibble::grammar;

namespace {

/// What is kept in memory costs more than what is only looked at, in steps.
constexpr uint64_t kept = 4;

using Subset = std::vector<uint32_t>; // sorted

struct SubsetHash {
  size_t operator()(const Subset &subset) const {
    uint64_t hash = 0xcbf29ce484222325;
    for (uint32_t state : subset)
      hash = (hash ^ state) * 0x100000001b3;
    return hash ^ (hash >> 29);
  }
};

class Determinizer {
public:
  Determinizer(const Nfa &nfa, Budget &budget) : nfa(nfa), budget(budget), stamp(nfa.states.size()) {}

  Result<std::optional<Dfa>> run() {
    findClasses();
    NIBBLE_TRY(uint16_t start, stateBehind({0}, true));
    for (size_t s = start; s < subsets.size(); ++s) {
      NIBBLE_CHECK(successors(s));
    }
    return finish(std::move(dfa), budget);
  }

private:
  const Nfa &nfa;
  Budget &budget;
  Dfa dfa;
  std::vector<uint32_t> stamp; // [states of nfa]: the closure that saw it last
  uint32_t closures = 0;
  std::vector<Subset> subsets; // [states of dfa]: states with edges; the last number says whether it accepts
  std::unordered_map<Subset, uint16_t, SubsetHash> bySubset, byTargets;
  std::vector<Subset> targets; // [classes]

  void findClasses() {
    bool begins[257] = {};
    for (const Nfa::State &state : nfa.states)
      for (const Nfa::Edge &edge : state.edges)
        begins[edge.first] = begins[edge.last + 1] = true;
    uint32_t current = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      current += byte > 0 && begins[byte];
      dfa.classOf[byte] = static_cast<uint8_t>(current);
    }
    dfa.classes = current + 1;
    targets.resize(dfa.classes);
  }

  /// Adds what can be reached without a byte by the moves in `allowed` (a bit each).
  Result<void> close(Subset &reached, uint32_t allowed) {
    for (size_t i = 0; i < reached.size(); ++i) {
      NIBBLE_CHECK(budget.spend(1 + nfa.states[reached[i]].jumps.size()));
      for (Nfa::Jump jump : nfa.states[reached[i]].jumps)
        if ((allowed >> int(jump.move) & 1) && stamp[jump.to] != closures) {
          stamp[jump.to] = closures;
          reached.push_back(jump.to);
        }
    }
    return {};
  }

  Result<uint16_t> stateBehind(Subset from, bool atStart) {
    if (!atStart)
      if (auto known = byTargets.find(from); known != byTargets.end())
        return known->second;
    ++closures;
    Subset reached = from;
    for (uint32_t state : reached)
      stamp[state] = closures;
    uint32_t free = 1u << int(Nfa::Move::Free) | (atStart ? 1u << int(Nfa::Move::Begin) : 0);
    NIBBLE_CHECK(close(reached, free));
    Subset key;
    for (uint32_t state : reached)
      if (!nfa.states[state].edges.empty())
        key.push_back(state);
    std::ranges::sort(key);
    NIBBLE_CHECK(close(reached, free | 1u << int(Nfa::Move::End)));
    bool accepts = stamp[1] == closures;
    key.push_back(accepts);
    auto [found, isNew] = bySubset.emplace(std::move(key), static_cast<uint16_t>(subsets.size()));
    if (isNew) {
      if (subsets.size() >= budget.statesEach)
        return failure("needs more than " + std::to_string(budget.statesEach) +
                       " states: use fewer or smaller repetitions");
      NIBBLE_CHECK(budget.spend(found->first.size() * kept + dfa.classes));
      subsets.push_back(found->first);
      dfa.accepting.push_back(accepts);
    }
    if (!atStart) {
      NIBBLE_CHECK(budget.spend(from.size() * kept));
      byTargets.emplace(std::move(from), found->second);
    }
    return found->second;
  }

  Result<void> successors(size_t s) {
    for (Subset &list : targets)
      list.clear();
    Subset subset = subsets[s];
    for (size_t i = 0; i + 1 < subset.size(); ++i)
      for (const Nfa::Edge &edge : nfa.states[subset[i]].edges) {
        uint32_t first = dfa.classOf[edge.first], last = dfa.classOf[edge.last];
        NIBBLE_CHECK(budget.spend(last - first + 1));
        for (uint32_t c = first; c <= last; ++c)
          targets[c].push_back(edge.to);
      }
    dfa.next.resize((s + 1) * dfa.classes, Dfa::dead);
    for (uint32_t c = 0; c < dfa.classes; ++c) {
      if (targets[c].empty())
        continue;
      std::ranges::sort(targets[c]);
      targets[c].erase(std::unique(targets[c].begin(), targets[c].end()), targets[c].end());
      NIBBLE_TRY(dfa.next[s * dfa.classes + c], stateBehind(targets[c], false));
    }
    return {};
  }
};

} // namespace

Result<std::optional<Dfa>> nibble::grammar::determinize(const Nfa &nfa, Budget &budget) {
  return Determinizer(nfa, budget).run();
}

/// Quotation marks around what `inner` matches, which has none of its own but behind a backslash.
static Dfa quote(const Dfa &inner) {
  Dfa result;
  result.classOf = inner.classOf;
  uint8_t mark = result.classOf['"'] = static_cast<uint8_t>(inner.classes); // a new column
  uint8_t oldMark = inner.classOf['"'];
  result.classes = inner.classes + 1;
  uint32_t states = inner.states() + 2;
  auto end = static_cast<uint16_t>(states - 1);
  result.next.assign(size_t(states) * result.classes, Dfa::dead);
  result.next[mark] = 1;
  for (uint32_t s = 0; s < inner.states(); ++s) {
    uint16_t *row = &result.next[(s + 1) * result.classes];
    auto from = [&](uint32_t c) {
      uint16_t to = inner.next[s * inner.classes + c];
      return to == Dfa::dead ? to : static_cast<uint16_t>(to + 1);
    };
    for (uint32_t c = 0; c < inner.classes; ++c)
      row[c] = from(c);
    row[mark] = inner.accepting[s] ? end : from(oldMark);
  }
  result.accepting.assign(states, 0);
  result.accepting[end] = 1;
  return result;
}

Result<std::optional<Dfa>> nibble::grammar::compile(const Expr &expression, Spelling spelling, bool quoted,
                                                    Budget &budget) {
  Nfa nfa;
  nfa.states.resize(2);
  NIBBLE_CHECK(NfaBuilder(nfa, spelling, budget).add(*expression, 0, 1));
  NIBBLE_TRY(auto dfa, determinize(nfa, budget));
  if (!dfa || !quoted)
    return dfa;
  return finish(quote(*dfa), budget);
}
