//===- Strings.h - JSON strings of some form, as automata ---------------------------*- C++ -*-===//
//
// A string without a pattern may be spelled in every way that JSON has; all grammars share its automaton, and
// its length is counted while it is walked. A string with a pattern or format is spelled in one way (Dfa.h),
// so that what it says can be read off the bytes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Automaton.h"
#include <map>

namespace nibble::grammar {

/// The regular expression of a format; none for formats that are not known. Where a standard allows more than
/// an expression says, less is generated: see the table in Formats.cpp.
std::optional<std::string_view> formatPattern(std::string_view format);
/// Names of all known formats, for messages.
std::string knownFormats();

struct StringForm {
  uint32_t least = 0, most = unbounded; // characters
  std::vector<std::string> patterns;    // each is found somewhere in the string

  bool isFree() const { return patterns.empty() && least == 0 && most == unbounded; }
  auto operator<=>(const StringForm &other) const = default;
};

/// Builds strings' automata, each once.
class Strings {
public:
  explicit Strings(Budget &budget) : budget(budget) {}

  /// None where no string has the form.
  Result<std::optional<Leaf>> leaf(const StringForm &form);
  /// With one spelling for each string; null where no string has the form.
  Result<DfaPtr> canonical(const StringForm &form);
  /// Strings that contain a match of the pattern.
  Result<DfaPtr> pattern(const std::string &text);
  /// Literal text as it stands.
  Result<DfaPtr> text(const std::vector<std::string> &alternatives);
  /// Literal JSON strings, in every spelling that canonical() has.
  Result<DfaPtr> names(const std::vector<std::string> &names);

private:
  Budget &budget;
  std::map<StringForm, DfaPtr> known;
  std::map<std::string, DfaPtr> patterns;
  std::map<std::vector<std::string>, DfaPtr> texts;

  Result<DfaPtr> build(const StringForm &form);
  Result<DfaPtr> shared(Result<std::optional<Dfa>> dfa);
};

/// Any JSON string; it can count characters.
DfaPtr anyString();

} // namespace nibble::grammar
