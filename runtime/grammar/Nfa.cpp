//===- Nfa.cpp - From expressions to nondeterministic automata --------------------------------===//

#include "Nfa.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

namespace {

using Edges = std::vector<Nfa::Edge>;

/// Spells the characters of a set as paths of bytes.
class Speller {
public:
  std::vector<Edges> blocks{{}}; // 0: the end of a character

  void spell(const CodePointSet &set, Spelling spelling) {
    Edges root;
    if (spelling == Spelling::Plain) {
      utf8(set, root);
    } else {
      CodePointSet escaped(0, 0x1f);
      escaped.add('"', '"');
      escaped.add('\\', '\\');
      utf8(set.without(escaped), root);
      escapes(set.intersect(escaped), root);
    }
    blocks.push_back(std::move(root));
  }

private:
  static constexpr uint32_t empty = UINT32_MAX;
  std::map<Edges, uint32_t> known;
  std::vector<CodePointSet::Range> ranges;
  uint32_t full[4] = {0, empty, empty, empty}; // [height]: the block of any 64^height characters

  uint32_t share(Edges edges) {
    auto [found, isNew] = known.emplace(std::move(edges), static_cast<uint32_t>(blocks.size()));
    if (isNew)
      blocks.push_back(found->first);
    return found->second;
  }

  static void append(Edges &edges, uint32_t byte, uint32_t to) {
    auto b = static_cast<uint8_t>(byte);
    if (to == empty)
      return;
    if (!edges.empty() && edges.back().to == to && edges.back().last + 1u == b)
      edges.back().last = b;
    else
      edges.push_back({b, b, to});
  }

  /// The block of those of the 64^height characters from `low` on that are in `ranges`.
  uint32_t block(uint32_t height, uint32_t low) {
    uint32_t high = low + (1u << (6 * height)) - 1;
    auto range = std::ranges::lower_bound(ranges, low, {}, &CodePointSet::Range::last);
    if (range == ranges.end() || range->first > high)
      return empty;
    if (height == 0)
      return 0;
    if (range->first <= low && range->last >= high) {
      if (full[height] == empty)
        full[height] = share({{0x80, 0xbf, height == 1 ? 0 : block(height - 1, low)}});
      return full[height];
    }
    Edges edges;
    for (uint32_t i = 0; i < 64; ++i)
      append(edges, 0x80 + i, block(height - 1, low + (i << (6 * (height - 1)))));
    return share(std::move(edges));
  }

  void utf8(const CodePointSet &set, Edges &root) {
    for (CodePointSet::Range range : set.intersect({0, 0x7f}).ranges())
      root.push_back({static_cast<uint8_t>(range.first), static_cast<uint8_t>(range.last), 0});
    struct Form {
      uint32_t first, last, lead, leads, height;
    };
    for (Form form : {Form{0x80, 0x7ff, 0xc0, 32, 1}, Form{0x800, 0xffff, 0xe0, 16, 2},
                      Form{0x10000, lastCodePoint, 0xf0, 5, 3}}) {
      ranges = set.intersect({form.first, form.last}).ranges();
      for (uint32_t lead = 0; lead < form.leads; ++lead)
        append(root, form.lead + lead, block(form.height, lead << (6 * form.height)));
    }
  }

  void escapes(const CodePointSet &set, Edges &root) {
    static constexpr std::string_view shorts = "\"\"\\\\\bb\ff\nn\rr\tt"; // character, letter
    Edges letters, digits[2];
    for (CodePointSet::Range range : set.ranges())
      for (uint32_t c = range.first; c <= range.last; ++c) {
        size_t at = 0;
        while (at < shorts.size() && static_cast<unsigned char>(shorts[at]) != c)
          at += 2;
        if (at < shorts.size()) {
          letters.push_back({uint8_t(shorts[at + 1]), uint8_t(shorts[at + 1]), 0});
          continue;
        }
        for (char digit : {"0123456789abcdef"[c & 15], "0123456789ABCDEF"[c & 15]})
          digits[c >> 4].push_back({uint8_t(digit), uint8_t(digit), 0});
      }
    Edges fourth;
    for (uint32_t i = 0; i < 2; ++i)
      if (!digits[i].empty())
        append(fourth, '0' + i, share(std::move(digits[i])));
    if (!fourth.empty())
      append(letters, 'u', share({{'0', '0', share({{'0', '0', share(std::move(fourth))}})}}));
    if (!letters.empty())
      append(root, '\\', share(std::move(letters)));
  }
};

} // namespace

Result<uint32_t> NfaBuilder::state() {
  if (nfa.states.size() >= budget.nondeterministic)
    return failure("needs more than " + std::to_string(budget.nondeterministic) +
                   " states: use fewer or smaller repetitions");
  NIBBLE_CHECK(budget.spend(1));
  nfa.states.emplace_back();
  return static_cast<uint32_t>(nfa.states.size() - 1);
}

Result<void> NfaBuilder::characters(const Expression &expression, uint32_t from, uint32_t to) {
  auto found = spelled.find(&expression);
  if (found == spelled.end()) {
    Speller speller;
    speller.spell(expression.set, spelling);
    found = spelled.emplace(&expression, std::move(speller.blocks)).first;
    NIBBLE_CHECK(budget.spend(found->second.size() * 64));
  }
  const Spelled &blocks = found->second;
  std::vector<uint32_t> stateOf(blocks.size(), to);
  stateOf.back() = from;
  for (size_t i = 1; i + 1 < blocks.size(); ++i) {
    NIBBLE_TRY(stateOf[i], state());
  }
  for (size_t i = 1; i < blocks.size(); ++i) {
    NIBBLE_CHECK(budget.spend(blocks[i].size()));
    for (const Nfa::Edge &edge : blocks[i])
      nfa.states[stateOf[i]].edges.push_back({edge.first, edge.last, stateOf[edge.to]});
  }
  return {};
}

Result<void> NfaBuilder::repetition(const Expression &expression, uint32_t from, uint32_t to) {
  const Expression &part = *expression.parts[0];
  for (uint32_t i = 0; i < expression.least; ++i) {
    NIBBLE_TRY(uint32_t next, state());
    NIBBLE_CHECK(add(part, from, next));
    from = next;
  }
  if (expression.most == unbounded) {
    NIBBLE_TRY(uint32_t loop, state());
    nfa.states[from].jumps.push_back({Nfa::Move::Free, loop});
    nfa.states[loop].jumps.push_back({Nfa::Move::Free, to});
    return add(part, loop, loop);
  }
  for (uint32_t i = expression.least; i < expression.most; ++i) {
    nfa.states[from].jumps.push_back({Nfa::Move::Free, to});
    NIBBLE_TRY(uint32_t next, state());
    NIBBLE_CHECK(add(part, from, next));
    from = next;
  }
  nfa.states[from].jumps.push_back({Nfa::Move::Free, to});
  return {};
}

Result<void> NfaBuilder::add(const Expression &expression, uint32_t from, uint32_t to) {
  NIBBLE_CHECK(budget.spend(1));
  switch (expression.kind) {
  case Expression::Kind::Class:
    return characters(expression, from, to);
  case Expression::Kind::Repeat:
    return repetition(expression, from, to);
  case Expression::Kind::Begin:
    nfa.states[from].jumps.push_back({Nfa::Move::Begin, to});
    return {};
  case Expression::Kind::End:
    nfa.states[from].jumps.push_back({Nfa::Move::End, to});
    return {};
  case Expression::Kind::Choice:
    for (const Expr &part : expression.parts) {
      // Each branch has a beginning of its own: a loop at the start of one must not be entered by another.
      NIBBLE_TRY(uint32_t first, state());
      nfa.states[from].jumps.push_back({Nfa::Move::Free, first});
      NIBBLE_CHECK(add(*part, first, to));
    }
    return {};
  case Expression::Kind::Sequence:
    for (size_t i = 0; i < expression.parts.size(); ++i) {
      uint32_t next = to;
      if (i + 1 < expression.parts.size()) {
        NIBBLE_TRY(next, state());
      }
      NIBBLE_CHECK(add(*expression.parts[i], from, next));
      from = next;
    }
    if (expression.parts.empty())
      nfa.states[from].jumps.push_back({Nfa::Move::Free, to});
    return {};
  }
  return {};
}
