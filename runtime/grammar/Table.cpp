//===- Table.cpp - What of a vocabulary one state of a leaf allows ----------------------------===//

#include "Table.h"
#include "Vocabulary.h"
#include <utility>

using namespace nibble::grammar;

/// Beyond so many pieces of tokens a table costs more than it saves.
static constexpr size_t mostBehind = 200'000;

size_t Table::bytes() const {
  return sizeof(Table) + inside.size() * sizeof(uint32_t) + behind.bytes() +
         (needs.size() + ends.size()) * sizeof(Counted);
}

namespace {

/// One walk of all tokens through the leaf alone.
class Walk {
public:
  Walk(const Vocabulary &vocabulary, const Dfa &dfa, bool endsText, bool counts)
      : vocabulary(vocabulary), trie(vocabulary.tokens), dfa(dfa), counts(counts), endsText(endsText),
        states(vocabulary.longest + 1u), characters(vocabulary.longest + 1u) {
    table.inside.resize(vocabulary.words());
  }

  Table run(uint16_t state) {
    states[0] = state;
    for (uint32_t n = 1; n < trie.size();) {
      const Trie::Node &node = trie.nodes[n];
      uint16_t from = states[node.depth - 1u];
      uint16_t to = dfa.step(from, node.byte);
      if (to == Dfa::dead) {
        n = node.skip;
        continue;
      }
      states[node.depth] = to;
      if (counts)
        characters[node.depth] =
            static_cast<uint16_t>(characters[node.depth - 1u] + (to == dfa.between && from != Dfa::start));
      for (uint32_t e = node.entry; e < trie.nodes[n + 1].entry; ++e)
        token(trie.entries[e].token, to, characters[node.depth]);
      if (dfa.accepting[to] && !endsText && node.skip > n + 1 && !leave(n))
        return {};
      ++n;
    }
    table.usable = true;
    table.behind.build(rest);
    sortNeeds();
    return std::move(table);
  }

private:
  const Vocabulary &vocabulary;
  const Trie &trie;
  const Dfa &dfa;
  bool counts, endsText;
  std::vector<uint16_t> states;     // [depth]
  std::vector<uint16_t> characters; // [depth]: complete so far
  Table table;
  std::vector<Trie::Text> rest;

  /// By counting: there are few different numbers of characters.
  void sortNeeds() {
    std::vector<uint32_t> place(size_t(vocabulary.longest) + 2);
    for (Table::Counted need : table.needs)
      ++place[need.characters];
    uint32_t before = 0;
    for (size_t characters = place.size(); characters-- > 0;)
      before += std::exchange(place[characters], before);
    std::vector<Table::Counted> sorted(table.needs.size());
    for (Table::Counted need : table.needs)
      sorted[place[need.characters]++] = need;
    table.needs = std::move(sorted);
  }

  void token(int32_t token, uint16_t state, uint16_t complete) {
    if (counts && state == dfa.behind) {
      table.ends.push_back({complete, token});
      return;
    }
    table.inside[uint32_t(token) / 32] |= 1u << (uint32_t(token) % 32);
    // A character that has begun will be complete some day.
    auto need = static_cast<uint16_t>(complete + (state != dfa.between && state != Dfa::start));
    if (counts)
      table.needs.push_back({need, token});
  }

  /// The leaf may end at a node: what lies below it comes behind the leaf.
  bool leave(uint32_t n) {
    const Trie::Node &node = trie.nodes[n];
    uint32_t end = trie.nodes[node.skip].entry;
    for (uint32_t e = trie.nodes[n + 1].entry; e < end; ++e) {
      int32_t token = trie.entries[e].token;
      rest.push_back({vocabulary.text(token).substr(node.depth), token, characters[node.depth]});
    }
    return rest.size() <= mostBehind;
  }
};

} // namespace

Table nibble::grammar::makeTable(const Vocabulary &vocabulary, const Dfa &dfa, uint16_t state, bool endsText,
                                 bool counts) {
  return Walk(vocabulary, dfa, endsText, counts).run(state);
}
