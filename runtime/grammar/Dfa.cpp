//===- Dfa.cpp - Deterministic automata over bytes --------------------------------------------===//

#include "Dfa.h"
#include <algorithm>
#include <cstring>
#include <unordered_map>

using namespace nibble;
using namespace nibble::grammar;

/// From so many possible bytes on, a walk over the whole vocabulary costs more than looking it up.
static constexpr uint32_t wideBytes = 20;

Result<void> Budget::spend(uint64_t count) {
  if (count > steps)
    return failure("takes too much work to compile: use fewer or smaller repetitions and alternatives");
  steps -= count;
  return {};
}

bool Dfa::canGoOn(uint16_t state) const {
  auto row = next.begin() + std::ptrdiff_t(state) * classes;
  return std::any_of(row, row + classes, [](uint16_t to) { return to != dead; });
}

bool Dfa::matches(std::string_view text) const {
  uint16_t state = start;
  for (char c : text)
    if ((state = step(state, static_cast<uint8_t>(c))) == dead)
      return false;
  return accepting[state];
}

bool Dfa::operator==(const Dfa &other) const {
  return hash == other.hash && classOf == other.classOf && classes == other.classes && next == other.next &&
         accepting == other.accepting && between == other.between && behind == other.behind;
}

/// FNV-1a.
static uint64_t hashBytes(const void *data, size_t size, uint64_t hash) {
  auto *bytes = static_cast<const unsigned char *>(data);
  for (size_t i = 0; i < size; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

/// The states, in the order that `old` lists them, under new numbers; old[0] is the start.
static Dfa renumber(const Dfa &dfa, const std::vector<uint16_t> &old) {
  std::vector<uint16_t> newOf(dfa.states(), Dfa::dead);
  for (size_t i = 0; i < old.size(); ++i)
    newOf[old[i]] = static_cast<uint16_t>(i);
  Dfa result;
  // Columns that have become alike are one.
  std::unordered_map<std::string, uint8_t> columns;
  std::vector<uint8_t> columnOf(dfa.classes);
  std::vector<uint32_t> kept;
  for (uint32_t c = 0; c < dfa.classes; ++c) {
    std::string column;
    for (uint16_t state : old) {
      uint16_t to = dfa.next[state * dfa.classes + c];
      to = to == Dfa::dead ? to : newOf[to];
      column.append(reinterpret_cast<const char *>(&to), sizeof to);
    }
    auto [found, isNew] = columns.emplace(std::move(column), static_cast<uint8_t>(columns.size()));
    if (isNew)
      kept.push_back(c);
    columnOf[c] = found->second;
  }
  for (size_t byte = 0; byte < 256; ++byte)
    result.classOf[byte] = columnOf[dfa.classOf[byte]];
  result.classes = static_cast<uint32_t>(kept.size());
  for (uint16_t state : old) {
    result.accepting.push_back(dfa.accepting[state]);
    for (uint32_t c : kept) {
      uint16_t to = dfa.next[state * dfa.classes + c];
      result.next.push_back(to == Dfa::dead ? to : newOf[to]);
    }
  }
  return result;
}

Result<std::optional<Dfa>> nibble::grammar::finish(Dfa dfa, Budget &budget) {
  uint32_t states = dfa.states();
  NIBBLE_CHECK(budget.spend(uint64_t(states) * dfa.classes * 2));
  // Backwards from the accepting states.
  std::vector<uint32_t> begin(states + 1), from;
  for (uint16_t to : dfa.next)
    if (to != Dfa::dead)
      ++begin[to + 1];
  for (uint32_t s = 0; s < states; ++s)
    begin[s + 1] += begin[s];
  from.resize(begin[states]);
  std::vector<uint32_t> fill(begin.begin(), begin.end() - 1);
  for (size_t i = 0; i < dfa.next.size(); ++i)
    if (dfa.next[i] != Dfa::dead)
      from[fill[dfa.next[i]]++] = static_cast<uint32_t>(i / dfa.classes);
  std::vector<uint8_t> live(states);
  std::vector<uint32_t> work;
  for (uint32_t s = 0; s < states; ++s)
    if (dfa.accepting[s]) {
      live[s] = 1;
      work.push_back(s);
    }
  while (!work.empty()) {
    uint32_t s = work.back();
    work.pop_back();
    for (uint32_t i = begin[s]; i < begin[s + 1]; ++i)
      if (!live[from[i]]) {
        live[from[i]] = 1;
        work.push_back(from[i]);
      }
  }
  if (states == 0 || !live[Dfa::start])
    return std::optional<Dfa>();
  // What can be reached through live states, numbered as it is found.
  std::vector<uint16_t> order{Dfa::start};
  std::vector<uint8_t> seen(states);
  seen[Dfa::start] = 1;
  for (size_t i = 0; i < order.size(); ++i)
    for (uint32_t c = 0; c < dfa.classes; ++c) {
      uint16_t &to = dfa.next[order[i] * dfa.classes + c];
      if (to != Dfa::dead && !live[to])
        to = Dfa::dead;
      if (to != Dfa::dead && !seen[to]) {
        seen[to] = 1;
        order.push_back(to);
      }
    }
  Dfa result = renumber(dfa, order);
  if (result.next.size() > budget.tableEntries)
    return failure("needs too large a table: use fewer or smaller repetitions and alternatives");
  budget.tableEntries -= result.next.size();

  uint32_t width[256] = {};
  for (uint8_t c : result.classOf)
    ++width[c];
  for (uint32_t s = 0; s < result.states(); ++s) {
    uint32_t bytes = 0;
    for (uint32_t c = 0; c < result.classes; ++c)
      bytes += result.next[s * result.classes + c] != Dfa::dead ? width[c] : 0;
    result.wide.push_back(bytes >= wideBytes);
  }
  uint64_t hash = hashBytes(result.classOf.data(), 256, 0xcbf29ce484222325);
  hash = hashBytes(result.next.data(), result.next.size() * sizeof(uint16_t), hash);
  result.hash = hashBytes(result.accepting.data(), result.accepting.size(), hash);
  return std::optional(std::move(result));
}

/// Both at once; the right one may be dead where it is subtracted.
static Result<std::optional<Dfa>> product(const Dfa &left, const Dfa &right, bool minus, Budget &budget) {
  Dfa result;
  // Columns: pairs of columns that some byte has.
  std::unordered_map<uint32_t, uint8_t> columns;
  std::vector<std::pair<uint8_t, uint8_t>> pairs;
  for (size_t byte = 0; byte < 256; ++byte) {
    uint32_t key = left.classOf[byte] * 256u + right.classOf[byte];
    auto [found, isNew] = columns.emplace(key, static_cast<uint8_t>(columns.size()));
    if (isNew)
      pairs.emplace_back(left.classOf[byte], right.classOf[byte]);
    result.classOf[byte] = found->second;
  }
  result.classes = static_cast<uint32_t>(pairs.size());
  std::unordered_map<uint32_t, uint16_t> known;
  std::vector<std::pair<uint16_t, uint16_t>> states;
  auto number = [&](uint16_t l, uint16_t r) {
    auto [found, isNew] = known.emplace(l * 65536u + r, static_cast<uint16_t>(states.size()));
    if (isNew) {
      states.emplace_back(l, r);
      bool other = r != Dfa::dead && right.accepting[r];
      result.accepting.push_back(left.accepting[l] && (minus ? !other : other));
    }
    return found->second;
  };
  number(Dfa::start, Dfa::start);
  for (size_t s = 0; s < states.size(); ++s) {
    NIBBLE_CHECK(budget.spend(pairs.size()));
    if (states.size() > budget.statesEach)
      return failure("needs more than " + std::to_string(budget.statesEach) +
                     " states: use fewer or smaller repetitions");
    for (auto [lc, rc] : pairs) {
      auto [l, r] = states[s];
      uint16_t toLeft = left.next[l * left.classes + lc];
      uint16_t toRight = r == Dfa::dead ? Dfa::dead : right.next[r * right.classes + rc];
      bool alive = toLeft != Dfa::dead && (minus || toRight != Dfa::dead);
      result.next.push_back(alive ? number(toLeft, toRight) : Dfa::dead);
    }
  }
  return finish(std::move(result), budget);
}

Result<std::optional<Dfa>> nibble::grammar::intersect(const Dfa &left, const Dfa &right, Budget &budget) {
  return product(left, right, false, budget);
}

Result<std::optional<Dfa>> nibble::grammar::subtract(const Dfa &left, const Dfa &right, Budget &budget) {
  return product(left, right, true, budget);
}
