//===- Table.h - What of a vocabulary one state of a leaf allows --------------------*- C++ -*-===//
//
// Inside of a string nearly every token may come, and which ones does not depend on what is around the
// string, but for those that end it. So a table is made once: the tokens that stay inside, as a mask, and
// what is left of the others behind the leaf's end, as a small tree that is walked where the string stands.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Dfa.h"
#include "Trie.h"

namespace nibble::grammar {

struct Vocabulary;

struct Table {
  struct Counted {
    uint16_t characters;
    int32_t token;
  };

  bool usable = false;          // otherwise too much is left behind leaf ends: walk instead
  std::vector<uint32_t> inside; // [words] tokens that end inside of the leaf or at its end
  Trie behind;                  // what is left of tokens where the leaf may end within them
  // Only where characters are counted. `inside` has no token then that ends where the leaf ends.
  std::vector<Counted> needs; // of each token in `inside`, how many characters it takes; most first
  std::vector<Counted> ends;  // of each token that ends where the leaf does, how many lie before the end

  size_t bytes() const;
};

/// `endsText`: nothing follows the leaf but the end of the text, so nothing needs to be known of it.
/// `counts`: the characters of the leaf are counted.
Table makeTable(const Vocabulary &vocabulary, const Dfa &dfa, uint16_t state, bool endsText, bool counts);

} // namespace nibble::grammar
