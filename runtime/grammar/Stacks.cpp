//===- Stacks.cpp - All stacks that a text may have left --------------------------------------===//

#include "Stacks.h"
#include <algorithm>
#include <set>

using namespace nibble::grammar;

/// Frames that are kept before those that nobody needs are looked for.
static constexpr size_t manyFrames = 2048;
/// From so many items on it pays to look for equal ones.
static constexpr size_t manyItems = 16;

struct Stacks::Search {
  struct Visit {
    uint32_t state, depth, below;
    auto operator<=>(const Visit &other) const = default;
  };
  std::set<Visit> visited;
  std::vector<Visit> work;
  std::map<std::pair<uint32_t, uint32_t>, Set> calls; // (rule, depth inside) -> frames
  std::vector<Item> items;
  bool complete = false;
};

Stacks::Stacks(std::shared_ptr<const Automaton> automaton) : automaton(std::move(automaton)) { forget(); }

void Stacks::forget() {
  frames.assign(1, Frame{Automaton::impossible, 0, 0, 0});
  sets.assign(1, Set{bottom});
  frameNumbers.clear();
  setNumbers.clear();
  setNumbers.emplace(sets[0], 0);
  places.clear();
}

uint32_t Stacks::frame(const Frame &frame) {
  auto [found, isNew] = frameNumbers.emplace(frame, static_cast<uint32_t>(frames.size()));
  if (isNew)
    frames.push_back(frame);
  return found->second;
}

uint32_t Stacks::set(Set members) {
  std::ranges::sort(members);
  members.erase(std::unique(members.begin(), members.end()), members.end());
  auto found = setNumbers.find(members);
  if (found != setNumbers.end())
    return found->second;
  sets.push_back(members);
  setNumbers.emplace(std::move(members), static_cast<uint32_t>(sets.size() - 1));
  return static_cast<uint32_t>(sets.size() - 1);
}

void Stacks::enter(Search &search, uint32_t state, uint32_t depth, uint32_t below) {
  uint32_t height = automaton->states[state].height;
  if (height == Automaton::impossible || depth + height > automaton->deepest)
    return;
  Search::Visit visit{state, depth, below};
  if (search.visited.insert(visit).second)
    search.work.push_back(visit);
}

/// The part of the text that the frame waited for has ended.
void Stacks::pop(Search &search, uint32_t number) {
  if (number == bottom) {
    search.complete = true;
    return;
  }
  Frame frame = frames[number];
  const Edge &edge = automaton->edges[frame.edge];
  if (edge.kind != Edge::Kind::Repeat) {
    enter(search, edge.target, frame.depth, frame.below);
    return;
  }
  uint32_t done = frame.count + 1;
  if (edge.most == unbounded)
    done = std::min(done, edge.least);
  if (done >= edge.least)
    enter(search, edge.target, frame.depth, frame.below);
  if (done < edge.most) {
    uint32_t depth = frame.depth + automaton->rules[edge.what].nests;
    search.calls[{edge.what, depth}].push_back(this->frame({frame.edge, done, frame.depth, frame.below}));
  }
}

/// Enters the rules that were called, each once for all its callers, and empties the work list.
void Stacks::callAll(Search &search, Place &place) {
  for (;;) {
    while (!search.work.empty()) {
      Search::Visit at = search.work.back();
      search.work.pop_back();
      const Automaton::State &state = automaton->states[at.state];
      if (state.final) {
        Set below = sets[at.below];
        for (uint32_t number : below)
          pop(search, number);
      }
      for (uint32_t i = 0; i < state.edges; ++i) {
        uint32_t number = state.firstEdge + i;
        const Edge &edge = automaton->edges[number];
        if (edge.kind == Edge::Kind::Free) {
          enter(search, edge.target, at.depth, at.below);
          continue;
        }
        uint32_t behind = automaton->states[edge.target].height;
        if (behind == Automaton::impossible || at.depth + behind > automaton->deepest)
          continue;
        if (edge.kind == Edge::Kind::Leaf) {
          const Leaf &leaf = automaton->leaves[edge.what];
          if (leaf.dfa->accepting[Dfa::start])
            enter(search, edge.target, at.depth, at.below);
          if (leaf.dfa->canGoOn(Dfa::start))
            search.items.push_back({edge.what, Dfa::start, 0, set({frame({number, 0, at.depth, at.below})})});
          continue;
        }
        if (edge.kind == Edge::Kind::Repeat && edge.least == 0)
          enter(search, edge.target, at.depth, at.below);
        uint32_t depth = at.depth + automaton->rules[edge.what].nests;
        search.calls[{edge.what, depth}].push_back(frame({number, 0, at.depth, at.below}));
      }
    }
    if (search.calls.empty())
      break;
    // Rules begin with leaves, so no call is added to a rule that was entered already.
    auto calls = std::move(search.calls);
    search.calls.clear();
    for (auto &[rule, callers] : calls)
      enter(search, automaton->rules[rule.first].start, rule.second, set(std::move(callers)));
  }
  merge(search.items);
  place.items = std::move(search.items);
  place.complete = search.complete;
}

const Place &Stacks::start() {
  Search search;
  enter(search, automaton->rules[0].start, 0, bottom);
  Place &place = places[UINT32_MAX];
  callAll(search, place);
  return place;
}

const Place &Stacks::behind(uint32_t frames) {
  auto known = places.find(frames);
  if (known != places.end())
    return known->second;
  Search search;
  Set members = sets[frames];
  for (uint32_t number : members)
    pop(search, number);
  Place &place = places[frames];
  callAll(search, place);
  return place;
}

bool Stacks::step(Item &item, uint8_t byte) const {
  const Leaf &leaf = leafOf(item);
  uint16_t from = item.state;
  item.state = leaf.dfa->step(from, byte);
  if (item.state == Dfa::dead)
    return false;
  if (!leaf.counts())
    return true;
  if (from == leaf.dfa->between &&
      (item.state == leaf.dfa->behind ? item.count < leaf.least : item.count >= leaf.most))
    return false;
  if (item.state == leaf.dfa->between && from != Dfa::start &&
      (leaf.most != unbounded || item.count < leaf.least))
    ++item.count;
  return true;
}

void Stacks::step(const Place &from, uint8_t byte, Place &to) {
  to.items.clear();
  to.complete = false;
  size_t stepped = 0;
  for (Item item : from.items) {
    if (!step(item, byte))
      continue;
    ++stepped;
    if (leafMayEnd(item)) {
      const Place &next = behind(item.frames);
      to.items.insert(to.items.end(), next.items.begin(), next.items.end());
      to.complete |= next.complete;
      if (!leafOf(item).dfa->canGoOn(item.state))
        continue;
    }
    to.items.push_back(item);
  }
  if (stepped > 1 && to.items.size() >= manyItems)
    merge(to.items);
}

void Stacks::merge(std::vector<Item> &items) {
  std::ranges::sort(items);
  size_t kept = 0;
  for (size_t i = 0; i < items.size();) {
    size_t end = i + 1;
    auto same = [&](const Item &other) {
      return other.leaf == items[i].leaf && other.state == items[i].state && other.count == items[i].count;
    };
    while (end < items.size() && same(items[end]))
      ++end;
    Item merged = items[i];
    if (end - i > 1) {
      Set members;
      for (size_t j = i; j < end; ++j)
        members.insert(members.end(), sets[items[j].frames].begin(), sets[items[j].frames].end());
      merged.frames = set(std::move(members));
    }
    items[kept++] = merged;
    i = end;
  }
  items.resize(kept);
}

void Stacks::compact(std::vector<Item> &items) {
  if (frames.size() < manyFrames)
    return;
  std::vector<uint8_t> needed(sets.size());
  std::vector<uint32_t> work;
  auto need = [&](uint32_t set) {
    if (!needed[set]) {
      needed[set] = 1;
      work.push_back(set);
    }
  };
  for (const Item &item : items)
    need(item.frames);
  while (!work.empty()) {
    uint32_t set = work.back();
    work.pop_back();
    for (uint32_t number : sets[set])
      if (number != bottom)
        need(frames[number].below);
  }
  std::vector<Frame> oldFrames = std::move(frames);
  std::vector<Set> oldSets = std::move(sets);
  forget();
  // A set was made after its frames, and a frame after the set below it: in this order all is known in time.
  std::vector<uint32_t> newFrame(oldFrames.size()), newSet(oldSets.size());
  for (uint32_t s = 1; s < oldSets.size(); ++s) {
    if (!needed[s])
      continue;
    Set members;
    for (uint32_t number : oldSets[s]) {
      if (number != bottom && !newFrame[number]) {
        Frame frame = oldFrames[number];
        frame.below = newSet[frame.below];
        newFrame[number] = this->frame(frame);
      }
      members.push_back(newFrame[number]);
    }
    newSet[s] = set(std::move(members));
  }
  for (Item &item : items)
    item.frames = newSet[item.frames];
}
