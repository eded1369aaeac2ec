//===- FairShare.cpp - What each owner has been served ----------------------------------------===//

#include "runtime/scheduler/FairShare.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace nibble;

// Owners without requests that are remembered: they have been served more than those who are here, and would
// forget their debt by leaving for a moment.
static constexpr size_t kMostAbsent = 4096;

double FairShare::leastServed() const {
  double least = std::numeric_limits<double>::infinity();
  for (const auto &[owner, account] : accounts)
    if (account.requests > 0)
      least = std::min(least, account.served);
  return least;
}

void FairShare::begin(const std::string &owner) {
  Account &account = accounts[owner];
  if (double least = leastServed(); account.requests == 0 && std::isfinite(least))
    account.served = std::max(account.served, least);
  ++account.requests;
}

void FairShare::end(const std::string &owner) {
  auto found = accounts.find(owner);
  if (found == accounts.end() || --found->second.requests > 0)
    return;
  double least = leastServed();
  bool crowded = accounts.size() > kMostAbsent;
  std::erase_if(accounts, [&](const auto &entry) {
    return entry.second.requests == 0 && (crowded || entry.second.served <= least);
  });
}

void FairShare::charge(const std::string &owner, double tokens) {
  if (auto found = accounts.find(owner); found != accounts.end())
    found->second.served += tokens;
}

double FairShare::served(const std::string &owner) const {
  auto found = accounts.find(owner);
  return found == accounts.end() ? 0 : found->second.served;
}
