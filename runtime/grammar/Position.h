//===- Position.h - Where one text stands -------------------------------------------*- C++ -*-===//
//
// The state behind GrammarState: what may come (Stacks.h), and the mask over the vocabulary that it gives.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Stacks.h"
#include "Vocabulary.h"
#include <optional>

namespace nibble::grammar {

struct Position {
  Position(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const Vocabulary> vocabulary);

  std::span<const uint32_t> mask();
  bool accept(int32_t token);
  bool isComplete() const { return ended || place.complete; }
  void continueText() {
    atStart = false;
    maskIsValid = false;
  }

private:
  std::shared_ptr<const Automaton> automaton;
  std::shared_ptr<const Vocabulary> vocabulary;
  Stacks stacks;
  Place place;
  bool atStart = true; // of a text: no token yet, nor other text before it
  bool ended = false;  // an end token came
  bool maskIsValid = false;
  std::vector<uint32_t> bits;        // [words]
  std::vector<uint64_t> leafNumbers; // [leaves]: of TableCache, 0 where not asked for yet
  std::vector<Place> levels;         // [depth]: working memory of walk()

  void allow(int32_t token) { bits[uint32_t(token) / 32] |= 1u << (uint32_t(token) % 32); }
  void maskItem(const Item &item);
  /// Where `token` leads from here; null where it may not come.
  std::optional<Place> behind(int32_t token);
  bool maskByTable(const Item &item);
  void maskCounted(const Leaf &leaf, const Item &item, const Table &table);
  /// Allows what of `trie` may come at `from`, of entries whose count is in [least, most].
  void walk(const Trie &trie, const Place &from, uint32_t least, uint32_t most);
};

} // namespace nibble::grammar
