//===- Segment.cpp - A compiled tokenizer's tables, checked -----------------------------------===//

#include "Segment.h"
#include "UTF8.h"
#include <algorithm>
#include <cstring>

using namespace nibble;
using namespace nibble::tokenizer;

static tl::unexpected<Error> damaged(const std::string &what) {
  return failure("the compiled tokenizer is damaged: " + what + "; compile the model again");
}

namespace {

/// The segment under construction of views into it.
struct Opener {
  std::span<const std::byte> segment;
  State &state;

  Result<void> header();
  Result<void> tables();
  Result<void> checkStrings() const;
  Result<void> checkTokens() const;
  Result<void> checkMerges() const;
  Result<void> checkAdded(std::span<const AddedToken> tokens) const;
  Result<std::vector<PreparedStep>> steps(const Section &section, bool normalizers) const;

  template <typename T> Result<std::span<const T>> table(const Section &section, const char *name) const;
  template <typename T>
  Result<std::span<const T>> table(const Section &section, const char *name, uint64_t count) const;
  bool holds(String string) const {
    return string.offset <= state.strings.size() && string.length <= state.strings.size() - string.offset;
  }
  bool isTokenOrNone(int32_t id) const { return id == noToken || state.isToken(id); }
};

} // namespace

template <typename T>
Result<std::span<const T>> Opener::table(const Section &section, const char *name) const {
  if (section.offset % 8 != 0 || section.offset > segment.size() ||
      section.bytes > segment.size() - section.offset || section.bytes % sizeof(T) != 0)
    return damaged(std::string("table ") + name + " is not inside of it");
  auto bytes = segment.subspan(section.offset, section.bytes);
  return std::span(reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T));
}

template <typename T>
Result<std::span<const T>> Opener::table(const Section &section, const char *name, uint64_t count) const {
  NIBBLE_TRY(auto records, table<T>(section, name));
  if (records.size() != count)
    return damaged(std::string("table ") + name + " has " + std::to_string(records.size()) +
                   " entries, expected " + std::to_string(count));
  return records;
}

Result<void> Opener::header() {
  if (reinterpret_cast<uintptr_t>(segment.data()) % 8 != 0)
    return failure("the compiled tokenizer must lie at a multiple of 8 bytes");
  if (segment.size() < sizeof(Header))
    return damaged("it has " + std::to_string(segment.size()) + " bytes, fewer than its header");
  std::memcpy(&state.header, segment.data(), sizeof(Header));
  const Header &header = state.header;
  if (std::memcmp(header.magic, segmentMagic, sizeof(segmentMagic)) != 0)
    return damaged("it does not begin as one");
  if (header.version != segmentVersion)
    return failure("the compiled tokenizer has format version " + std::to_string(header.version) +
                   "; this program reads version " + std::to_string(segmentVersion) +
                   ": compile the model again");
  if (header.totalBytes != segment.size())
    return damaged("it should have " + std::to_string(header.totalBytes) + " bytes and has " +
                   std::to_string(segment.size()));
  if (header.vocabularySize == 0 || header.vocabularySize > largestVocabulary)
    return damaged("it claims " + std::to_string(header.vocabularySize) + " tokens");
  return {};
}

Result<void> Opener::tables() {
  const Header &header = state.header;
  uint64_t vocabulary = header.vocabularySize;
  NIBBLE_TRY(auto pool, table<char>(header.strings, "strings"));
  state.strings = std::string_view(pool.data(), pool.size());
  NIBBLE_TRY(state.keys, table<String>(header.keys, "keys", vocabulary));
  NIBBLE_TRY(state.outputs, table<String>(header.outputs, "outputs", vocabulary));
  NIBBLE_TRY(state.tokenFlags, table<uint8_t>(header.tokenFlags, "token flags", vocabulary));
  NIBBLE_TRY(state.keyTable, table<uint32_t>(header.keyTable, "key table"));
  NIBBLE_TRY(state.byteTokens, table<int32_t>(header.byteTokens, "byte tokens", 256));
  NIBBLE_TRY(state.mergeRows, table<uint32_t>(header.mergeRows, "merge rows", vocabulary + 1));
  NIBBLE_TRY(state.merges, table<Merge>(header.merges, "merges"));
  NIBBLE_TRY(state.addedTokens, table<AddedToken>(header.addedTokens, "added tokens"));
  NIBBLE_TRY(state.addedNormalized, table<AddedToken>(header.addedNormalized, "normalized added tokens"));
  NIBBLE_TRY(state.prefix, table<int32_t>(header.prefix, "prefix"));
  NIBBLE_TRY(state.suffix, table<int32_t>(header.suffix, "suffix"));
  return {};
}

Result<void> Opener::checkStrings() const {
  const Header &header = state.header;
  auto inside = [&](String string) { return holds(string); };
  if (!std::ranges::all_of(state.keys, inside) || !std::ranges::all_of(state.outputs, inside))
    return damaged("a token's text is not inside of it");
  if (!inside(header.separator) || !inside(header.stripped) || !inside(header.droppedFromFirst))
    return damaged("its decoder's text is not inside of it");
  if (header.stripCount > 0 && header.stripped.length == 0)
    return damaged("its decoder strips nothing");
  return {};
}

Result<void> Opener::checkTokens() const {
  const Header &header = state.header;
  for (int32_t id : {header.unknownSymbol, header.bos, header.eos, header.unk, header.pad})
    if (!isTokenOrNone(id))
      return damaged("token " + std::to_string(id) + " is outside of the vocabulary");
  if (!std::has_single_bit(state.keyTable.size()))
    return damaged("its key table's size is no power of two");
  auto isEntry = [&](uint32_t entry) { return entry <= header.vocabularySize; };
  if (!std::ranges::all_of(state.keyTable, isEntry))
    return damaged("its key table leads outside of the vocabulary");
  if (!std::ranges::all_of(state.byteTokens, [&](int32_t id) { return isTokenOrNone(id); }))
    return damaged("a byte's token is outside of the vocabulary");
  for (auto ids : {state.prefix, state.suffix})
    if (!std::ranges::all_of(ids, [&](int32_t id) { return state.isToken(id); }))
      return damaged("a start or end token is outside of the vocabulary");
  return {};
}

Result<void> Opener::checkMerges() const {
  if (state.mergeRows.back() != state.merges.size() || !std::ranges::is_sorted(state.mergeRows))
    return damaged("its merges do not fit their rows");
  auto isMerge = [&](const Merge &merge) {
    return state.isToken(merge.right) && state.isToken(merge.result);
  };
  if (!std::ranges::all_of(state.merges, isMerge))
    return damaged("a merge leads outside of the vocabulary");
  return {};
}

Result<void> Opener::checkAdded(std::span<const AddedToken> tokens) const {
  for (const AddedToken &token : tokens)
    // Invalid UTF-8 could be found in the middle of a character, and what is left of that is not for PCRE2.
    if (!holds(token.text) || token.text.length == 0 || !state.isToken(token.id) ||
        !isValidUTF8(state.text(token.text)))
      return damaged("an added token is not text inside of it");
  return {};
}

Result<std::vector<PreparedStep>> Opener::steps(const Section &section, bool normalizers) const {
  NIBBLE_TRY(auto records, table<Step>(section, "steps"));
  if (records.size() > mostSteps)
    return damaged("it claims " + std::to_string(records.size()) + " steps");
  std::vector<PreparedStep> prepared;
  for (const Step &step : records) {
    if (!holds(step.first) || !holds(step.second))
      return damaged("a step's text is not inside of it");
    if (isNormalizer(step.kind) != normalizers)
      return damaged("a step is in the wrong list");
    auto ready = prepareStep(step.kind, step.argument, state.text(step.first), state.text(step.second));
    if (!ready)
      return damaged(ready.error().message);
    prepared.push_back(*std::move(ready));
  }
  return prepared;
}

Result<State> nibble::tokenizer::openSegment(std::span<const std::byte> segment) {
  State state;
  Opener opener{segment, state};
  NIBBLE_CHECK(opener.header());
  NIBBLE_CHECK(opener.tables());
  NIBBLE_CHECK(opener.checkStrings());
  NIBBLE_CHECK(opener.checkTokens());
  NIBBLE_CHECK(opener.checkMerges());
  NIBBLE_CHECK(opener.checkAdded(state.addedTokens));
  NIBBLE_CHECK(opener.checkAdded(state.addedNormalized));
  NIBBLE_TRY(state.normalizers, opener.steps(state.header.normalizers, true));
  NIBBLE_TRY(state.preTokenizers, opener.steps(state.header.preTokenizers, false));
  for (size_t c = 0; c < state.asciiKeys.size(); ++c) {
    char character = static_cast<char>(c);
    state.asciiKeys[c] = state.findKey({&character, 1});
  }
  return state;
}

int32_t State::findKey(std::string_view key) const {
  size_t mask = keyTable.size() - 1;
  size_t at = hashKey(key) & mask;
  for (size_t probes = 0; probes < mostProbes; ++probes, at = (at + 1) & mask) {
    uint32_t entry = keyTable[at];
    if (entry == 0)
      return noToken;
    if (text(keys[entry - 1]) == key)
      return static_cast<int32_t>(entry - 1);
  }
  return noToken;
}

const Merge *State::findMerge(int32_t left, int32_t right) const {
  const Merge *begin = merges.data() + mergeRows[size_t(left)];
  const Merge *end = merges.data() + mergeRows[size_t(left) + 1];
  const Merge *found =
      std::lower_bound(begin, end, right, [](const Merge &m, int32_t id) { return m.right < id; });
  return found != end && found->right == right ? found : nullptr;
}
