//===- Vocabulary.h - A tokenizer's pieces, and tables over them --------------------*- C++ -*-===//
//
// The text that a token adds can be different for the first token of a text (sentencepiece drops a space
// there), so that one has a tree of its own.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Table.h"
#include "nibble/runtime/Grammar.h"
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

namespace nibble::grammar {

/// Tables of the leaves that are in use, whoever's grammar they are of: equal leaves share them. The least
/// recently used ones are dropped where they would take more memory than they may. Thread-safe.
class TableCache {
public:
  explicit TableCache(size_t mostBytes) : mostBytes(mostBytes) {}

  /// A number that equal automata share, for get(); never 0.
  uint64_t number(const DfaPtr &dfa);
  std::shared_ptr<const Table> get(const Vocabulary &vocabulary, uint64_t number, const Dfa &dfa,
                                   uint16_t state, bool endsText, bool counts);

private:
  struct Key {
    uint64_t dfa;
    uint32_t state; // bit 16: endsText, bit 17: counts
    bool operator==(const Key &) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key &key) const {
      return (key.dfa * 262144 + key.state) * 0x9e3779b97f4a7c15ull >> 7;
    }
  };
  struct Slot {
    Key key;
    std::shared_ptr<const Table> table;
    size_t bytes;
  };
  struct Known {
    std::weak_ptr<const Dfa> dfa;
    uint64_t number;
  };

  const size_t mostBytes;
  std::mutex mutex;
  std::list<Slot> recent; // most recently used first
  std::unordered_map<Key, std::list<Slot>::iterator, KeyHash> slots;
  std::unordered_multimap<uint64_t, Known> known; // by hash
  uint64_t lastNumber = 0;
  size_t bytes = 0, registrations = 0;
};

struct Vocabulary {
  static constexpr size_t tableBytes = size_t(64) << 20;
  static constexpr size_t longestToken = 1024; // bytes; longer ones are never allowed

  uint32_t size = 0; // bits of a mask
  std::vector<int32_t> endTokens;
  Trie tokens; // behind other tokens
  Trie first;  // as the first token; empty where that is no different
  Trie marks;  // special tokens, which may spell marks
  bool firstDiffers = false;
  uint16_t longest = 0; // bytes
  mutable TableCache tables{tableBytes};

  Vocabulary(const Tokenizer &tokenizer, uint32_t size, std::span<const int32_t> endTokens);

  uint32_t words() const { return (size + 31) / 32; }
  std::string_view text(int32_t token) const { return textOf(texts, token); }
  std::string_view firstText(int32_t token) const {
    return firstDiffers ? textOf(firstTexts, token) : text(token);
  }
  /// Of a special token; empty for others.
  std::string_view markText(int32_t token) const;
  bool isEnd(int32_t token) const;

private:
  /// Where each token's text is in the pool.
  struct Part {
    uint32_t offset = 0, length = 0;
  };
  std::string pool;
  std::vector<Part> texts, firstTexts; // [size]
  std::map<int32_t, Part> markTexts;
  std::string_view textOf(const std::vector<Part> &parts, int32_t token) const;
  Part keep(std::string_view text);
  void arrange(const std::vector<Part> &parts, Trie &trie);
  void arrange(std::vector<Trie::Text> sorted, Trie &trie);
  void findMarks(const Tokenizer &tokenizer, int32_t known);
};

} // namespace nibble::grammar
