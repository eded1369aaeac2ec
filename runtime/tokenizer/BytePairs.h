//===- BytePairs.h - Byte-pair encoding of one word ---------------------------------*- C++ -*-===//
//
// Merges neighbours in the order of their ranks, leftmost first among equals, with a heap: a word may be a
// whole megabyte where a tokenizer has no pre-tokenizer.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Segment.h"

namespace nibble::tokenizer {

/// Keeps its working memory from word to word; one for each thread that encodes.
class BytePairEncoder {
public:
  explicit BytePairEncoder(const State &state) : state(state) {}

  /// Appends the ids of `word`: valid UTF-8, shorter than 2 GiB.
  void encode(std::string_view word, std::vector<int32_t> &ids);

private:
  /// A token so far; a doubly linked list by index. id == noToken: merged into its left neighbour.
  struct Symbol {
    int32_t id;
    int32_t previous, next; // -1 at the ends
  };
  /// A merge that was possible when it was found.
  struct Candidate {
    uint32_t rank;
    int32_t position; // of the left symbol
    int32_t result;
    bool operator<(const Candidate &other) const { // the best one is the greatest
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };

  void addSymbol(int32_t id);
  void addUnknown();
  void flushUnknown();
  void splitIntoBytes(std::string_view word);
  void splitIntoCharacters(std::string_view word);
  bool addFallback(std::string_view character);
  void propose(int32_t left);
  void merge();

  const State &state;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  bool unknownPending = false; // one or more unknown characters wait to become a token
};

} // namespace nibble::tokenizer
