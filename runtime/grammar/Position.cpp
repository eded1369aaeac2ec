//===- Position.cpp - Where one text stands ---------------------------------------------------===//

#include "Position.h"
#include <algorithm>

using namespace nibble::grammar;

/// A text that could be in more alternatives than this at once is taken to be in the first ones: a grammar so
/// ambiguous would cost time without end, and whatever is left is still a text of the grammar.
static constexpr size_t mostItems = 256;

Position::Position(std::shared_ptr<const Automaton> newAutomaton,
                   std::shared_ptr<const Vocabulary> newVocabulary)
    : automaton(std::move(newAutomaton)), vocabulary(std::move(newVocabulary)), stacks(automaton),
      bits(vocabulary->words()), leafNumbers(automaton->leaves.size()), levels(vocabulary->longest + 1u) {
  place = stacks.start();
}

std::span<const uint32_t> Position::mask() {
  if (maskIsValid)
    return bits;
  std::ranges::fill(bits, 0);
  if (isComplete())
    for (int32_t token : vocabulary->endTokens)
      allow(token);
  if (!ended)
    for (const Item &item : place.items)
      maskItem(item);
  maskIsValid = true;
  return bits;
}

void Position::maskItem(const Item &item) {
  bool first = atStart && vocabulary->firstDiffers;
  if (!first && stacks.leafOf(item).dfa->wide[item.state] && maskByTable(item))
    return;
  levels[0].items.assign(1, item);
  levels[0].complete = false;
  walk(first ? vocabulary->first : vocabulary->tokens, levels[0], 0, unbounded);
  if (stacks.leafOf(item).isMark)
    walk(vocabulary->marks, levels[0], 0, unbounded);
}

bool Position::maskByTable(const Item &item) {
  const Leaf &leaf = stacks.leafOf(item);
  uint64_t &number = leafNumbers[item.leaf];
  if (number == 0)
    number = vocabulary->tables.number(leaf.dfa);
  const Place &next = stacks.behind(item.frames);
  bool endsText = next.items.empty();
  auto table = vocabulary->tables.get(*vocabulary, number, *leaf.dfa, item.state, endsText, leaf.counts());
  if (!table->usable)
    return false;
  uint32_t least = 0, most = unbounded;
  if (leaf.counts()) {
    least = leaf.least > item.count ? leaf.least - item.count : 0;
    most = leaf.most == unbounded ? unbounded : leaf.most - item.count;
    maskCounted(leaf, item, *table);
  } else {
    for (size_t w = 0; w < bits.size(); ++w)
      bits[w] |= table->inside[w];
  }
  for (Table::Counted end : table->ends)
    if (end.characters >= least && end.characters <= most)
      allow(end.token);
  if (!endsText && table->behind.size() > 1) {
    levels[0] = next;
    walk(table->behind, levels[0], least, most);
  }
  return true;
}

/// The tokens that stay inside of a string that may have no more than so many characters.
void Position::maskCounted(const Leaf &leaf, const Item &item, const Table &table) {
  uint32_t most = leaf.most == unbounded ? unbounded : leaf.most - item.count;
  auto fitting = std::ranges::lower_bound(table.needs, most, std::greater(), [](Table::Counted need) {
    return static_cast<uint32_t>(need.characters);
  });
  size_t tooLong = static_cast<size_t>(fitting - table.needs.begin());
  if (tooLong > table.needs.size() / 2) {
    for (; fitting != table.needs.end(); ++fitting)
      allow(fitting->token);
    return;
  }
  // Those that are too long may be allowed by another item already.
  std::vector<int32_t> forbidden;
  for (auto need = table.needs.begin(); need != fitting; ++need)
    if (!(bits[uint32_t(need->token) / 32] >> (uint32_t(need->token) % 32) & 1))
      forbidden.push_back(need->token);
  for (size_t w = 0; w < bits.size(); ++w)
    bits[w] |= table.inside[w];
  for (int32_t token : forbidden)
    bits[uint32_t(token) / 32] &= ~(1u << (uint32_t(token) % 32));
}

void Position::walk(const Trie &trie, const Place &from, uint32_t least, uint32_t most) {
  if (&levels[0] != &from)
    levels[0] = from;
  for (uint32_t n = 1; n < trie.size();) {
    const Trie::Node &node = trie.nodes[n];
    Place &here = levels[node.depth];
    stacks.step(levels[node.depth - 1u], node.byte, here);
    if (here.items.empty() && !here.complete) {
      n = node.skip;
      continue;
    }
    for (uint32_t e = node.entry; e < trie.nodes[n + 1].entry; ++e)
      if (trie.entries[e].characters >= least && trie.entries[e].characters <= most)
        allow(trie.entries[e].token);
    ++n;
  }
}

bool Position::accept(int32_t token) {
  if (token < 0 || static_cast<uint32_t>(token) >= vocabulary->size)
    return false;
  if (vocabulary->isEnd(token)) {
    if (!isComplete())
      return false;
    maskIsValid = maskIsValid && ended;
    ended = true;
    return true;
  }
  std::optional<Place> next = ended ? std::nullopt : behind(token);
  if (!next)
    return false;
  stacks.merge(next->items);
  if (next->items.size() > mostItems)
    next->items.resize(mostItems);
  stacks.compact(next->items);
  place = std::move(*next);
  atStart = maskIsValid = false;
  return true;
}

std::optional<Place> Position::behind(int32_t token) {
  Place here = place, next;
  std::string_view text = atStart ? vocabulary->firstText(token) : vocabulary->text(token);
  if (text.empty()) {
    text = vocabulary->markText(token);
    std::erase_if(here.items, [&](const Item &item) { return !stacks.leafOf(item).isMark; });
  }
  if (text.empty())
    return std::nullopt;
  for (char byte : text) {
    stacks.step(here, static_cast<uint8_t>(byte), next);
    std::swap(here, next);
    if (here.items.empty() && !here.complete)
      return std::nullopt;
  }
  return here;
}
