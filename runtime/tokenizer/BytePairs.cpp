//===- BytePairs.cpp - Byte-pair encoding of one word -----------------------------------------===//

#include "BytePairs.h"
#include "UTF8.h"
#include <algorithm>

using namespace nibble::tokenizer;

void BytePairEncoder::addSymbol(int32_t id) {
  auto index = static_cast<int32_t>(symbols.size());
  if (index > 0)
    symbols.back().next = index;
  symbols.push_back({id, index - 1, -1});
}

void BytePairEncoder::flushUnknown() {
  if (unknownPending)
    addSymbol(state.header.unknownSymbol);
  unknownPending = false;
}

void BytePairEncoder::addUnknown() {
  if (state.header.unknownSymbol == noToken)
    return;
  if (!state.has(FuseUnknown))
    flushUnknown();
  unknownPending = true;
}

void BytePairEncoder::splitIntoBytes(std::string_view word) {
  for (char c : word) {
    int32_t id = state.byteTokens[static_cast<unsigned char>(c)];
    if (id == noToken) {
      addUnknown();
      continue;
    }
    flushUnknown();
    addSymbol(id);
  }
}

/// Adds the tokens of a character's bytes if there are all of them. Unknown characters before it keep
/// waiting, as in `tokenizers`.
bool BytePairEncoder::addFallback(std::string_view character) {
  auto tokenOf = [&](char c) { return state.byteTokens[static_cast<unsigned char>(c)]; };
  if (!std::ranges::all_of(character, [&](char c) { return tokenOf(c) != noToken; }))
    return false;
  for (char c : character)
    addSymbol(tokenOf(c));
  return true;
}

void BytePairEncoder::splitIntoCharacters(std::string_view word) {
  for (size_t at = 0; at < word.size();) {
    std::string_view character = word.substr(at, characterLength(word[at]));
    at += character.size();
    int32_t id = character.size() == 1 ? state.asciiKeys[static_cast<unsigned char>(character[0])]
                                       : state.findKey(character);
    if (id != noToken) {
      flushUnknown();
      addSymbol(id);
    } else if (!state.has(ByteFallback) || !addFallback(character)) {
      addUnknown();
    }
  }
}

/// Puts the merge of a symbol and its right neighbour, if there is one, on the heap.
void BytePairEncoder::propose(int32_t left) {
  const Symbol &symbol = symbols[size_t(left)];
  if (symbol.next < 0)
    return;
  if (const Merge *merge = state.findMerge(symbol.id, symbols[size_t(symbol.next)].id)) {
    heap.push_back({merge->rank, left, merge->result});
    std::push_heap(heap.begin(), heap.end());
  }
}

void BytePairEncoder::merge() {
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    if (const Merge *merge = state.findMerge(symbols[i].id, symbols[i + 1].id))
      heap.push_back({merge->rank, static_cast<int32_t>(i), merge->result});
  std::make_heap(heap.begin(), heap.end());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[size_t(best.position)];
    if (left.id == noToken || left.next < 0)
      continue;
    Symbol &right = symbols[size_t(left.next)];
    const Merge *merge = state.findMerge(left.id, right.id);
    if (!merge || merge->result != best.result) // one of the two has changed since
      continue;
    left.id = best.result;
    left.next = right.next;
    right.id = noToken;
    if (left.next >= 0)
      symbols[size_t(left.next)].previous = best.position;
    if (left.previous >= 0)
      propose(left.previous);
    propose(best.position);
  }
}

void BytePairEncoder::encode(std::string_view word, std::vector<int32_t> &ids) {
  if (state.has(IgnoreMerges)) {
    if (int32_t whole = state.findKey(word); whole != noToken) {
      ids.push_back(whole);
      return;
    }
  }
  symbols.clear();
  if (state.has(ByteLevel))
    splitIntoBytes(word);
  else
    splitIntoCharacters(word);
  flushUnknown();
  merge();
  for (const Symbol &symbol : symbols)
    if (symbol.id != noToken)
      ids.push_back(symbol.id);
}
