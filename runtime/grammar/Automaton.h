//===- Automaton.h - A grammar, ready to be walked ----------------------------------*- C++ -*-===//
//
// Rules (an object of some form, an array) are small graphs whose edges are leaves (Dfa.h) or other rules, so
// a place in a grammar is a leaf's state and a stack of the edges to come back to. Every rule begins with a
// leaf that takes at least one byte: nothing recurs without taking text.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Dfa.h"
#include <unordered_map>

namespace nibble::grammar {

/// A use of an automaton over bytes. In an automaton for counted strings `least` to `most` characters.
struct Leaf {
  DfaPtr dfa;
  uint32_t least = 0, most = unbounded;
  bool isMark = false; // special tokens may spell it

  bool counts() const { return dfa->between != Dfa::dead && (least > 0 || most != unbounded); }
};

struct Edge {
  enum class Kind : uint8_t {
    Free,   // takes nothing
    Leaf,   // `what` is a leaf
    Call,   // `what` is a rule
    Repeat, // `what` is a rule, `least` to `most` times
  };
  Kind kind;
  uint32_t target; // state
  uint32_t what = 0;
  uint32_t least = 0, most = 0;
};

struct Automaton {
  static constexpr uint32_t impossible = UINT32_MAX;

  struct State {
    uint32_t firstEdge = 0, edges = 0;
    bool final = false; // the rule may end here
    /// How many rules deep its rule must still go, at the least, to end.
    uint32_t height = impossible;
  };
  struct Rule {
    uint32_t start; // state
    bool nests;     // one level deeper: an object or an array
  };

  std::vector<Edge> edges;
  std::vector<State> states;
  std::vector<Rule> rules; // 0 is the whole text; nothing calls it
  std::vector<Leaf> leaves;
  uint32_t deepest = 0; // levels
  uint64_t cost = 0;    // elementary steps that compiling it took
};

struct AutomatonBounds {
  uint32_t states = 200'000;
  uint32_t leaves = 20'000;
  uint32_t rules = 20'000;
  uint32_t alternatives = 4'000; // leaves that may begin at one place
  uint32_t deepest = 60;         // arrays and objects in each other; readers of JSON often stop at 64
};

class AutomatonBuilder {
public:
  explicit AutomatonBuilder(AutomatonBounds bounds = {}) : bounds(bounds) {}

  uint32_t state();
  uint32_t rule(bool nests); // with a new start
  uint32_t startOf(uint32_t rule) const { return automaton.rules[rule].start; }
  uint32_t leaf(const Leaf &leaf); // the same leaf has the same number
  /// Copies all rules of another grammar; the start of its whole text.
  uint32_t include(const Automaton &other);

  void free(uint32_t from, uint32_t to);
  void leafEdge(uint32_t from, uint32_t leaf, uint32_t to);
  void call(uint32_t from, uint32_t rule, uint32_t to);
  void repeat(uint32_t from, uint32_t rule, uint32_t least, uint32_t most, uint32_t to);
  void final(uint32_t state);

  /// Fails where it has become too large; ask often.
  Result<void> check() const;
  /// Fails where no text exists, naming none; the caller knows what it was.
  Result<std::shared_ptr<const Automaton>> finish(uint64_t cost);

private:
  AutomatonBounds bounds;
  Automaton automaton;
  std::vector<std::vector<Edge>> edges; // [states]
  struct LeafHash {
    size_t operator()(const Leaf &leaf) const { return leaf.dfa->hash ^ (leaf.least * 31ull + leaf.most); }
  };
  struct LeafEqual {
    bool operator()(const Leaf &a, const Leaf &b) const {
      return a.least == b.least && a.most == b.most && a.isMark == b.isMark &&
             (a.dfa == b.dfa || *a.dfa == *b.dfa);
    }
  };
  std::unordered_map<Leaf, uint32_t, LeafHash, LeafEqual> leafNumbers;

  void computeHeights();
  uint32_t heightOf(uint32_t state) const;
  uint32_t heightOf(const Edge &edge) const;
  Result<void> checkWidths() const;
};

} // namespace nibble::grammar
