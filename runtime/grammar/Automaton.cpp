//===- Automaton.cpp - A grammar, ready to be walked ------------------------------------------===//

#include "Automaton.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

uint32_t AutomatonBuilder::state() {
  edges.emplace_back();
  automaton.states.emplace_back();
  return static_cast<uint32_t>(automaton.states.size() - 1);
}

uint32_t AutomatonBuilder::rule(bool nests) {
  uint32_t start = state();
  automaton.rules.push_back({start, nests});
  return static_cast<uint32_t>(automaton.rules.size() - 1);
}

uint32_t AutomatonBuilder::leaf(const Leaf &leaf) {
  auto [found, isNew] = leafNumbers.emplace(leaf, static_cast<uint32_t>(automaton.leaves.size()));
  if (isNew)
    automaton.leaves.push_back(leaf);
  return found->second;
}

uint32_t AutomatonBuilder::include(const Automaton &other) {
  auto firstState = static_cast<uint32_t>(edges.size());
  auto firstRule = static_cast<uint32_t>(automaton.rules.size());
  std::vector<uint32_t> leaves;
  for (const Leaf &one : other.leaves)
    leaves.push_back(leaf(one));
  for (const Automaton::State &state : other.states) {
    auto begin = other.edges.begin() + state.firstEdge;
    std::vector<Edge> &copied = edges.emplace_back(begin, begin + state.edges);
    for (Edge &edge : copied) {
      edge.target += firstState;
      if (edge.kind == Edge::Kind::Leaf)
        edge.what = leaves[edge.what];
      else if (edge.kind != Edge::Kind::Free)
        edge.what += firstRule;
    }
    automaton.states.push_back({.final = state.final});
  }
  for (Automaton::Rule rule : other.rules)
    automaton.rules.push_back({rule.start + firstState, rule.nests});
  return automaton.rules[firstRule].start;
}

void AutomatonBuilder::free(uint32_t from, uint32_t to) { edges[from].push_back({Edge::Kind::Free, to}); }

void AutomatonBuilder::leafEdge(uint32_t from, uint32_t leaf, uint32_t to) {
  edges[from].push_back({Edge::Kind::Leaf, to, leaf});
}

void AutomatonBuilder::call(uint32_t from, uint32_t rule, uint32_t to) {
  edges[from].push_back({Edge::Kind::Call, to, rule});
}

void AutomatonBuilder::repeat(uint32_t from, uint32_t rule, uint32_t least, uint32_t most, uint32_t to) {
  if (most == 0)
    free(from, to);
  else
    edges[from].push_back({Edge::Kind::Repeat, to, rule, least, most});
}

void AutomatonBuilder::final(uint32_t state) { automaton.states[state].final = true; }

Result<void> AutomatonBuilder::check() const {
  if (automaton.states.size() > bounds.states || automaton.leaves.size() > bounds.leaves ||
      automaton.rules.size() > bounds.rules)
    return failure("needs too large a grammar: more than " + std::to_string(bounds.rules) +
                   " objects and arrays, " + std::to_string(bounds.leaves) + " scalars or " +
                   std::to_string(bounds.states) + " states");
  return {};
}

uint32_t AutomatonBuilder::heightOf(const Edge &edge) const {
  uint32_t behind = automaton.states[edge.target].height;
  if (edge.kind == Edge::Kind::Free || edge.kind == Edge::Kind::Leaf || behind == Automaton::impossible)
    return behind;
  if (edge.kind == Edge::Kind::Repeat && edge.least == 0)
    return behind;
  const Automaton::Rule &rule = automaton.rules[edge.what];
  uint32_t inside = automaton.states[rule.start].height;
  if (inside == Automaton::impossible)
    return inside;
  return std::max(behind, inside + rule.nests);
}

uint32_t AutomatonBuilder::heightOf(uint32_t state) const {
  uint32_t least = automaton.states[state].final ? 0 : Automaton::impossible;
  for (const Edge &edge : edges[state])
    least = std::min(least, heightOf(edge));
  return least > bounds.deepest ? Automaton::impossible : least;
}

/// From the ends of rules backwards, until nothing changes. A height falls at most `deepest` times.
void AutomatonBuilder::computeHeights() {
  std::vector<std::vector<uint32_t>> users(edges.size()); // [states]: whose height this one's enters
  std::vector<uint32_t> work;
  for (uint32_t s = 0; s < edges.size(); ++s) {
    for (const Edge &edge : edges[s]) {
      users[edge.target].push_back(s);
      if (edge.kind == Edge::Kind::Call || edge.kind == Edge::Kind::Repeat)
        users[automaton.rules[edge.what].start].push_back(s);
    }
    if (automaton.states[s].final) {
      automaton.states[s].height = 0;
      work.push_back(s);
    }
  }
  // First in, first out: nearest ends first, so that few heights are set twice.
  for (size_t i = 0; i < work.size(); ++i)
    for (uint32_t user : users[work[i]]) {
      uint32_t height = heightOf(user);
      if (height < automaton.states[user].height) {
        automaton.states[user].height = height;
        work.push_back(user);
      }
    }
}

/// How many leaves may begin at one place bounds what a step costs. Rules begin with leaves of their own.
Result<void> AutomatonBuilder::checkWidths() const {
  std::vector<uint32_t> seen(edges.size(), UINT32_MAX);
  uint64_t steps = 0;
  for (uint32_t s = 0; s < edges.size(); ++s) {
    std::vector<uint32_t> reached{s};
    seen[s] = s;
    uint64_t width = 0;
    auto reach = [&](uint32_t state) {
      if (seen[state] != s) {
        seen[state] = s;
        reached.push_back(state);
      }
    };
    for (size_t i = 0; i < reached.size(); ++i)
      for (const Edge &edge : edges[reached[i]]) {
        ++steps;
        width += edge.kind != Edge::Kind::Free;
        if (edge.kind == Edge::Kind::Free || (edge.kind == Edge::Kind::Repeat && edge.least == 0) ||
            (edge.kind == Edge::Kind::Leaf && automaton.leaves[edge.what].dfa->accepting[Dfa::start]))
          reach(edge.target);
      }
    if (width > bounds.alternatives)
      return failure("offers more than " + std::to_string(bounds.alternatives) +
                     " alternatives at one place (optional properties, branches of anyOf)");
    if (steps > 50'000'000)
      return failure("takes too much work to compile: too many alternatives at too many places");
  }
  return {};
}

Result<std::shared_ptr<const Automaton>> AutomatonBuilder::finish(uint64_t cost) {
  NIBBLE_CHECK(check());
  computeHeights();
  NIBBLE_CHECK(checkWidths());
  automaton.deepest = bounds.deepest;
  automaton.cost = cost;
  for (uint32_t s = 0; s < edges.size(); ++s) {
    automaton.states[s].firstEdge = static_cast<uint32_t>(automaton.edges.size());
    automaton.states[s].edges = static_cast<uint32_t>(edges[s].size());
    automaton.edges.insert(automaton.edges.end(), edges[s].begin(), edges[s].end());
  }
  if (automaton.states[automaton.rules[0].start].height == Automaton::impossible)
    return failure("no text of at most " + std::to_string(bounds.deepest) +
                   " nested arrays and objects satisfies it");
  return std::make_shared<const Automaton>(std::move(automaton));
}
