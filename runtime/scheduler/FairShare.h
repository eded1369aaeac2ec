//===- FairShare.h - What each owner has been served --------------------------------*- C++ -*-===//
//
// The virtual token counter of Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): whoever
// has been served least is next. An owner who comes back after a pause starts at the least counter of those
// who are there: absence earns no credit.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace nibble {

class FairShare {
public:
  /// A request of this owner arrives. Every begin() has its end().
  void begin(const std::string &owner);
  void end(const std::string &owner);
  /// The owner's request has used so much of a step, in tokens of a prompt; a generated token counts as two,
  /// as it costs about that.
  void charge(const std::string &owner, double tokens);
  /// What the owner has been served so far, as far as it matters; 0 for strangers.
  double served(const std::string &owner) const;

private:
  struct Account {
    double served = 0;
    uint32_t requests = 0; // that are here
  };
  /// The least counter among owners who have requests here; infinity if none has.
  double leastServed() const;

  std::unordered_map<std::string, Account> accounts;
};

} // namespace nibble
