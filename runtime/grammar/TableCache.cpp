//===- TableCache.cpp - Tables over a vocabulary, shared and bounded --------------------------===//

#include "Vocabulary.h"

using namespace nibble::grammar;

/// How often automata that are gone are cleared away, in registrations.
static constexpr size_t sweepEvery = 4096;

uint64_t TableCache::number(const DfaPtr &dfa) {
  std::lock_guard lock(mutex);
  if (++registrations % sweepEvery == 0)
    std::erase_if(known, [](const auto &entry) { return entry.second.dfa.expired(); });
  auto [first, last] = known.equal_range(dfa->hash);
  for (auto entry = first; entry != last; ++entry)
    if (auto other = entry->second.dfa.lock(); other && (other == dfa || *other == *dfa))
      return entry->second.number;
  known.emplace(dfa->hash, Known{dfa, ++lastNumber});
  return lastNumber;
}

std::shared_ptr<const Table> TableCache::get(const Vocabulary &vocabulary, uint64_t number, const Dfa &dfa,
                                             uint16_t state, bool endsText, bool counts) {
  Key key{number, state | (endsText ? 1u << 16 : 0) | (counts ? 1u << 17 : 0)};
  {
    std::lock_guard lock(mutex);
    if (auto found = slots.find(key); found != slots.end()) {
      recent.splice(recent.begin(), recent, found->second);
      return found->second->table;
    }
  }
  // Two threads may make the same table; the first one's is kept.
  auto table = std::make_shared<const Table>(makeTable(vocabulary, dfa, state, endsText, counts));
  size_t size = table->bytes();
  std::lock_guard lock(mutex);
  auto [slot, isNew] = slots.try_emplace(key);
  if (!isNew)
    return slot->second->table;
  recent.push_front({key, table, size});
  slot->second = recent.begin();
  bytes += size;
  while (bytes > mostBytes && recent.size() > 1) {
    bytes -= recent.back().bytes;
    slots.erase(recent.back().key);
    recent.pop_back();
  }
  return table;
}
