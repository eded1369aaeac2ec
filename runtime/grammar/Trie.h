//===- Trie.h - Texts of tokens, sorted into a tree of bytes ------------------------*- C++ -*-===//
//
// All tokens are walked through an automaton at once: what they have in common is walked once, and where it
// is not allowed, all that begin with it are skipped.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace nibble::grammar {

struct Trie {
  struct Text {
    std::string_view text;
    int32_t token;
    uint16_t characters = 0; // what was counted before the text (Table.h)
  };
  struct Entry {
    int32_t token;
    uint16_t characters;
  };
  /// In the order of a walk that visits a node before its children; 0 is the root, the empty text.
  struct Node {
    uint32_t skip;  // the first node that is not below this one
    uint32_t entry; // its first entry; those of all nodes below follow its own
    uint16_t depth; // bytes
    uint8_t byte;   // the last one
  };
  std::vector<Node> nodes; // one more at the end, to bound the last node's entries
  std::vector<Entry> entries;

  /// Sorts `texts`.
  void build(std::vector<Text> &texts);
  uint32_t size() const { return static_cast<uint32_t>(nodes.size()) - 1; }
  uint16_t deepest() const;
  size_t bytes() const { return nodes.size() * sizeof(Node) + entries.size() * sizeof(Entry); }
};

} // namespace nibble::grammar
