//===- Stacks.h - All stacks that a text may have left ------------------------------*- C++ -*-===//
//
// Where a schema leaves it open which alternative a text is in, several stacks are possible at once. They
// share what they have in common (a graph-structured stack; Tomita 1985), so their number does not matter:
// a frame knows the set of frames below it, and equal frames and equal sets are stored once.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Automaton.h"
#include <map>

namespace nibble::grammar {

/// In a leaf. Where the leaf ends, any frame of the set may be popped.
struct Item {
  uint32_t leaf;
  uint16_t state;
  uint32_t count = 0; // of characters so far, where the leaf counts them; no further than matters
  uint32_t frames;    // a set

  auto operator<=>(const Item &other) const = default;
};

/// What may come at one place in a text.
struct Place {
  std::vector<Item> items;
  bool complete = false; // the text may end
};

class Stacks {
public:
  explicit Stacks(std::shared_ptr<const Automaton> automaton);

  /// Before the first byte.
  const Place &start();
  /// Behind a leaf with these frames. The reference holds until compact().
  const Place &behind(uint32_t frames);
  /// The byte within the item's leaf. False, and the item is spoilt, where the leaf does not take it.
  bool step(Item &item, uint8_t byte) const;
  bool leafMayEnd(const Item &item) const { return leafOf(item).dfa->accepting[item.state]; }
  const Leaf &leafOf(const Item &item) const { return automaton->leaves[item.leaf]; }
  /// One byte of all items: those that are left, and what may come where a leaf may end behind it. The second
  /// is complete only where the text may end behind this byte.
  void step(const Place &from, uint8_t byte, Place &to);

  /// Items in the same state become one, whose frames are those of all.
  void merge(std::vector<Item> &items);
  /// Forgets the frames that no item of `items` needs, once they have become many. The items get new sets.
  void compact(std::vector<Item> &items);

private:
  struct Frame {
    uint32_t edge;  // of the automaton: where to go on
    uint32_t count; // repetitions done
    uint32_t depth; // levels around it
    uint32_t below; // a set
    auto operator<=>(const Frame &other) const = default;
  };
  struct FrameHash {
    size_t operator()(const Frame &frame) const {
      uint64_t hash = frame.edge * 0x9e3779b97f4a7c15ull ^ frame.count;
      hash = (hash ^ hash >> 31) * 0xbf58476d1ce4e5b9ull ^ frame.depth;
      return (hash ^ hash >> 27) * 0x94d049bb133111ebull ^ frame.below;
    }
  };
  using Set = std::vector<uint32_t>; // sorted frames
  struct SetHash {
    size_t operator()(const Set &set) const {
      uint64_t hash = 0xcbf29ce484222325;
      for (uint32_t frame : set)
        hash = (hash ^ frame) * 0x100000001b3;
      return hash ^ (hash >> 29);
    }
  };
  /// Working memory of one search for what may come.
  struct Search;

  uint32_t frame(const Frame &frame);
  uint32_t set(Set frames);
  void enter(Search &search, uint32_t state, uint32_t depth, uint32_t below);
  void pop(Search &search, uint32_t frame);
  void callAll(Search &search, Place &place);
  void forget();

  static constexpr uint32_t bottom = 0; // the frame and the set below all others

  std::shared_ptr<const Automaton> automaton;
  std::vector<Frame> frames;
  std::vector<Set> sets;
  std::unordered_map<Frame, uint32_t, FrameHash> frameNumbers;
  std::unordered_map<Set, uint32_t, SetHash> setNumbers;
  std::unordered_map<uint32_t, Place> places; // by set
};

} // namespace nibble::grammar
