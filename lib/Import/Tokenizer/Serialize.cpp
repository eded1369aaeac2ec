//===- Serialize.cpp - A tokenizer's description becomes its segment --------------------------===//
//
// Lays out the tables of TokenizerFormat.h and works out ahead of time what running would otherwise repeat:
// the text that each token adds, the bytes' tokens, merges grouped by their left token, added tokens sorted
// for the search.
//
//===------------------------------------------------------------------------------------------===//

#include "ByteLevelAlphabet.h"
#include "nibble/Import/Tokenizer.h"
#include "runtime/tokenizer/Steps.h"
#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

using namespace nibble;
using namespace nibble::tokenizer;

// Limits against descriptions that are made to take memory; vocabularies of the field have a hundredth of
// this.
static constexpr size_t longestToken = 1 << 16;        // bytes
static constexpr size_t longestReplacement = 64;       // bytes
static constexpr size_t largestPool = size_t(1) << 30; // bytes of all texts

/// The byte that "<0x0A>" stands for.
static std::optional<uint8_t> namedByte(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>')
    return std::nullopt;
  unsigned value = 0;
  for (char c : spelling.substr(3, 2)) {
    if (!std::isxdigit(static_cast<unsigned char>(c)))
      return std::nullopt;
    value = value * 16 + (c <= '9' ? unsigned(c - '0') : unsigned((c | 0x20) - 'a' + 10));
  }
  return static_cast<uint8_t>(value);
}

static std::string replaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != text.npos; done = at + from.size())
    (result += text.substr(done, at - done)) += to;
  return result += text.substr(done);
}

static std::string_view strip(std::string_view text, const TokenDecoderStep &step) {
  for (uint32_t i = 0; i < step.start && text.starts_with(step.from); ++i)
    text.remove_prefix(step.from.size());
  for (uint32_t i = 0; i < step.stop && text.ends_with(step.from); ++i)
    text.remove_suffix(step.from.size());
  return text;
}

namespace {

class Writer {
public:
  explicit Writer(const TokenizerSpec &spec) : spec(spec) {}
  Result<std::vector<std::byte>> write();

private:
  Result<void> check() const;
  Result<void> writeTokens();
  Result<void> writeKeyTable();
  void writeByteTokens();
  Result<void> writeMerges();
  Result<void> writeSteps(const std::vector<TokenizerStep> &steps, Section &section);
  Result<void> writeAdded();
  Result<void> writeAddedList(std::vector<std::pair<std::string, const TokenizerSpec::Added *>> list,
                              Section &section);

  /// A token as the model finds it: raw bytes in a byte-level model. Tokens that were only added keep their
  /// spelling.
  std::string keyOf(const TokenizerSpec::Token &token) const;
  /// What a token adds to decoded text; sets ByteToken in `flags` if it is one byte of a character.
  std::string outputOf(const TokenizerSpec::Token &token, uint8_t &flags) const;
  String intern(std::string_view text);
  template <typename T> void append(Section &section, const std::vector<T> &records);
  tl::unexpected<Error> refuse(const std::string &what) const { return failure(spec.source + ": " + what); }

  const TokenizerSpec &spec;
  Header header{};
  std::vector<std::byte> segment = std::vector<std::byte>(sizeof(Header));
  std::string pool;
  std::unordered_map<std::string, String> interned;
  std::vector<std::string> keys; // by id
  std::vector<PreparedStep> normalizers;
};

} // namespace

String Writer::intern(std::string_view text) {
  auto [entry, added] = interned.try_emplace(std::string(text));
  if (added) {
    entry->second = {static_cast<uint32_t>(pool.size()), static_cast<uint32_t>(text.size())};
    pool += text;
  }
  return entry->second;
}

template <typename T> void Writer::append(Section &section, const std::vector<T> &records) {
  segment.resize((segment.size() + 7) / 8 * 8);
  section = {segment.size(), records.size() * sizeof(T)};
  segment.resize(section.offset + section.bytes);
  if (!records.empty())
    std::memcpy(segment.data() + section.offset, records.data(), section.bytes);
}

std::string Writer::keyOf(const TokenizerSpec::Token &token) const {
  if (token.inModel && (spec.flags & ByteLevel))
    if (auto bytes = byteLevelBytes(token.spelling))
      return *std::move(bytes);
  return token.spelling;
}

std::string Writer::outputOf(const TokenizerSpec::Token &token, uint8_t &flags) const {
  std::string text = token.spelling;
  for (const TokenDecoderStep &step : spec.decoder.perToken) {
    switch (step.kind) {
    case TokenDecoderStep::Kind::Replace:
      text = replaceAll(text, step.from, step.to);
      break;
    case TokenDecoderStep::Kind::Strip:
      text = strip(text, step);
      break;
    case TokenDecoderStep::Kind::ByteFallback:
      if (auto byte = namedByte(text)) {
        flags |= ByteToken;
        return {static_cast<char>(*byte)};
      }
      break;
    case TokenDecoderStep::Kind::ByteLevel:
      // An added token was found in the text as it is spelled; `tokenizers` takes "ü" for the byte 0xFC even
      // so.
      if (auto bytes = byteLevelBytes(text); bytes && token.inModel)
        text = *std::move(bytes);
      break;
    }
  }
  return text;
}

Result<void> Writer::check() const {
  size_t size = spec.tokens.size();
  if (size == 0 || size > largestVocabulary)
    return refuse("has a vocabulary of " + std::to_string(size) + " tokens; expected 1 to " +
                  std::to_string(largestVocabulary));
  auto isToken = [&](int32_t id) { return id >= 0 && size_t(id) < size; };
  for (int32_t id : {spec.bos, spec.eos, spec.unk, spec.pad, spec.unknownSymbol})
    if (id != noToken && !isToken(id))
      return refuse("names token " + std::to_string(id) + ", its vocabulary has " + std::to_string(size));
  for (const auto *ids : {&spec.prefix, &spec.suffix})
    for (int32_t id : *ids)
      if (!isToken(id))
        return refuse("puts token " + std::to_string(id) + " around texts, its vocabulary has " +
                      std::to_string(size));
  for (const auto &added : spec.added)
    if (!isToken(added.id))
      return refuse("added token \"" + added.content + "\" has the id " + std::to_string(added.id) +
                    ", the vocabulary has " + std::to_string(size));
  if (spec.normalizers.size() > mostSteps || spec.preTokenizers.size() > mostSteps)
    return refuse("has more than " + std::to_string(mostSteps) + " normalizers or pre-tokenizers");
  for (const auto &token : spec.tokens)
    if (token.spelling.size() > longestToken)
      return refuse("a token has " + std::to_string(token.spelling.size()) + " bytes; expected at most " +
                    std::to_string(longestToken));
  for (const TokenDecoderStep &step : spec.decoder.perToken)
    if (step.to.size() > longestReplacement)
      return refuse("the decoder replaces by a text of " + std::to_string(step.to.size()) + " bytes");
  return {};
}

Result<void> Writer::writeTokens() {
  std::vector<String> keyStrings, outputs;
  std::vector<uint8_t> flags;
  for (const TokenizerSpec::Token &token : spec.tokens) {
    uint8_t flag = token.special ? Special : 0;
    keys.push_back(keyOf(token));
    keyStrings.push_back(intern(keys.back()));
    outputs.push_back(intern(outputOf(token, flag)));
    flags.push_back(flag);
    if (pool.size() > largestPool)
      return refuse("the vocabulary's texts have more than " + std::to_string(largestPool) + " bytes");
  }
  append(header.keys, keyStrings);
  append(header.outputs, outputs);
  append(header.tokenFlags, flags);
  return {};
}

Result<void> Writer::writeKeyTable() {
  size_t size = std::bit_ceil(2 * spec.tokens.size());
  for (;; size *= 2) {
    if (size > 64 * spec.tokens.size() + 1024)
      return refuse("its tokens do not fit a hash table (was it made to this end?)");
    std::vector<uint32_t> table(size);
    bool fits = true;
    for (size_t id = 0; id < spec.tokens.size() && fits; ++id) {
      // A byte-level token that is not spelled in the alphabet cannot come out of bytes.
      bool findable = !(spec.flags & ByteLevel) || byteLevelBytes(spec.tokens[id].spelling);
      if (!spec.tokens[id].inModel || !findable)
        continue;
      size_t at = hashKey(keys[id]) & (size - 1);
      uint32_t probes = 1;
      while (table[at] != 0 && keys[table[at] - 1] != keys[id] && probes < mostProbes) {
        at = (at + 1) & (size - 1);
        ++probes;
      }
      if (table[at] == 0)
        table[at] = static_cast<uint32_t>(id + 1);
      else
        fits = keys[table[at] - 1] == keys[id]; // the first of two equal tokens stays
    }
    if (fits) {
      append(header.keyTable, table);
      return {};
    }
  }
}

void Writer::writeByteTokens() {
  std::vector<int32_t> byteTokens(256, noToken);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const TokenizerSpec::Token &token = spec.tokens[id];
    if (!token.inModel)
      continue;
    std::optional<uint8_t> byte;
    if (!(spec.flags & ByteLevel))
      byte = namedByte(token.spelling);
    else if (auto bytes = byteLevelBytes(token.spelling); bytes && bytes->size() == 1)
      byte = static_cast<uint8_t>(bytes->front());
    if (byte && byteTokens[*byte] == noToken)
      byteTokens[*byte] = static_cast<int32_t>(id);
  }
  append(header.byteTokens, byteTokens);
}

Result<void> Writer::writeMerges() {
  auto isToken = [&](int32_t id) { return id >= 0 && size_t(id) < spec.tokens.size(); };
  std::map<std::pair<int32_t, int32_t>, Merge> sorted; // the last of equal pairs counts, as in `tokenizers`
  for (const TokenizerSpec::Merge &merge : spec.merges) {
    if (!isToken(merge.left) || !isToken(merge.right) || !isToken(merge.result))
      return refuse("a merge is of tokens outside of the vocabulary");
    sorted[{merge.left, merge.right}] = {merge.right, merge.rank, merge.result};
  }
  std::vector<uint32_t> rows(spec.tokens.size() + 1);
  std::vector<Merge> merges;
  for (const auto &[pair, merge] : sorted) {
    ++rows[size_t(pair.first) + 1];
    merges.push_back(merge);
  }
  for (size_t i = 1; i < rows.size(); ++i)
    rows[i] += rows[i - 1];
  append(header.mergeRows, rows);
  append(header.merges, merges);
  return {};
}

Result<void> Writer::writeSteps(const std::vector<TokenizerStep> &steps, Section &section) {
  std::vector<Step> records;
  for (const TokenizerStep &step : steps) {
    auto prepared = prepareStep(step.kind, step.argument, step.first, step.second);
    if (!prepared)
      return refuse(prepared.error().message);
    if (&steps == &spec.normalizers)
      normalizers.push_back(*std::move(prepared));
    records.push_back({step.kind, step.argument, intern(step.first), intern(step.second)});
  }
  append(section, records);
  return {};
}

Result<void> Writer::writeAddedList(std::vector<std::pair<std::string, const TokenizerSpec::Added *>> list,
                                    Section &section) {
  std::ranges::sort(list, [](const auto &a, const auto &b) {
    return a.first != b.first ? a.first < b.first : a.second->id < b.second->id;
  });
  std::vector<AddedToken> records;
  for (const auto &[text, added] : list)
    if (!text.empty())
      records.push_back({intern(text), added->id, added->flags});
  append(section, records);
  return {};
}

Result<void> Writer::writeAdded() {
  std::vector<std::pair<std::string, const TokenizerSpec::Added *>> plain, normalized;
  RegexScratch scratch;
  for (const TokenizerSpec::Added &added : spec.added) {
    if (!added.normalized) {
      plain.emplace_back(added.content, &added);
      continue;
    }
    NIBBLE_TRY(auto text, normalize(normalizers, added.content, scratch));
    normalized.emplace_back(std::move(text), &added);
  }
  NIBBLE_CHECK(writeAddedList(std::move(plain), header.addedTokens));
  return writeAddedList(std::move(normalized), header.addedNormalized);
}

Result<std::vector<std::byte>> Writer::write() {
  NIBBLE_CHECK(check());
  std::memcpy(header.magic, segmentMagic, sizeof(segmentMagic));
  header.version = segmentVersion;
  header.flags = spec.flags;
  header.vocabularySize = static_cast<uint32_t>(spec.tokens.size());
  header.unknownSymbol = spec.unknownSymbol;
  header.bos = spec.bos;
  header.eos = spec.eos;
  header.unk = spec.unk;
  header.pad = spec.pad;
  header.separator = intern(spec.decoder.separator);
  header.stripped = intern(spec.decoder.stripped);
  header.droppedFromFirst = intern(spec.decoder.droppedFromFirst);
  header.stripCount = spec.decoder.stripCount;

  NIBBLE_CHECK(writeTokens());
  NIBBLE_CHECK(writeKeyTable());
  writeByteTokens();
  NIBBLE_CHECK(writeMerges());
  NIBBLE_CHECK(writeSteps(spec.normalizers, header.normalizers));
  NIBBLE_CHECK(writeSteps(spec.preTokenizers, header.preTokenizers));
  NIBBLE_CHECK(writeAdded());
  append(header.prefix, spec.prefix);
  append(header.suffix, spec.suffix);
  append(header.strings, std::vector<char>(pool.begin(), pool.end()));
  segment.resize((segment.size() + 7) / 8 * 8);
  header.totalBytes = segment.size();
  std::memcpy(segment.data(), &header, sizeof(header));
  return std::move(segment);
}

Result<std::vector<std::byte>> nibble::serializeTokenizer(const TokenizerSpec &spec) {
  return Writer(spec).write();
}
