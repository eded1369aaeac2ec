//===- Dfa.h - Deterministic automata over bytes ------------------------------------*- C++ -*-===//
//
// The leaves of a grammar: a literal, a number, a string of some form. They are built whole when a grammar is
// compiled, so that what a hostile expression costs is known, and refused, before anything is generated.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Expression.h"
#include "nibble/runtime/Result.h"
#include <array>
#include <optional>

namespace nibble::grammar {

/// What one grammar may still cost; shared by all of its automata.
struct Budget {
  uint64_t steps = 20'000'000;       // elementary steps of compiling: some tenths of a second
  uint64_t tableEntries = 6'000'000; // of all automata together, 2 bytes each
  uint32_t statesEach = 30'000;      // of one deterministic automaton
  uint32_t nondeterministic = 300'000;

  Result<void> spend(uint64_t count);
  /// Of a budget that was whole: what was spent so far, in steps; an entry takes memory, too.
  uint64_t spent() const {
    Budget whole;
    return whole.steps - steps + 3 * (whole.tableEntries - tableEntries);
  }
};

/// Every state can be reached, and from every one an accepting state can.
struct Dfa {
  static constexpr uint16_t dead = 0xffff;

  std::array<uint8_t, 256> classOf; // byte -> its column; bytes that no state tells apart share one
  uint32_t classes = 0;
  std::vector<uint16_t> next;     // [states][classes]: a state or dead
  std::vector<uint8_t> accepting; // [states]: 0 or 1
  std::vector<uint8_t> wide;      // [states]: so many bytes may follow that tables pay (Table.h)
  uint64_t hash = 0;              // of all the above

  /// For strings whose characters are counted while they are walked: the state between two characters and
  /// the state behind the closing quotation mark. `dead` in any other automaton.
  uint16_t between = dead, behind = dead;

  static constexpr uint16_t start = 0;
  uint32_t states() const { return static_cast<uint32_t>(accepting.size()); }
  uint16_t step(uint16_t state, uint8_t byte) const { return next[state * classes + classOf[byte]]; }
  /// Whether the state has a next one at all.
  bool canGoOn(uint16_t state) const;
  bool matches(std::string_view text) const;
  bool operator==(const Dfa &other) const;
};
using DfaPtr = std::shared_ptr<const Dfa>;

/// How characters are spelled in the text.
enum class Spelling {
  Plain,      // UTF-8
  JsonString, // as inside of a JSON string, each in one way: \" \\ \b \f \n \r \t, \u00XX for other control
              // characters (either case of the digits), all others plainly
};

/// None where nothing matches. `quoted` puts quotation marks around (whatever the spelling).
Result<std::optional<Dfa>> compile(const Expr &expression, Spelling spelling, bool quoted, Budget &budget);

/// What both accept; what the left accepts and the right does not.
Result<std::optional<Dfa>> intersect(const Dfa &left, const Dfa &right, Budget &budget);
Result<std::optional<Dfa>> subtract(const Dfa &left, const Dfa &right, Budget &budget);

/// Removes the states that lead nowhere and fills in what follows from the table. None where nothing is left.
Result<std::optional<Dfa>> finish(Dfa dfa, Budget &budget);

} // namespace nibble::grammar
