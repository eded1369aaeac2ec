//===- TuningFields.cpp - Tunings as text -----------------------------------------------------===//
//
// The spelling stands in plans, manifests, modules and on the command line; here it is read and written.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Codegen/CPU/Target.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

using namespace nibble;

const std::vector<TuningField> &nibble::tuningFields() {
  constexpr uint32_t any = std::numeric_limits<uint32_t>::max();
  using T = CPUTuning;
  static const std::vector<TuningField> fields = {
      {"lone-near-prefetch", &T::loneNearPrefetch, 0, 1 << 16, 64, 1, 1, {0, 1152, 2304, 4608}},
      {"lone-far-prefetch", &T::loneFarPrefetch, 0, 1 << 20, 64, 1, 1, {0, 4608, 9216, 18432}},
      {"tile-vectors", &T::tileVectors, 1, 4, 1, 1, any, {1, 2, 4}},
      {"tile-tokens", &T::tileTokens, 1, 8, 1, 2, any, {2, 4, 8}},
      {"chains", &T::chains, 1, 2, 1, 1, any, {1, 2}},
      {"near-prefetch", &T::nearPrefetch, 0, 1 << 16, 64, 2, any, {0, 1152, 2304, 4608}},
      {"far-prefetch", &T::farPrefetch, 0, 1 << 20, 64, 2, any, {0, 4608, 9216, 18432}},
      {"block-tokens", &T::blockTokens, 8, 1 << 16, 8, 17, any, {32, 64, 128, 256}},
      {"block-groups", &T::blockGroups, 8, 1 << 16, 8, 17, any, {16, 32, 64}},
      {"item-bytes", &T::itemBytes, 1 << 10, 1 << 24, 1, 1, any, {8 << 10, 16 << 10, 32 << 10, 64 << 10}},
  };
  return fields;
}

/// A tuning that has a name of its own; null if there is none.
static const CPUTuning *findTuning(std::string_view name, InstructionSet instructions) {
  auto tuning = std::ranges::find_if(cpuTunings(), [&](const CPUTuning &one) {
    return one.name == name && one.instructions == instructions;
  });
  return tuning == cpuTunings().end() ? nullptr : &*tuning;
}

std::string CPUTuning::spelling() const {
  std::string text = name;
  if (const CPUTuning *named = findTuning(name, instructions))
    for (const TuningField &field : tuningFields())
      if (this->*field.member != named->*field.member)
        text += "," + std::string(field.name) + "=" + std::to_string(this->*field.member);
  return text;
}

static std::string listOf(const auto &described, auto wanted) {
  std::string names;
  for (const auto &one : described)
    if (wanted(one))
      names += (names.empty() ? "" : ", ") + std::string(one.name);
  return names;
}

/// Sets the field that `word`, NAME=VALUE, names.
static Result<void> setField(CPUTuning &tuning, std::string_view word) {
  std::string_view name = word.substr(0, word.find('=')), digits = word.substr(name.size());
  digits.remove_prefix(digits.empty() ? 0 : 1);
  auto field = std::ranges::find(tuningFields(), name, &TuningField::name);
  if (field == tuningFields().end())
    return failure("a tuning has no field '" + std::string(name) + "'; expected " +
                   listOf(tuningFields(), [](const TuningField &) { return true; }));
  int64_t value = 0;
  const char *end = digits.data() + digits.size();
  auto [rest, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || rest != end || value < field->least || value > field->most ||
      value % field->multiple != 0)
    return failure("'" + std::string(word) + "': expected " + std::string(name) + "= and a " +
                   (field->multiple == 1 ? "number" : "multiple of " + std::to_string(field->multiple)) +
                   " from " + std::to_string(field->least) + " to " + std::to_string(field->most));
  tuning.*field->member = value;
  return {};
}

Result<CPUTuning> nibble::parseTuning(std::string_view spelling, const CPUTarget &target) {
  std::string_view name = spelling.substr(0, spelling.find(','));
  const CPUTuning *named = findTuning(name, target.instructions);
  if (!named)
    return failure(
        "unknown kind of CPU '" + std::string(name) + "' to tune " + target.name + " for; expected one of " +
        listOf(cpuTunings(), [&](const CPUTuning &one) { return one.instructions == target.instructions; }));
  CPUTuning tuning = *named;
  std::set<std::string_view> seen;
  for (std::string_view rest = spelling.substr(name.size()); !rest.empty();) {
    rest.remove_prefix(1); // the comma
    std::string_view word = rest.substr(0, rest.find(','));
    NIBBLE_CHECK(setField(tuning, word));
    if (!seen.insert(word.substr(0, word.find('='))).second)
      return failure("'" + std::string(word) + "': the field stands twice; leave one of them out");
    rest.remove_prefix(word.size());
  }
  return tuning;
}
